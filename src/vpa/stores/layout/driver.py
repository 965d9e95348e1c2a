"""What a client library has to be able to do for a store over the one layout, and the values that it speaks of."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from vpa.analysis.bm25 import WordStatistics
from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import InvalidRecordError, ProviderError
from vpa.base.metadata import canonical_metadata
from vpa.base.records import CollectionInfo, Metric, Record
from vpa.base.scope import Scope
from vpa.base.sparse import MAX_ENTRIES
from vpa.filters import Filter, NormalFilter
from vpa.filters.ast import In, Not, Range, StartsWith
from vpa.stores.layout.companions import MAX_WORD_BYTES, number_is_exact, survives_parsing
from vpa.stores.layout.predicate import Predicate, compile_filter, size
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.sparse import SparseVector
from vpa.stores.layout.tokens import seen
from vpa.stores.layout.words import WordQuery, at_most
from vpa.stores.options import StoreOptions
from vpa.stores.remote.session import Session
from vpa.stores.requests import ALWAYS as EVERYTHING


@dataclass(frozen=True, slots=True)
class Where:
    """Which records: those of a scope (None: of every scope) that satisfy a filter.

    `newest`: a page is to hold what every client had acknowledged, also where the collection's reads may lag.
    """

    scope: Scope | None
    filter: NormalFilter = EVERYTHING
    newest: bool = False

    @property
    def predicate(self) -> Predicate | None:
        """The filter in terms of tokens and companions; None for all records."""
        return compile_filter(self.filter)

    def effort(self, info: CollectionInfo) -> int | None:
        """The calibrated setting for a search of these; None where there is none."""
        if info.calibration is None:
            return None
        return info.calibration.of(is_filtered=self.filter is not EVERYTHING, is_scoped=self.scope is not None)

    @property
    def in_every_scope(self) -> Where:
        """The same filter, in all of them."""
        return Where(None, self.filter, self.newest)


@dataclass(frozen=True, slots=True, eq=False)
class StoredRow:
    """What a store returned for one record. `record` is set where others wrote it; else `payload` is read.

    `raw` is what the store calls score or distance.
    """

    key: str
    payload: object = None
    vector: FloatVector | None = None
    raw: float = math.nan
    record: Record | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request to the store may hold, and what its filters can say."""

    batch_records: int = 1000
    batch_bytes: int = 16 << 20
    bytes_per_value: float = 4.0
    bytes_of_number: int = 0
    ids: int = 1000
    page: int = 1000
    # A page is no smaller, however few are asked for: a store that reads everything to answer makes each one dear.
    least_page: int = 1
    tokens: int = 10_000
    terms: int = 10_000
    terms_of_bound: int = 1
    text_literal_bytes: int = MAX_WORD_BYTES
    writes_at_once: int = 2
    searches_at_once: int = 8
    # Candidates of a keyword search for each record that is asked for, and at least.
    word_candidates: tuple[float, int] = (1.5, 50)
    # Weights of a sparse vector, and whether they may be below 0.
    sparse_entries: int = MAX_ENTRIES
    negative_weights: bool = True


_TEXT_KEYS: Final = ("text", "page_content", "content", "document")


def foreign_record(key: str, fields: Mapping[str, Any], *, text: str | None = None) -> Record:
    """A record that others wrote: its fields as metadata, but for the one that holds the text, where none is given.

    Raises InvalidRecordError for fields that no record of ours can hold.
    """
    # Chroma gives a new record what is left of a dropped one whose place it takes, our lists of tokens among it.
    plain = {name: value for name, value in fields.items() if value is not None and not name.startswith("_vpa")}
    name = next((name for name in _TEXT_KEYS if isinstance(plain.get(name), str)), None) if text is None else None
    try:
        return Record(key, vector=None, text=plain.pop(name) if name else text, metadata=canonical_metadata(plain))
    except InvalidRecordError as error:
        raise InvalidRecordError(f"record {key!r}, written by others, cannot be read: {error.message}") from None


