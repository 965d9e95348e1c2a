"""The embedded engine behind the contract: short calls run on the event loop, long and durable ones in a thread."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Final, TypeVar

import numpy as np

from vpa.base.capabilities import Capabilities
from vpa.base.errors import ClosedError, ConfigurationError
from vpa.base.index_options import IndexOptions, Quantization
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.engine.collection import Collection
from vpa.engine.database import Database
from vpa.engine.persist.files import FileSystem
from vpa.engine.quant.choice import codes_types
from vpa.filters import Filter
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import MetadataEdit, Target, VectorStore
from vpa.stores.embedded.gather import Gatherer
from vpa.stores.remote.endpoint import check_options

T = TypeVar("T")
_log = get_logger("vpa.stores.embedded")
# A thread hop costs some 45 µs; below this many multiplications, or records written, the call itself costs less.
_INLINE_PRODUCTS: Final = 500_000
_INLINE_RECORDS: Final = 64
_INLINE_ROWS: Final = 5_000
_LARGE_RECORDS: Final = 10_000


class EmbeddedStore(VectorStore):
    """The engine in this process. One process, and one store in it, may have a directory open."""

    provider: ClassVar[str] = "mock"
    is_local: ClassVar[bool] = True

    def __init__(
        self,
        *,
        path: str | None = None,
        workers: int = 8,
        files: FileSystem | None = None,
        index: IndexOptions | None = None,
    ) -> None:
        """`path` None keeps everything in memory. `files` is for tests that break the disk. `index`: of new collections."""
        self.default_index = index or IndexOptions()
        self._path = path
        self._files = files
        self._workers = Workers(size=workers, name="vpa-engine")
        self._searches = Workers(size=2, name="vpa-search")
        # One thread makes codes, in the background.
        self._tenders = Workers(size=1, name="vpa-index")
        self._tending: dict[Collection, asyncio.Task[None]] = {}
        self._gatherers: dict[tuple[Collection, bool], Gatherer] = {}
        self._closing = False
        self._database: Database | None = None
        self.capabilities = Capabilities(
            durable=path is not None, atomic_conflict=True, atomic_replace=True, atomic_update=True, approximate=True, index_options=True,
            encrypts_in_transit=True,  # Nothing leaves the process.
        )  # fmt: skip

    async def open(self) -> None:
        """Open the directory; recovers what a crash left, and logs what it found."""
        if self._database is not None:
            return
        self._closing = False
        await self._workers.run(self._open_directory)
        if self._database is None:
            raise ClosedError("the embedded store was closed while it was opening")
        for name, report in self._database.reports().items():
            if not report.clean:
                _log.warning(
                    "recovered",
                    collection=name,
                    torn_bytes=report.torn_bytes,
                    damage=report.damage,
                    changes=report.replayed_changes,
                )
        for name in self._database.names():
            self._tend(self._database.get(name))

    def _open_directory(self) -> None:
        # Kept by the thread itself: an `open` that was cancelled must not leave a locked directory behind.
        self._database = Database(self._path, files=self._files)

    async def close(self) -> None:
        """Finish what runs, checkpoint, unlock."""
        self._closing = True
        await asyncio.gather(*self._tending.values())
        await self._tenders.close()
        for gatherer in self._gatherers.values():
            gatherer.close()
        self._gatherers.clear()
        await self._searches.close()
        await self._workers.close()
        database, self._database = self._database, None
        if database is not None:
            await self._workers.run(database.close)
            await self._workers.close()

    def _open_database(self) -> Database:
        if self._database is None:
            raise ClosedError("the embedded store is not open")
        return self._database

    def _collection(self, info: CollectionInfo) -> Collection:
        return self._open_database().get(info.name)

    async def ping(self) -> dict[str, Any]:
        """The engine's versions and place."""
        names = self._open_database().names()
        return {"engine": "numpy", "numpy": np.__version__, "python": sys.version.split()[0], "path": self._path, "collections": len(names)}  # fmt: skip

    async def create_collection(self, info: CollectionInfo) -> None:
        """On the disk when it returns. Raises ConfigurationError for codes that are not installed, or need a disk."""
        codes_types(info.index)
        if self._path is None and info.index.quantization is not Quantization.NONE and info.index.originals:
            raise ConfigurationError(
                f"quantization={str(info.index.quantization)!r} keeps the original vectors on the disk, and this store is in memory: give it a "
                "directory (mock:///path), or let the originals go with originals=False"
            )
        await self._workers.run(self._open_database().create, info)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """From memory."""
        found = self._open_database().find(name)
        return None if found is None else found.info

    async def list_collections(self) -> list[str]:
        """From memory."""
        return self._open_database().names()

    async def drop_collection(self, name: str) -> None:
        """Removes its files too."""
        found = self._open_database().find(name)
        if found is not None:
            for gatherer in [self._gatherers.pop((found, exact), None) for exact in (False, True)]:
                if gatherer is not None:
                    gatherer.close()
        await self._workers.run(self._open_database().drop, name)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """On the disk when it returns."""
        return await self._workers.run(self._open_database().set_embedding, name, embedding)

    async def _write(self, collection: Collection, records: int, call: Callable[[], T], *, was_large: bool = False) -> T:  # fmt: skip
        try:
            if self._path is None and records <= _INLINE_RECORDS:
                return call()
            return await self._workers.run(call)
        finally:
            self._tend(collection, was_large=was_large)

    def _tend(self, collection: Collection, *, was_large: bool = False) -> None:
        """Begin to make codes, where there is something to do and nobody at it. A large upsert leaves memory behind, which goes back."""
        if collection in self._tending or self._closing or not (was_large or self._wants_tending(collection)):
            return
        task = asyncio.create_task(self._tend_in_thread(collection))
        self._tending[collection] = task
        task.add_done_callback(lambda _: self._tending.pop(collection, None))

    def _wants_tending(self, collection: Collection) -> bool:
        journal = None if self._database is None else self._database.journal(collection.info.name)
        return collection.wants_tending or (journal is not None and journal.holds_much)

    async def _tend_in_thread(self, collection: Collection) -> None:
        try:
            await self._tenders.run(collection.tend, stop=lambda: self._closing)
            journal = None if self._database is None else self._database.journal(collection.info.name)
            if journal is not None and journal.holds_much and not self._closing:
                await self._tenders.run(collection.compact, stop=lambda: self._closing)
                await self._tenders.run(journal.checkpoint)
        except Exception as error:  # noqa: BLE001 - searches go on without codes; statistics say so
            collection.index.error = f"{type(error).__name__}: {error}"
            _log.warning("codes_failed", collection=collection.info.name, error=collection.index.error)

    async def upsert(
        self,
        info: CollectionInfo,
        batch: RecordBatch,
        *,
        scope: Scope,
        on_conflict: OnConflict,
        replacing: Filter | None,
    ) -> int:
        """One atomic step, `replacing` included; durable when it returns, if there is a path."""
        collection = self._collection(info)
        return await self._write(
            collection,
            len(batch),
            lambda: collection.upsert(batch, scope=scope, on_conflict=on_conflict, replacing=replacing),
            was_large=len(batch) >= _LARGE_RECORDS,
        )

    async def get(
        self, info: CollectionInfo, ids: Sequence[str], *, scope: Scope, include_vectors: bool
    ) -> list[Record]:
        """From memory."""
        collection = self._collection(info)
        if len(ids) <= _INLINE_RECORDS:
            return collection.get(ids, scope=scope, include_vectors=include_vectors)
        return await self._workers.run(collection.get, ids, scope=scope, include_vectors=include_vectors)

    async def delete(self, info: CollectionInfo, target: Target, *, dry_run: bool) -> int:
        """One atomic step."""
        collection = self._collection(info)
        return await self._write(
            collection,
            collection.view.count if target.ids is None else len(target.ids),
            lambda: collection.delete(ids=target.ids, node=target.filter, scope=target.scope, dry_run=dry_run),
        )

    async def update_metadata(self, info: CollectionInfo, target: Target, edit: MetadataEdit, *, dry_run: bool) -> int:
        """One atomic step."""
        collection = self._collection(info)
        return await self._write(
            collection,
            collection.view.count if target.ids is None else len(target.ids),
            lambda: collection.update_metadata(
                ids=target.ids,
                node=target.filter,
                scope=target.scope,
                assign=edit.assign,
                remove=edit.remove,
                dry_run=dry_run,
            ),
        )

    async def count(self, info: CollectionInfo, node: Filter, *, scope: Scope | AllScopes) -> int:
        """By row mask."""
        collection = self._collection(info)
        if collection.view.count <= _INLINE_ROWS:
            return collection.count(node, scope)
        return await self._workers.run(collection.count, node, scope)

    async def search(self, info: CollectionInfo, request: SearchRequest, node: Filter) -> list[Matches]:
        """Small ones at once, larger ones together with those that come meanwhile."""
        collection = self._collection(info)
        if collection.view.count * info.dimension * len(request.vectors) <= _INLINE_PRODUCTS:
            found = collection.search(request, node)
        else:
            key = (collection, request.exact)
            gatherer = self._gatherers.get(key)
            if gatherer is None:
                gatherer = self._gatherers[key] = Gatherer(self._searches, collection, exact=request.exact)
            found = await gatherer.run(request, node)
        return [Matches(tuple(answer.matches), answer.exact, Usage(candidates=answer.candidates)) for answer in found]

    async def scan(
        self,
        info: CollectionInfo,
        node: Filter,
        *,
        scope: Scope | AllScopes,
        batch_size: int,
        cursor: str | None,
        include_vectors: bool,
    ) -> AsyncIterator[RecordBatch]:
        """In id order, from the state at the first batch."""
        batches = self._collection(info).scan(
            node, scope=scope, batch_size=batch_size, cursor=cursor, include_vectors=include_vectors
        )
        while (batch := await self._workers.run(next, batches, None)) is not None:
            yield batch

    def revision(self, info: CollectionInfo) -> int:
        """The engine's own counter of published changes."""
        found = self._open_database().find(info.name)
        return -1 if found is None else found.revision

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """Rows, and for a durable collection its log and what recovery found."""
        database = self._open_database()
        view = database.get(info.name).view
        facts: dict[str, Any] = {"records": view.live_count, "rows": view.count, "durable": self._path is not None}
        index = database.get(info.name).index
        facts["index"] = index.stats()
        if facts["index"]["search"] == "exact" and (because := index.exact_because(view)):
            facts["index"]["exact_because"] = because
        facts["vectors"] = view.rows.vectors.stats()
        journal = database.journal(info.name)
        if journal is not None:
            report = journal.report
            facts |= {
                "log_bytes": journal.log_bytes,
                "read_only": journal.read_only_reason,
                "checkpoint_error": journal.checkpoint_error,
                "recovery": {"torn_bytes": report.torn_bytes, "damage": report.damage, "set_aside": report.set_aside},
            }
        return facts


def create_store(config: VectorDatabaseConfig) -> EmbeddedStore:
    """The factory that the registry calls."""
    options = check_options(config, *(one.name for one in fields(IndexOptions)))
    return EmbeddedStore(
        path=config.path, workers=min(8, config.connection_pool_size), index=IndexOptions.parse_text(options)
    )
