"""The contract of a store over the one layout: a driver that speaks the client, and the session that sends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vpa.base.errors import CollectionExistsError, CollectionNotFoundError, ConfigurationError, InvalidQueryError
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.filters import Filter, NormalFilter, Split, split
from vpa.filters.ast import ALWAYS, NEVER
from vpa.stores.contract import Sender, VectorStore
from vpa.stores.layout.driver import FOREIGN, LayoutDriver, StoredRow, Where
from vpa.stores.layout.predicate import compile_filter, size
from vpa.stores.layout.reader import Reader
from vpa.stores.layout.search import search
from vpa.stores.layout.tokens import record_key
from vpa.stores.layout.writer import Writer
from vpa.stores.remote.fence import Fence
from vpa.stores.remote.session import Session
from vpa.stores.requests import ALWAYS as EVERYTHING
from vpa.stores.requests import Count, Delete, Get, Scan, Search, UpdateMetadata, Upsert


class LayoutStore(VectorStore):
    """A driver's methods as verbs."""

    def __init__(self, driver: LayoutDriver, session: Session) -> None:
        self.driver = driver
        self.session = session
        self.provider = driver.provider
        self.client_version = driver.client_version
        self.tested_clients = driver.tested_clients
        self.capabilities = driver.capabilities
        self._reader = Reader(driver)
        self.fence = Fence()
        self._writer = Writer(driver, self._reader, self.fence)

    def send_through(self, sender: Sender) -> Callable[[], None] | None:
        """Each request of the driver on its own."""
        return self.session.send_through(sender)

    # Lifecycle

    async def open(self) -> None:
        """Connect, and ask for the version: a wrong key or address shows here. After an error nothing is left open."""
        if self.session.is_open:
            return
        try:
            await self.session.open()
            await self.driver.ping()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        self.driver.forget()
        await self.session.close()

    async def ping(self) -> dict[str, Any]:
        """The server's version, and how many collections there are."""
        return await self.driver.ping()

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """As the driver knows them."""
        return self.driver.concerns(facts)

    # Filters

    def supports(self, leaf: Filter) -> bool:
        """Tokens say everything but some comparisons."""
        return self.driver.supports(leaf)

    def split(self, node: NormalFilter) -> Split:
        """By leaf; a filter with more terms than the store takes is left to the manager whole."""
        parts = split(node, self.driver.supports)
        native, limits = parts.native, self.driver.limits
        if native is ALWAYS or native is NEVER or size(compile_filter(native), limits.terms_of_bound) <= limits.terms:
            return parts
        return Split(EVERYTHING, node)

    def native_form(self, node: NormalFilter) -> Any:
        """In the store's own language, without the scope."""
        if node is ALWAYS or node is NEVER:
            return None if node is ALWAYS else "nothing is asked"
        return self.driver.spell(Where(None, compile_filter(node)))

    # Collections

    async def create_collection(self, info: CollectionInfo) -> None:
        """Make it and store `info` with it."""
        if await self.describe_collection(info.name) is not None:
            raise CollectionExistsError(f"collection {info.name!r} exists", collection=info.name)
        # A write to a collection of this name that was dropped may still be under way.
        async with self.fence.writing(info.name, None):
            await self.driver.make(info)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """What was stored with it, or None."""
        info = await self.driver.find(name)
        if info is not None and info.name != name:
            raise ConfigurationError(
                f"the store holds collection {info.name!r} where {name!r} should be", collection=name
            )
        return info

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""
        return await self.driver.list_collections()

    async def drop_collection(self, name: str) -> None:
        """Remove it with every scope."""
        if await self.driver.find(name) is None:
            raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        # What is given up may land late: a collection made anew under this name waits for it.
        async with self.fence.writing(name, None):
            await self.driver.remove_collection(name)

    async def settled(self, info: CollectionInfo) -> None:
        """Writes of this manager that were given up are dead."""
        await self.fence.settled(info.name, None)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Store which model the vectors are from."""
        info = await self.driver.find(name)
        if info is None:
            raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        changed = replace(info, embedding=embedding)
        async with self.fence.writing(name, None):
            await self.driver.save_info(changed)
        return changed

    # Records

    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """Part by part; skip and error are decided among the tasks of one manager."""
        _refuse_foreign(info)
        return await self._writer.upsert(info, request)

    async def delete(self, info: CollectionInfo, request: Delete) -> int:
        """Counts what exists first."""
        if request.filter is NEVER:
            return 0
        _refuse_foreign(info)
        return await self._writer.delete(info, request)

    async def update_metadata(self, info: CollectionInfo, request: UpdateMetadata) -> int:
        """Reads, merges, checks everything, then writes; among the tasks of one manager nothing comes between."""
        if request.filter is NEVER:
            return 0
        _refuse_foreign(info)
        return await self._writer.update_metadata(info, request)

    async def get(self, info: CollectionInfo, request: Get) -> list[Record]:
        """In the order asked."""
        scope = request.scope
        foreign = info.layout_version == FOREIGN
        keys = list(request.ids) if foreign else [record_key(scope, record_id) for record_id in request.ids]
        rows = await self._reader.fetch(
            info, list(dict.fromkeys(keys)), scope=scope, payloads=True, include_vectors=request.include_vectors
        )
        by_key = {row.key: self._reader.read(info, row, scope)[0] for row in rows}
        return [by_key[key] for key in keys if key in by_key]

    async def count(self, info: CollectionInfo, request: Count) -> int:
        """As the store counts."""
        if request.filter is NEVER:
            return 0
        return await self._reader.count(info, self._reader.where(info, request.filter, request.scope))

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        """Several queries are asked at once."""
        if request.filter is NEVER:
            return [Matches(()) for _ in request.vectors]
        where = self._reader.where(info, request.filter, request.scope)
        return await search(self._reader, info, request, where)

    async def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """In the order of the native keys, in which scopes stand together."""
        if request.filter is NEVER:
            return
        where = self._reader.where(info, request.filter, request.scope)
        after = _key_of(request.cursor, foreign=info.layout_version == FOREIGN)
        pages = self._reader.pages(
            info, where, after=after, limit=request.batch_size, include_vectors=request.include_vectors
        )
        async for page in pages:
            run: list[tuple[StoredRow, Record]] = []
            current: Scope | None = None
            for stored in page:
                record, scope = self._reader.read(info, stored, where.scope)
                if run and scope != current:
                    yield _batch(run, current, include_vectors=request.include_vectors)
                    run = []
                current = scope
                run.append((stored, record))
            yield _batch(run, current, include_vectors=request.include_vectors)

    def native_batches(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[RecordBatch] | None:
        """Every record by the store's own iteration, where that is not what `scan` does; in no promised order."""
        pages = self.driver.own_pages(info, include_vectors=include_vectors)
        return None if pages is None else self._native_batches(info, pages, include_vectors=include_vectors)

    async def _native_batches(
        self, info: CollectionInfo, pages: AsyncIterator[Sequence[StoredRow]], *, include_vectors: bool
    ) -> AsyncIterator[RecordBatch]:
        async for page in pages:
            runs: dict[Scope, list[tuple[StoredRow, Record]]] = {}
            for stored in page:
                record, scope = self._reader.read(info, stored, None)
                runs.setdefault(scope, []).append((stored, record))
            for scope, run in runs.items():
                yield _batch(run, scope, include_vectors=include_vectors)


def _refuse_foreign(info: CollectionInfo) -> None:
    if info.layout_version == FOREIGN:
        raise ConfigurationError(
            f"collection {info.name!r} was not written by vpa and is only read; copy it with `vpa migrate`",
            collection=info.name,
        )


def _batch(run: Sequence[tuple[StoredRow, Record]], scope: Scope | None, *, include_vectors: bool) -> RecordBatch:
    return RecordBatch(
        ids=[record.id for _, record in run],
        vectors=np.asarray([record.vector for _, record in run], dtype=np.float32) if include_vectors else None,
        texts=[record.text for _, record in run],
        metadata=[record.metadata for _, record in run],
        system=[record.system for _, record in run],
        scope=scope,
        cursor=run[-1][0].key,
    )


def _key_of(cursor: str | None, *, foreign: bool) -> str:
    if cursor is None:
        return ""
    if not foreign and not (len(cursor) == 36 and all(letter in "0123456789abcdef-" for letter in cursor)):
        raise InvalidQueryError(f"the cursor {cursor!r:.60} is not one that a scan returned")
    return cursor
