"""One frozen value per verb: what is asked of a store, already checked, and the facts that policy needs about it.

Everything that stands around a call (metering, limits, retries, audit, quotas) sees this value and the answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vpa.base.calibration import Calibration
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.query import OnConflict, SearchRequest, WordRequest
from vpa.base.records import CollectionInfo, EmbeddingIdentity, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.filters import NormalFilter
from vpa.filters.ast import ALWAYS as _ALWAYS

ALWAYS = NormalFilter(_ALWAYS)


class Request:
    """What one verb asks. `writes`: it may change what the store holds; `idempotent`: it may be sent twice."""

    __slots__ = ()
    verb: ClassVar[str]

    @property
    def writes(self) -> bool:
        """Whether it may change what the store holds."""
        return False

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return True

    @property
    def has_deadline(self) -> bool:
        """Whether it ends, with an error, after the time that the settings give to a verb."""
        return True


class _Writing(Request):
    __slots__ = ()

    @property
    def writes(self) -> bool:
        return True


class _WritingOnce(_Writing):
    __slots__ = ()

    @property
    def idempotent(self) -> bool:
        return False


# Records


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Upsert(_Writing):
    """Write whole records. `replacing`: also remove what this filter matches and is not in the batch."""

    verb: ClassVar[str] = "upsert"
    batch: RecordBatch
    scope: Scope = Scope()
    on_conflict: OnConflict = OnConflict.REPLACE
    replacing: NormalFilter | None = None

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the records to be written."""
        return self.batch.ids

    @property
    def idempotent(self) -> bool:
        """Not where an id that exists is an error: the second attempt would find what the first one wrote."""
        return self.on_conflict is not OnConflict.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Get(Request):
    """Records by id, in the order asked."""

    verb: ClassVar[str] = "get"
    ids: Sequence[str]
    scope: Scope = Scope()
    include_vectors: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Targeted(Request):
    """What a delete or an update applies to: ids, or else a filter, within one scope.

    `still`: of the ids, those only whose records satisfy this when they are changed. The others, and ids that are gone,
    are passed over: what was chosen by a filter that the store does not evaluate may have been rewritten since.
    """

    ids: Sequence[str] | None = None
    filter: NormalFilter = ALWAYS
    still: NormalFilter = ALWAYS
    scope: Scope = Scope()
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        """Not where it only counts."""
        return not self.dry_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(_Targeted):
    """Remove the records that are meant; `dry_run` counts them."""

    verb: ClassVar[str] = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMetadata(_Targeted):
    """Merge metadata into the targets: top-level keys to set (canonical values) and to remove."""

    verb: ClassVar[str] = "update_metadata"
    assign: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    remove: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Request):
    """How many records match, exactly."""

    verb: ClassVar[str] = "count"
    filter: NormalFilter = ALWAYS
    scope: Scope | AllScopes = Scope()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search(SearchRequest, Request):
    """The nearest records of each row of `vectors` `(m, d) float32` that satisfy the filter."""

    verb: ClassVar[str] = "search"
    filter: NormalFilter = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchWords(WordRequest, Request):
    """The records that hold most of the `terms`, or are most alike to `sparse`, and satisfy the filter; with a
    `vector`, those near it too.
    """

    verb: ClassVar[str] = "search_words"
    filter: NormalFilter = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchBatch(Search):
    """A search by several vectors at once."""

    verb: ClassVar[str] = "search_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan(Request):
    """Every match once, in batches; `cursor` continues behind a batch. `newest`: a write depends on what is read, so it
    must be what every manager had acknowledged.
    """

    verb: ClassVar[str] = "scan"
    filter: NormalFilter = ALWAYS
    scope: Scope | AllScopes = Scope()
    batch_size: int = 1000
    cursor: str | None = None
    include_vectors: bool = True
    newest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTypes(Request):
    """Each metadata path with how many of the matching records hold which type there."""

    verb: ClassVar[str] = "fields"
    filter: NormalFilter = ALWAYS
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct(Request):
    """The values that the matching records hold at one metadata path, each once and type-exact."""

    verb: ClassVar[str] = "distinct"
    field: str
    filter: NormalFilter = ALWAYS
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class MinMax(Distinct):
    """The least and the greatest of those values, by kind."""

    verb: ClassVar[str] = "min_max"


@dataclass(frozen=True, slots=True)
class Optimize(_Writing):
    """Build what makes searches fast; takes as long as it takes."""

    verb: ClassVar[str] = "optimize"

    @property
    def has_deadline(self) -> bool:
        """No: an index over much data takes minutes."""
        return False


@dataclass(frozen=True, slots=True)
class Statistics(Request):
    """Facts about one collection that the store knows cheaply."""

    verb: ClassVar[str] = "statistics"


@dataclass(frozen=True, slots=True)
class Explain(Request):
    """What the store does with a filter."""

    verb: ClassVar[str] = "explain"
    filter: NormalFilter


# Collections and the store itself


@dataclass(frozen=True, slots=True)
class Connect(Request):
    """Open the store, and ask it for a sign of life."""

    verb: ClassVar[str] = "connect"


@dataclass(frozen=True, slots=True)
class Ping(Request):
    """Ask the store whether it can serve."""

    verb: ClassVar[str] = "ping"


@dataclass(frozen=True, slots=True)
class ListCollections(Request):
    """The names of all collections."""

    verb: ClassVar[str] = "list_collections"


@dataclass(frozen=True, slots=True)
class DescribeCollection(Request):
    """What was stored with a collection."""

    verb: ClassVar[str] = "describe_collection"
    name: str


@dataclass(frozen=True, slots=True)
class CreateCollection(_WritingOnce):
    """Make an empty collection as `info` describes it."""

    verb: ClassVar[str] = "create_collection"
    info: CollectionInfo


@dataclass(frozen=True, slots=True)
class DropCollection(_WritingOnce):
    """Remove a collection with the records of every scope."""

    verb: ClassVar[str] = "drop_collection"
    name: str


@dataclass(frozen=True, slots=True)
class SetEmbedding(_Writing):
    """Store which model the vectors of a collection are from."""

    verb: ClassVar[str] = "set_embedding"
    name: str
    embedding: EmbeddingIdentity


@dataclass(frozen=True, slots=True)
class SetKeywords(_Writing):
    """Begin a keyword index, or make it anew, for a language."""

    verb: ClassVar[str] = "set_keywords"
    name: str
    keywords: KeywordIndex

    @property
    def has_deadline(self) -> bool:
        """No: the words of every record are taken in."""
        return False


@dataclass(frozen=True, slots=True)
class SetWords(_Writing):
    """Store the statistics of a collection's words."""

    verb: ClassVar[str] = "set_words"
    name: str
    words: WordSnapshot


@dataclass(frozen=True, slots=True)
class SetCalibration(_Writing):
    """Store what the searches of a collection were measured to find."""

    verb: ClassVar[str] = "set_calibration"
    name: str
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class NativeRequest(Request):
    """One request that a remote store sends for a verb, through its client; `verb` is what the store calls it."""

    verb: str  # type: ignore[misc]
    may_repeat: bool = True

    @property
    def idempotent(self) -> bool:
        """As the store says: a request that was sent may have been done."""
        return self.may_repeat