class LayoutDriver(ABC):
    """Speaks one client: each method sends one request through `ask`, or a few. No lifecycle, no policy, no distrust.

    `LayoutStore` makes the verbs of these methods, and checks every answer.
    """

    provider: ClassVar[str]
    client_version: ClassVar[str]
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {}
    limits: ClassVar[Limits] = Limits()
    exact_search: ClassVar[str] = "native"
    # Filters are evaluated on tokens and companions, which then have to be written; else on fields of the store.
    filters_by_tokens: ClassVar[bool] = True
    # Numbers reach it as JSON, whose last digit it may read as another.
    parses_numbers: bool = False
    # Exact searches go by `list_keys` and `score_all`.
    scores_all: ClassVar[bool] = False
    # How a keyword search finds its candidates, for `explain`.
    words_by: ClassVar[str] = "sparse vectors"
    # `rank_words` misses none of the best; else an exact keyword search reads every record.
    ranks_all_words: ClassVar[bool] = True
    # What is scanned may not match: pages know no filter, or rows are fetched after their keys were listed.
    checks_scanned: ClassVar[bool] = False
    # Each scope is a place of its own in the store: there is no search in all of them.
    keeps_scopes_apart: ClassVar[bool] = False
    options_type: ClassVar[type[StoreOptions] | None] = None
    capabilities: Capabilities

    def __init__(self, session: Session) -> None:
        self.ask = session.ask

    def forget(self) -> None:  # noqa: B027 - most drivers remember nothing
        """The connection was closed: what was learned about the store's collections may not hold for the next one."""

    def supports(self, leaf: Filter) -> bool:
        """Whether tokens and companions say this leaf, or `Not(leaf)`, on this store."""
        inner = leaf.part if isinstance(leaf, Not) else leaf
        if isinstance(inner, StartsWith):
            # Companions are the least and the greatest text of a list, of which one may begin so and none in between.
            return False
        if isinstance(inner, Range):
            if isinstance(inner.value, str):
                return len(seen(inner.field, inner.value).encode()) <= self.limits.text_literal_bytes
            # What stands beside a number that the store's parser changes would be told wrongly.
            parsed = not self.parses_numbers or survives_parsing(float(inner.value))
            return number_is_exact(inner.value) and parsed
        return not isinstance(inner, In) or len(inner.values) <= self.limits.tokens

    def terms(self, node: NormalFilter) -> int:
        """How many terms the store has to evaluate for a filter that it takes."""
        return size(compile_filter(node), self.limits.terms_of_bound)

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """Known holes of the versions and the place that `ping` reported; what to do in each."""
        del facts
        return []

    @abstractmethod
    async def ping(self) -> dict[str, Any]:
        """The server's version, and how many collections there are: a wrong key or address shows here."""

    @abstractmethod
    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs, sorted."""

    def check_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Raise InvalidRecordError for what the store cannot hold, before anything is written."""
        del info
        longest = self.capabilities.max_metadata_bytes
        for row in rows.rows if longest is not None else ():
            if row.size_bytes > longest and len(row.payload.encode()) > longest:  # type: ignore[operator]
                raise InvalidRecordError(
                    f"record {row.id!r} takes {len(row.payload.encode())} bytes as JSON, {self.provider} holds at "
                    f"most {longest}; "
                    "keep long text elsewhere, or use smaller chunks"
                )

    async def must_scan(self, info: CollectionInfo, where: Where) -> bool:
        """Whether an exact search has to read every record that may match, because the store has none of its own."""
        del info, where
        return self.exact_search == "scan"

    @abstractmethod
    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Score and distance, as SEMANTICS defines them, of what the store returned."""

    def raw_of(self, metric: Metric, score: float, distance: float) -> float:
        """The inverse of `score_of`, for stores whose exact search is a scan."""
        del metric, distance
        raise ProviderError(f"{self.provider} searches exactly by itself, not by a scan ({score})")

    @abstractmethod
    def spell(self, where: Where) -> Any:
        """A filter in the store's language."""

    @abstractmethod
    async def make(self, info: CollectionInfo) -> None:
        """Create the collection and its indexes, and keep `info` with it; raises CollectionExistsError."""

    @abstractmethod
    async def find(self, name: str) -> CollectionInfo | None:
        """The info stored with the collection; `layout_version` 0 where others made it; None where there is none."""

    @abstractmethod
    async def remove_collection(self, name: str) -> None:
        """Drop the native collection; raises CollectionNotFoundError."""

    @abstractmethod
    async def save_info(self, info: CollectionInfo) -> None:
        """Replace the stored description by this one."""

    def has_scopes_apart(self, info: CollectionInfo) -> bool:
        """Whether each scope of this collection is a place of its own: there is no search in all of them."""
        del info
        return self.keeps_scopes_apart

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """The store's own account of how the collection was made: index, codes, shards, …; empty where it has none."""
        del info
        return {}

    def is_approximate(self, info: CollectionInfo) -> bool:
        """Whether a search that was not asked to be exact may miss records of this collection."""
        del info
        return self.capabilities.approximate

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """Settings of the store's own search, the cheapest first; `nearest` reads `info.calibration`."""
        del info
        return ()

    async def use_effort(self, info: CollectionInfo) -> None:
        """Take over `info.calibration` where the setting is the collection's and not that of a search."""
        del info

    @abstractmethod
    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Write rows whole, in one request; PartialWriteError where only some were written."""

    @abstractmethod
    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Replace everything but the vectors of rows that exist; must not bring back one that is gone."""

    # Words, where `capabilities.keywords`.

    def check_keywords(self, info: CollectionInfo) -> None:
        """Raise ConfigurationError where this collection, as it is to be made or was made, can hold no words."""
        del info

    async def prepare_words(self, info: CollectionInfo) -> None:
        """Make what a collection needs to hold words that was made without."""
        del info

    async def write_words(self, info: CollectionInfo, rows: Rows) -> None:
        """Replace the words of rows that exist, and nothing else that a reader sees; must not bring back one that is
        gone.
        """
        await self.rewrite_rows(info, rows)

    async def before_ranking(self, info: CollectionInfo) -> None:
        """What has to be done before rows are ranked, by words or by sparse vectors, and others searched beside."""
        del info

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """The `limit` rows that the store thinks best of those with any of the terms, in any order; fewer only where
        there are no more. `raw`: greater is better.
        """
        raise ProviderError(f"{self.provider} keeps no words: {info.name}, {query}, {where}, {limit} {include_vectors}")

    def words_at_most(self, raw: float, statistics: WordStatistics) -> float:
        """The greatest keyword score that a row with this `raw` can have; infinite where the two tell nothing of each
        other.
        """
        return at_most(raw, statistics.mean_length)

    # Sparse vectors of callers, where `capabilities.sparse_vectors`.

    def check_sparse(self, info: CollectionInfo) -> None:
        """Raise ConfigurationError where a collection cannot be made that holds sparse vectors, and is as it says."""
        del info

    def sparse_trouble(self, sparse: Mapping[int, float]) -> str | None:
        """Why the store can neither hold this one nor be asked for it; None where it can."""
        limits = self.limits
        if len(sparse) > limits.sparse_entries:
            return (
                f"has {len(sparse)} weights, and {self.provider} takes at most {limits.sparse_entries}; leave out the "
                "least"
            )
        if not limits.negative_weights and sparse and min(sparse.values()) < 0:
            return f"has a weight of {min(sparse.values()):g}, and {self.provider} takes none below 0"
        return None

    async def rank_sparse(
        self, info: CollectionInfo, query: SparseVector, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """The `limit` rows with the greatest product, in any order; fewer only where no more have a dimension of the
        query. `raw` is the product. Rows without such a dimension may be among them.
        """
        raise ProviderError(
            f"{self.provider} has no sparse vectors: {info.name}, {query}, {where}, {limit} {include_vectors}"
        )

    @abstractmethod
    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """Those of the rows that exist, as every client had acknowledged them: writes depend on it."""

    @abstractmethod
    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        """Delete by native key; those that are not there are no error."""

    @abstractmethod
    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        """Delete by filter, within one scope."""

    @abstractmethod
    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        """How many rows match, exactly, of those that every client had acknowledged: deletes depend on it."""

    @abstractmethod
    async def nearest(
        self,
        info: CollectionInfo,
        query: FloatVector,
        where: Where,
        *,
        limit: int,
        exact: bool,
        include_vectors: bool,
    ) -> list[StoredRow]:
        """The nearest `limit` rows with their raw scores, in any order."""

    async def list_keys(self, info: CollectionInfo, where: Where) -> list[str] | None:
        """The keys of all rows that match, in any order, where the store lists them cheaply; None asks for pages."""
        del info, where
        return None

    async def score_all(self, info: CollectionInfo, query: FloatVector, where: Where, *, count: int) -> list[StoredRow]:
        """Keys and raw scores of all rows that match, `count` of them, but for some that the store may not reach."""
        raise ProviderError(f"{self.provider} does not score all rows: {info.name}, {where}, {count} {len(query)}")

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> Sequence[StoredRow]:
        """The next rows in the order of their keys, at least one and at most `limit`; empty at the end.

        `after` stands within the keys of the scope; rows of other scopes, and those behind its keys, may be among them.
        """
        raise ProviderError(
            f"{self.provider} lists keys, not pages: {info.name}, {where}, {after!r} {limit} {include_vectors}"
        )

    def order_of(self, key: str) -> Any:
        """What `page` sorts by, where that is not the key as text; of "" what stands before every key."""
        return key

    def own_pages(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[Sequence[StoredRow]] | None:
        """Every row as the store itself lists them, without a filter or an order; None where `page` does just that."""
        del info, include_vectors
        return None
