"""The contract of a store. To add one: subclass VectorStore, run the suite of `vpa.testing`, add a row to the registry.

The manager hands over checked values only: batches with float32 vectors (unit length for cosine) and canonical
metadata, filters that `split` called native, request objects. Retries, deadlines, validation, residuals and metrics
are not a store's business.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

from vpa.base.calibration import Calibration
from vpa.base.capabilities import Capabilities
from vpa.base.errors import ConfigurationError, UnsupportedFilterError
from vpa.base.index_options import IndexOptions
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.metadata import Scalar
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.filters import Filter, NormalFilter, Split, split, to_json
from vpa.stores.answers import Candidates
from vpa.stores.options import StoreOptions
from vpa.stores.requests import (
    ALWAYS,
    Count,
    Delete,
    Distinct,
    FieldTypes,
    Get,
    NativeRequest,
    Scan,
    Search,
    SearchWords,
    UpdateMetadata,
    Upsert,
)

T = TypeVar("T")
# Records that are read to draw a sample, where the store cannot draw one itself.
_LOOKED_THROUGH: Final = 20_000
# Seconds for which a description of a collection counts: another process may change it, drop it, or make it again.
LOOKS_EVERY_S: Final = 2.0


class Sender(Protocol):
    """Sends one native request: waits its turn, tries again what may pass, stops while the store is down."""

    async def __call__(self, request: NativeRequest, work: Callable[[], Awaitable[T]]) -> T: ...


class VectorStore(ABC):
    """One connection to one store. Coroutines raise errors of `vpa.base.errors` only, with the client's as cause."""

    provider: str
    # The client package that it goes through, with its version.
    client_version: str | None = None
    # In this process, so that no request is lost on the way: nothing is retried.
    is_local: ClassVar[bool] = False
    capabilities: Capabilities
    # Keyword scores always count with what the collection holds now; else with `info.words`.
    words_are_counted: ClassVar[bool] = False
    # By what a keyword search finds its candidates.
    words_by: str = "nothing"
    # What a new collection gets where the caller says nothing.
    default_index: IndexOptions = IndexOptions()
    # What a collection may be told when it is made; None where the store has nothing of its own to set.
    options_type: type[StoreOptions] | None = None
    # Client packages with the lowest and the newest version that the suite was run on.
    tested_clients: Mapping[str, tuple[str, str]] = {}

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
        """Logical names of all collections, sorted."""

    @abstractmethod
    async def drop_collection(self, name: str) -> None:
        """Remove it with every scope; raises CollectionNotFoundError."""

    @abstractmethod
    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Store which model the vectors are from; returns the new info."""

    async def set_calibration(self, name: str, calibration: Calibration) -> CollectionInfo:
        """Store what its searches were measured to find; returns the new info. Only where there are `efforts`."""
        raise ConfigurationError(f"{self.provider} has no search setting to keep for {name!r}: {calibration}")

    def is_approximate(self, info: CollectionInfo) -> bool:
        """Whether ordinary searches of the collection may miss one of the nearest."""
        del info
        return self.capabilities.approximate

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """Settings of the store's own search that may be tried for a promised recall, the cheapest first.

        Empty where the store has none, or keeps its promises by itself. Searches read `info.calibration`.
        """
        del info
        return ()

    async def use_effort(self, info: CollectionInfo) -> None:
        """Take over `info.calibration` where the setting is the collection's and not that of a search."""
        del info

    async def scopes(self, info: CollectionInfo, *, limit: int) -> list[Scope]:
        """Some of the scopes that hold records, each once, at most `limit`."""
        found: dict[Scope, None] = {}
        read = 0
        async for batch in self.scan(info, Scan(scope=ALL_SCOPES, include_vectors=False)):
            found.setdefault(batch.scope or Scope())
            read += len(batch)
            if len(found) == limit or read >= _LOOKED_THROUGH:
                break
        return list(found)

    async def sample(self, info: CollectionInfo, *, count: int, scope: Scope) -> list[Record]:
        """At most `count` records of a scope, with vectors, drawn from as many as can be read cheaply."""
        read: list[Record] = []
        async for batch in self.scan(info, Scan(scope=scope)):
            read += batch
            if len(read) >= _LOOKED_THROUGH:
                break
        # The same draw each time: a measurement that is repeated asks the same questions.
        return random.Random(len(read)).sample(read, min(count, len(read)))

    @abstractmethod
    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """Write whole records; returns how many."""

    @abstractmethod
    async def get(self, info: CollectionInfo, request: Get) -> list[Record]:
        """The records found, in the order asked."""

    @abstractmethod
    async def delete(self, info: CollectionInfo, request: Delete) -> int:
        """Remove; returns how many existed."""

    @abstractmethod
    async def update_metadata(self, info: CollectionInfo, request: UpdateMetadata) -> int:
        """Merge metadata; returns how many matched. Raises RecordNotFoundError for an unknown id, changing nothing."""

    @abstractmethod
    async def count(self, info: CollectionInfo, request: Count) -> int:
        """How many records match, exactly."""

    @abstractmethod
    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        """For each query its matches: SEMANTICS' scores, ordered by (-score, id), also at the cut."""

    async def search_words(self, info: CollectionInfo, request: SearchWords) -> Candidates:
        """The records that hold most of the terms, best first, by the formula of `vpa.analysis.bm25`.

        Only where `capabilities.keywords`, and `info.keywords` says with which analyser the terms were made.
        """
        raise ConfigurationError(f"{self.provider} has no keyword index for {info.name!r}: {request.verb}")

    async def set_keywords(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """Begin a keyword index of a collection, or make it anew, and note it; returns the new info.

        `info.words` is None from the beginning till `set_words`: an index that was not finished can be told.
        """
        raise ConfigurationError(f"{self.provider} has no keyword index for {name!r}: {keywords}")

    def check_keywords(self, info: CollectionInfo) -> None:
        """Raise ConfigurationError, which says what to do, where this collection can get no keyword index."""
        del info

    async def set_words(self, name: str, words: WordSnapshot) -> CollectionInfo:
        """Store what keyword scores count with; returns the new info. Only where `words_are_counted` is false."""
        raise ConfigurationError(f"{self.provider} counts the words of {name!r} by itself: {words}")

    @abstractmethod
    def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """Every match once, in batches of one scope each, with `cursor` and `scope` set."""

    def supports(self, leaf: Filter) -> bool:
        """Whether the store evaluates this leaf, or `Not(leaf)`, exactly as SEMANTICS says. By default, every one."""
        del leaf
        return True

    def split(self, node: NormalFilter) -> Split:
        """Divide a filter into what the store evaluates and what the manager does."""
        if type(self).supports is VectorStore.supports:
            # All of it, without a walk: a filter may hold ten thousand literals, and this runs on the event loop.
            return Split(node, NormalFilter(ALWAYS))
        return split(node, self.supports)

    def native_form(self, node: NormalFilter) -> Any:
        """A native filter in the store's own language, for `explain`."""
        return to_json(node)

    def send_through(self, sender: Sender) -> Callable[[], None] | None:
        """Send every native request through `sender` from now on; returns what to call when a verb ran out of time.

        None, the default: the store sends nothing of its own, so retries and limits stand around whole verbs instead.
        """
        del sender
        return None

    def native_batches(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[RecordBatch] | None:
        """Every record by the store's own iteration, where that is not what `scan` does; in no promised order."""
        del info, include_vectors
        return None

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """Known holes of the versions and the place that `ping` reported, for `vpa doctor`; what to do in each."""
        del facts
        return []

    def revision(self, info: CollectionInfo) -> int:
        """A number that changes whenever a write takes effect, where the store knows; caches key on it."""
        del info
        return 0

    async def settled(self, info: CollectionInfo) -> None:
        """Return when no write that was given up can arrive any more; at once where none can."""
        del info

    async def indexed(self, info: CollectionInfo) -> None:
        """Return when the index that the store builds by itself, once loading pauses, is there; at once where there is
        none to wait for.
        """
        del info

    async def optimize(self, info: CollectionInfo) -> None:
        """Do what makes searches fast after loading, such as building an index; nothing where there is nothing to
        do.
        """
        del info

    async def distinct_values(self, info: CollectionInfo, request: Distinct) -> list[Scalar] | None:
        """The values of a metadata path, each once and type-exact, unordered; None where the store cannot tell without
        a scan.
        """
        del info, request
        return None

    async def field_types(self, info: CollectionInfo, request: FieldTypes) -> dict[str, dict[str, int]] | None:
        """Metadata path -> type name -> number of records with such a value; None where the store cannot tell without a
        scan.
        """
        del info, request
        return None

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """Facts about one collection that the store knows cheaply."""
        del info
        return {}


def no_filter(info: CollectionInfo) -> UnsupportedFilterError:
    """What every verb raises for a filter on a collection of others."""
    return UnsupportedFilterError(
        f"collection {info.name!r} was not written by vpa, so there is nothing in it to filter by: search and scan it "
        "without a filter, or bring it in with `vpa migrate`",
        collection=info.name,
    )
