"""The embedded engine behind the contract: short calls run on the event loop, long and durable ones in a thread."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import fields
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

import numpy as np

from vpa.base.capabilities import Capabilities
from vpa.base.errors import ClosedError, CollectionNotFoundError, ConfigurationError
from vpa.base.index_options import IndexOptions, Quantization
from vpa.base.keywords import KeywordIndex
from vpa.base.metadata import Scalar
from vpa.base.names import is_collection_name
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch, Usage
from vpa.engine.database import Database
from vpa.engine.facets import distinct_values, field_types
from vpa.engine.persist.files import FileSystem
from vpa.engine.quant.choice import codes_types
from vpa.engine.reading import ReadOnlyDatabase
from vpa.engine.table import Table
from vpa.engine.upkeep import room_for_dead
from vpa.filters import Filter
from vpa.kit.cpus import thread_count
from vpa.kit.threads import Workers
from vpa.stores.answers import Candidates
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore
from vpa.stores.embedded.facts import are_few, is_light, log_recovery, table_facts
from vpa.stores.embedded.maintenance import Maintenance
from vpa.stores.embedded.searching import SearchQueue
from vpa.stores.embedded.words import WordSearches, renewed_keywords
from vpa.stores.remote.endpoint import check_options
from vpa.stores.requests import (
    ALWAYS,
    Count,
    Delete,
    Distinct,
    FieldTypes,
    Get,
    Scan,
    Search,
    SearchWords,
    UpdateMetadata,
    Upsert,
)

T = TypeVar("T")
# A thread hop costs some 45 µs; below this many multiplications, or records written, the call itself costs less.
_INLINE_PRODUCTS: Final = 500_000
_INLINE_RECORDS: Final = 64
_INLINE_ROWS: Final = 5_000
_INLINE_MATCHES: Final = 200
# A write on the loop must never wait for a compaction: it needs room for what it may kill (see `upkeep`).
_INLINE_DEAD: Final = 4 * _INLINE_RECORDS
_LARGE_RECORDS: Final = 10_000


class EmbeddedStore(VectorStore):
    """The engine in this process. One process, and one store in it, may have a directory open."""

    provider = "embedded"
    is_local: ClassVar[bool] = True
    words_are_counted: ClassVar[bool] = True
    words_by = "postings"

    def __init__(
        self,
        *,
        path: str | None = None,
        workers: int = 8,
        files: FileSystem | None = None,
        index: IndexOptions | None = None,
        read_only: bool = False,
    ) -> None:
        """`path` None keeps everything in memory; `read_only` follows a directory that another process may write to.
        `index`: of new collections. `files` is for tests that break the disk.
        """
        self._read_only = read_only
        self.default_index = index or IndexOptions()
        self._path = path
        self._files = files
        self._workers = Workers(size=workers, name="vpa-engine")
        self._searches = SearchQueue()
        self._maintenance = Maintenance()
        self._words = WordSearches(self._workers)
        self._resources = AsyncExitStack()
        self._database: Database | ReadOnlyDatabase | None = None
        self.capabilities = Capabilities(
            durable=path is not None,
            atomic_conflict=True,
            atomic_replace=True,
            atomic_update=True,
            approximate=True,
            index_options=True,
            keywords=True,
            encrypts_in_transit=True,  # Nothing leaves the process.
        )

    async def open(self) -> None:
        """Open the directory; recovers what a crash left, and logs what it found."""
        if self._database is not None:
            return
        self._searches, self._maintenance = SearchQueue(), Maintenance()
        self._own(self._resources)
        await self._workers.run(self._open_directory)
        if self._database is None:
            raise ClosedError("the embedded store was closed while it was opening")
        log_recovery(self._database, live=self._read_only)
        for name in self._database.names():
            table = None if name in self._database.damaged else self._database.find(name)
            # A reader's may have been dropped by the process that writes.
            if table is not None:
                await self._renew_keywords(table)
                self._maintenance.notice(table)

    async def _renew_keywords(self, table: Table) -> None:
        """Note the analyser of now where another one made the words: they are taken from the texts again."""
        renewed = renewed_keywords(table.info)
        if renewed is not None and not self._read_only:
            await self._workers.run(self._open_database().set_keywords, table.info.name, renewed)

    def _own(self, resources: AsyncExitStack) -> None:
        """What `close` does, the last first: background work ends, then searches and calls, then the directory is let
        go.
        """
        resources.push_async_callback(self._workers.close)
        resources.push_async_callback(self._close_database)
        resources.push_async_callback(self._workers.close)
        resources.push_async_callback(self._searches.close)
        resources.push_async_callback(self._maintenance.close)

    def _open_directory(self) -> None:
        # Kept by the thread itself: an `open` that was cancelled must not leave a locked directory behind.
        if self._read_only and self._path is not None:
            self._database = ReadOnlyDatabase(self._path, files=self._files)
        else:
            self._database = Database(self._path, files=self._files)

    async def _close_database(self) -> None:
        database, self._database = self._database, None
        self._words.forget()
        if database is not None:
            await self._workers.finish(database.close)

    async def close(self) -> None:
        """Finish what runs, checkpoint, unlock. May be called twice."""
        await self._resources.pop_all().aclose()

    def _open_database(self) -> Database | ReadOnlyDatabase:
        if self._database is None:
            raise ClosedError("the embedded store is not open")
        # Before any thread is asked: a forked process has none of them.
        self._database.check_open()
        return self._database

    def _table(self, info: CollectionInfo) -> Table:
        return _same(self._open_database().get(info.name), info)

    async def _current(self, name: str) -> Database | ReadOnlyDatabase:
        """Where another process writes, with what it had acknowledged before this call."""
        database = self._open_database()
        if database.is_behind(name):
            before = database.in_memory(name)
            await self._workers.run(database.refresh, name)
            table = database.find(name)
            if before is not None and table is not before:
                # It was dropped, or made or loaded anew: nothing of it is kept.
                self._searches.end(before) if table is None else self._searches.forget(before)
            if table is not None:
                # A reader's dead rows and codes are its own: nobody else tends them.
                self._maintenance.notice(table)
        return database

    async def _read(self, info: CollectionInfo) -> Table:
        return _same((await self._current(info.name)).get(info.name), info)

    async def ping(self) -> dict[str, Any]:
        """The engine's versions and place."""
        names = self._open_database().names()
        return {
            "engine": "numpy",
            "numpy": np.__version__,
            "python": sys.version.split()[0],
            "path": self._path,
            "collections": len(names),
        }

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """The collections that cannot be opened."""
        del facts
        damaged = {} if self._database is None else self._database.damaged
        return [
            f"collection {name!r} is damaged: {error.message}; vpa doctor --salvage" for name, error in damaged.items()
        ]

    async def create_collection(self, info: CollectionInfo) -> None:
        """On the disk when it returns. Raises ConfigurationError for codes that are not installed, or need a disk."""
        codes_types(info.index)
        if self._path is None and info.index.quantization is not Quantization.NONE and info.index.originals:
            raise ConfigurationError(
                f"quantization={str(info.index.quantization)!r} keeps the original vectors on the disk, and this "
                "store is in memory: give it a "
                "directory (embedded:///path), or let the originals go with originals=False"
            )
        await self._workers.run(self._open_database().create, info)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """From memory; raises CollectionNotFoundError, or what is wrong with its files."""
        if not is_collection_name(name):
            # No directory of a collection has such a name, and as a path it might name another one.
            self._open_database()
            return None
        found = (await self._current(name)).find(name)
        return None if found is None else found.info

    async def list_collections(self) -> list[str]:
        """From memory, sorted; those that cannot be opened among them."""
        return self._open_database().names()

    async def drop_collection(self, name: str) -> None:
        """Ends the work on it, then removes its files too."""
        database = self._open_database()
        if name in database.damaged:
            await self._workers.run(database.drop, name)
            return
        table = database.get(name)
        async with self._maintenance.paused(table):
            await self._workers.run(database.drop, name)
        self._searches.end(table)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """On the disk when it returns."""
        return await self._workers.run(self._open_database().set_embedding, name, embedding)

    async def set_keywords(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """On the disk when it returns; the words of the texts there are come in behind it, or with the next search."""
        info = await self._workers.run(self._open_database().set_keywords, name, keywords)
        self._maintenance.notice(self._open_database().get(name))
        return info

    async def _write(self, table: Table, call: Callable[[], T], *, light: bool, large: bool = False) -> T:
        """On the loop where the write is light and waits for nothing; else in a thread."""
        try:
            free = light and self._path is None and room_for_dead(table.view) > _INLINE_DEAD
            if free and table.writer.begin_at_once():
                try:
                    return call()
                finally:
                    table.writer.end_at_once()
            return await self._workers.run(call)
        finally:
            if self._database is not None:
                self._maintenance.notice(table, was_large=large)

    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """One atomic step, `replacing` included; durable when it returns, if there is a path."""
        table, batch, replacing = self._table(info), request.batch, request.replacing
        return await self._write(
            table,
            lambda: table.upsert(batch, scope=request.scope, on_conflict=request.on_conflict, replacing=replacing),
            light=is_light(batch) and (replacing is None or _is_quick(table, replacing)),
            large=len(batch) >= _LARGE_RECORDS,
        )

    async def get(self, info: CollectionInfo, request: Get) -> list[Record]:
        """From memory; on the event loop where they are few."""
        table = await self._read(info)
        get = partial(table.get, request.ids, scope=request.scope, include_vectors=request.include_vectors)
        return get() if are_few(table, len(request.ids), _INLINE_RECORDS) else await self._workers.run(get)

    async def delete(self, info: CollectionInfo, request: Delete) -> int:
        """One atomic step, durable when it returns if there is a path."""
        table = self._table(info)
        return await self._write(
            table,
            lambda: table.delete(
                ids=request.ids,
                node=request.filter,
                still=request.still,
                scope=request.scope,
                dry_run=request.dry_run,
            ),
            light=_concerns_few(table, request),
        )

    async def update_metadata(self, info: CollectionInfo, request: UpdateMetadata) -> int:
        """One atomic step, durable when it returns if there is a path."""
        table = self._table(info)
        return await self._write(
            table,
            lambda: table.update_metadata(
                ids=request.ids,
                node=request.filter,
                still=request.still,
                scope=request.scope,
                assign=request.assign,
                remove=request.remove,
                dry_run=request.dry_run,
            ),
            light=_concerns_few(table, request),
        )

    async def count(self, info: CollectionInfo, request: Count) -> int:
        """By a mask over the rows; on the event loop where its columns are ready."""
        table = await self._read(info)
        if _is_quick(table, request.filter):
            return table.count(request.filter, request.scope)
        return await self._workers.run(table.count, request.filter, request.scope)

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        """Small ones at once, larger ones together with those that come meanwhile."""
        table = await self._read(info)
        products = table.view.count * info.dimension * len(request.vectors)
        few = are_few(table, request.top_k * len(request.vectors), _INLINE_MATCHES)
        if products <= _INLINE_PRODUCTS and few and _is_quick(table, request.filter):
            answers = table.search(request, request.filter)
        else:
            answers = await self._searches.run(table, request, request.filter)
        return [Matches(tuple(answer.matches), answer.exact, Usage(candidates=answer.candidates)) for answer in answers]

    async def search_words(self, info: CollectionInfo, request: SearchWords) -> Candidates:
        """In a thread; on the event loop where rows are few and their words are taken in."""
        return await self._words.answer(await self._read(info), request)

    async def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """In id order, from the state at the first batch."""
        database = self._open_database()
        batches = (await self._read(info)).scan(
            request.filter,
            scope=request.scope,
            batch_size=request.batch_size,
            cursor=request.cursor,
            include_vectors=request.include_vectors,
        )
        while (batch := await self._workers.run(next, batches, None)) is not None:
            yield batch
            # It may have been closed meanwhile, and opened anew.
            if self._open_database() is not database:
                raise ClosedError("the embedded store was closed before this scan ended")

    async def distinct_values(self, info: CollectionInfo, request: Distinct) -> list[Scalar]:
        """From the columns; numbers from the records that have one."""
        view, scope = (await self._read(info)).view, request.scope
        return await self._workers.run(distinct_values, view, request.filter, scope=scope, field=request.field)

    async def field_types(self, info: CollectionInfo, request: FieldTypes) -> dict[str, dict[str, int]]:
        """From the records, in slices."""
        view = (await self._read(info)).view
        return await self._workers.run(field_types, view, request.filter, scope=request.scope)

    def revision(self, info: CollectionInfo) -> int:
        """The engine's own counter of published changes."""
        found = self._open_database().find(info.name)
        return -1 if found is None else found.revision

    async def optimize(self, info: CollectionInfo) -> None:
        """Leaves out all dead rows, makes codes, measures recall and writes a snapshot; returns when it is done."""
        await self._maintenance.finish(self._table(info))

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """Rows, and for a durable collection its log and what recovery found."""
        database = await self._current(info.name)
        return table_facts(database.get(info.name), database.journal(info.name), database.reports().get(info.name))


def _same(table: Table, info: CollectionInfo) -> Table:
    """The table, if it is still what the caller's handle describes."""
    present = table.info
    if present is not info and not present.is_same_collection(info):
        details = f", with dimension {present.dimension} and metric {present.metric}"
        raise CollectionNotFoundError.made_anew(info.name, details=details)
    return table


def _is_quick(table: Table, node: Filter) -> bool:
    """Whether a filter takes little enough for the event loop."""
    return table.view.count <= _INLINE_ROWS and table.view.is_ready(node)


def _concerns_few(table: Table, request: Delete | UpdateMetadata) -> bool:
    by_filter = request.ids is None or request.still is not ALWAYS
    return are_few(table, table.view.count if by_filter else len(request.ids or ()), _INLINE_RECORDS)


def create_store(config: VectorDatabaseConfig) -> EmbeddedStore:
    """The factory that the registry calls."""
    options = check_options(config, *(one.name for one in fields(IndexOptions)))
    return EmbeddedStore(
        path=config.path,
        workers=thread_count(config.connection_pool_size),
        index=IndexOptions.parse_text(options),
        read_only=config.read_only,
    )
