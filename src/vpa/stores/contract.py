"""The contract of a store. To add one: subclass VectorStore, run the suite of `vpa.testing`, add a row to the registry.

The manager hands over checked values only: batches with float32 vectors (unit length for cosine) and canonical
metadata, filters that `split` called native, request objects. Retries, deadlines, validation, residuals and metrics
are not a store's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from vpa.base.capabilities import Capabilities
from vpa.base.index_options import IndexOptions
from vpa.base.metadata import Scalar
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.filters import Filter, Split, split, to_json
from vpa.filters.ast import ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a delete or update applies to: ids, or else a native filter, within one scope."""

    scope: Scope
    ids: Sequence[str] | None = None
    filter: Filter = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataEdit:
    """Top-level keys to set (canonical values) and to remove."""

    assign: Mapping[str, Any] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()


class VectorStore(ABC):
    """One connection to one store. Coroutines raise errors of `vpa.base.errors` only, with the client's as cause."""

    provider: ClassVar[str]
    # In this process, so that no request is lost on the way: nothing is retried.
    is_local: ClassVar[bool] = False
    capabilities: Capabilities
    # What a new collection gets where the caller says nothing.
    default_index: IndexOptions = IndexOptions()
    # Client packages with the lowest and the newest version that the suite was run on.
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {}

    @abstractmethod
    async def open(self) -> None:
        """Connect; raises ConnectionFailedError, AuthenticationError, StorageLockedError, …"""

    @abstractmethod
    async def close(self) -> None:
        """Release everything: connections, threads, files. May be called twice."""

    @abstractmethod
    async def ping(self) -> dict[str, Any]:
        """Ask the store whether it can serve; returns facts such as its version."""

    @abstractmethod
    async def create_collection(self, info: CollectionInfo) -> None:
        """Make a collection and store `info` with it; raises CollectionExistsError."""

    @abstractmethod
    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """What was stored with it, or None."""

    @abstractmethod
    async def list_collections(self) -> list[str]:
        """Logical names, sorted."""

    @abstractmethod
    async def drop_collection(self, name: str) -> None:
        """Remove it with every scope; raises CollectionNotFoundError."""

    @abstractmethod
    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Store which model the vectors are from; returns the new info."""

    @abstractmethod
    async def upsert(
        self,
        info: CollectionInfo,
        batch: RecordBatch,
        *,
        scope: Scope,
        on_conflict: OnConflict,
        replacing: Filter | None,
    ) -> int:
        """Write whole records; returns how many. `replacing`: also remove what it matches and is not in the batch."""

    @abstractmethod
    async def get(
        self, info: CollectionInfo, ids: Sequence[str], *, scope: Scope, include_vectors: bool
    ) -> list[Record]:
        """The records found, in the order asked."""

    @abstractmethod
    async def delete(self, info: CollectionInfo, target: Target, *, dry_run: bool) -> int:
        """Remove; returns how many existed."""

    @abstractmethod
    async def update_metadata(self, info: CollectionInfo, target: Target, edit: MetadataEdit, *, dry_run: bool) -> int:
        """Merge metadata; returns how many matched. Raises RecordNotFoundError for an unknown id, changing nothing."""

    @abstractmethod
    async def count(self, info: CollectionInfo, node: Filter, *, scope: Scope | AllScopes) -> int:
        """How many records match, exactly."""

    @abstractmethod
    async def search(self, info: CollectionInfo, request: SearchRequest, node: Filter) -> list[Matches]:
        """For each query its matches: SEMANTICS' scores, ordered by (-score, id), also at the cut."""

    @abstractmethod
    def scan(
        self,
        info: CollectionInfo,
        node: Filter,
        *,
        scope: Scope | AllScopes,
        batch_size: int,
        cursor: str | None,
        include_vectors: bool,
    ) -> AsyncIterator[RecordBatch]:
        """Every match once, in batches of one scope each, with `cursor` and `scope` set."""

    def supports(self, leaf: Filter) -> bool:
        """Whether the store evaluates this leaf, or `Not(leaf)`, exactly as SEMANTICS says. By default, every one."""
        del leaf
        return True

    def split(self, node: Filter) -> Split:
        """Divide a filter into what the store evaluates and what the manager does."""
        if type(self).supports is VectorStore.supports:
            # All of it, without a walk: a filter may hold ten thousand literals, and this runs on the event loop.
            return Split(node, ALWAYS)
        return split(node, self.supports)

    def native_form(self, node: Filter) -> Any:
        """A native filter in the store's own language, for `explain`."""
        return to_json(node)

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """Known holes of the versions and the place that `ping` reported, for `vpa doctor`; what to do in each."""
        del facts
        return []

    def revision(self, info: CollectionInfo) -> int:
        """A number that changes whenever a write takes effect, where the store knows; caches key on it."""
        del info
        return 0

    async def optimize(self, info: CollectionInfo) -> None:
        """Do what makes searches fast after loading, such as building an index; nothing where there is nothing to do."""
        del info

    async def distinct_values(
        self, info: CollectionInfo, node: Filter, *, scope: Scope, field: str
    ) -> list[Scalar] | None:
        """The values of a metadata path, each once and type-exact, unordered; None where the store cannot tell without a scan."""
        del info, node, scope, field
        return None

    async def field_types(
        self, info: CollectionInfo, node: Filter, *, scope: Scope
    ) -> dict[str, dict[str, int]] | None:
        """Metadata path -> type name -> number of records with such a value; None where the store cannot tell without a scan."""
        del info, node, scope
        return None

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """Facts about one collection that the store knows cheaply."""
        del info
        return {}
