"""The contract of a store over the one layout: a driver that speaks the client, and the session that sends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from vpa.base.calibration import Calibration
from vpa.base.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    InvalidQueryError,
    InvalidRecordError,
    ProviderError,
    ServiceUnavailableError,
    VectorDatabaseError,
)
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.records import FOREIGN, CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.base.showing import shown
from vpa.filters import Filter, NormalFilter, Split, split
from vpa.filters.ast import ALWAYS, NEVER
from vpa.kit.tasks import both
from vpa.stores.answers import Candidates
from vpa.stores.contract import Sender, VectorStore
from vpa.stores.layout.driver import LayoutDriver, StoredRow, Where
from vpa.stores.layout.ranked import ranked_by
from vpa.stores.layout.reader import Reader, ReadRow
from vpa.stores.layout.search import Searching, search
from vpa.stores.layout.sharing import SharedCollections
from vpa.stores.layout.tokens import record_key
from vpa.stores.layout.version import check_layout
from vpa.stores.layout.words import others_have_looked
from vpa.stores.layout.wordsearch import WordRanking, WordSearch, by_both, by_words, nearness
from vpa.stores.layout.writer import Writer
from vpa.stores.remote.fence import Fence
from vpa.stores.remote.session import Session
from vpa.stores.requests import ALWAYS as EVERYTHING
from vpa.stores.requests import Count, Delete, Get, Scan, Search, SearchWords, UpdateMetadata, Upsert

# A description that others wrote over is written again so often, and looked at so long after writing.
_TRIES: Final = 5
_OTHERS_S: Final = 0.2
# Records whose words are written anew at once.
_WORDED: Final = 500


class LayoutStore(VectorStore):
    """A driver's methods as verbs."""

    def __init__(self, driver: LayoutDriver, session: Session) -> None:
        self.driver = driver
        self.session = session
        self.provider = driver.provider
        self.client_version = driver.client_version
        self.tested_clients = driver.tested_clients
        self.capabilities = driver.capabilities
        self.options_type = driver.options_type
        self.words_by = driver.words_by
        self._reader = Reader(driver)
        self.fence = Fence()
        self._shared = SharedCollections()
        self._describing = asyncio.Lock()
        self._searching = Searching(self._reader, self._shared)
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
        native = parts.native
        if native is ALWAYS or native is NEVER or self.driver.terms(native) <= self.driver.limits.terms:
            return parts
        return Split(EVERYTHING, node)

    def native_form(self, node: NormalFilter) -> Any:
        """In the store's own language, without the scope."""
        if node is ALWAYS or node is NEVER:
            return None if node is ALWAYS else "nothing is asked"
        return self.driver.spell(Where(None, node))

    # Collections

    async def create_collection(self, info: CollectionInfo) -> None:
        """Make it and store `info` with it."""
        if await self.describe_collection(info.name) is not None:
            raise CollectionExistsError(f"collection {info.name!r} exists", collection=info.name)
        if info.keywords is not None:
            self.driver.check_keywords(info)
        if info.sparse:
            self.driver.check_sparse(info)
        # A write to a collection of this name that was dropped may still be under way.
        async with self.fence.writing(info.name, None):
            try:
                await self.driver.make(info)
            except (InvalidRecordError, ProviderError) as error:
                if self.options_type is None or not info.store_options:
                    raise
                raise self.options_type.parse(info.store_options).refused(error.message) from error
            await self._check_made(info)

    async def _check_made(self, info: CollectionInfo) -> None:
        """Drop a new collection again, and raise ConfigurationError, where the server passed over an option."""
        if self.options_type is None or not info.store_options:
            return
        options = self.options_type.parse(info.store_options)
        try:
            unmet = options.unmet(await self.driver.settings(info))
            if unmet:
                made = ", ".join(f"{name}={value!r}" for name, value in unmet.items())
                raise options.refused(
                    f"this server made the collection with {made}, and it was dropped again",
                    names=list(unmet),
                    allowed={name: repr(value) for name, value in unmet.items()},
                )
        except VectorDatabaseError:
            await self.driver.remove_collection(info.name)
            raise

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """What was stored with it, or None."""
        info = await self.driver.find(name)
        if info is not None and info.name != name:
            raise ConfigurationError(
                f"the store keeps collection {info.name!r} under the name that {name!r} would have there; "
                "take another name",
                collection=name,
            )
        return None if info is None else check_layout(info)

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""
        return await self.driver.list_collections()

    async def drop_collection(self, name: str) -> None:
        """Remove it with every scope, also where its layout or its makers keep it from being opened."""
        with contextlib.suppress(ConfigurationError):
            info = await self.driver.find(name)
            # Where a store folds letters, another collection may answer to this name.
            if info is None or info.name != name:
                raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        # What is given up may land late: a collection made anew under this name waits for it.
        async with self.fence.writing(name, None):
            await self.driver.remove_collection(name)

    async def settled(self, info: CollectionInfo) -> None:
        """Writes of this manager that were given up are dead."""
        await self.fence.settled(info.name, None)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Store which model the vectors are from."""
        return await self._redescribe(name, embedding=embedding)

    async def set_calibration(self, name: str, calibration: Calibration) -> CollectionInfo:
        """Store what its searches were measured to find."""
        return await self._redescribe(name, calibration=calibration)

    def check_keywords(self, info: CollectionInfo) -> None:
        """As the driver knows it."""
        self.driver.check_keywords(info)

    async def set_words(self, name: str, words: WordSnapshot) -> CollectionInfo:
        """Store the statistics of its words."""
        return await self._redescribe(name, words=words)

    async def set_keywords(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """Note it, so that whoever writes from now on writes words, then write those of what is there already."""
        info = await self._described(name)
        _refuse_foreign(info)
        self.driver.check_keywords(info)
        await self.driver.prepare_words(info)
        info = await self._redescribe(name, keywords=keywords, words=None)
        await others_have_looked()
        # Writes that began before are over then: they wrote as the collection was described to them.
        await self._writer.settled(info)
        everything = Scan(scope=ALL_SCOPES, batch_size=_WORDED, include_vectors=False, newest=True)
        async for batch in self.scan(info, everything):
            await self._writer.write_words(info, batch.scope or Scope(), batch.ids)
        return info

    async def _redescribe(self, name: str, **changes: Any) -> CollectionInfo:
        # Read, changed and written by one at a time: an embedding and a calibration may come at once. Another process
        # may have read what was there before, and write it back: what was written is looked at again.
        async with self._describing:
            for _ in range(_TRIES):
                info = await self._described(name)
                async with self.fence.writing(name, None):
                    await self.driver.save_info(replace(info, **changes))
                await asyncio.sleep(_OTHERS_S)
                seen = await self._described(name)
                if all(getattr(seen, key) == value for key, value in changes.items()):
                    return seen
        raise ServiceUnavailableError(
            f"others change the description of {name!r} again and again; {', '.join(changes)} was not kept; try again",
            collection=name,
        )

    async def _described(self, name: str) -> CollectionInfo:
        info = await self.driver.find(name)
        if info is None:
            raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        return info

    def is_approximate(self, info: CollectionInfo) -> bool:
        """As the driver knows it."""
        return self.driver.is_approximate(info)

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """As the driver knows them."""
        return () if info.layout_version == FOREIGN else self.driver.efforts(info)

    async def use_effort(self, info: CollectionInfo) -> None:
        """As the driver does it."""
        await self.driver.use_effort(info)

    async def scopes(self, info: CollectionInfo, *, limit: int) -> list[Scope]:
        """From the keys, of which those of a scope stand together; of what others wrote, and of places of their own,
        from a scan.
        """
        if info.layout_version == FOREIGN or self.driver.has_scopes_apart(info):
            return await super().scopes(info, limit=limit)
        return await self._reader.scopes(info, limit=limit)

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """How the collection is set up, as the store itself says."""
        return {"settings": await self.driver.settings(info)}

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
        by_key = {row.key: self._reader.read_own(info, row, scope) for row in rows}
        records = [by_key[key] for key in keys if key in by_key]
        return records if request.include_vectors else [replace(record, sparse=None) for record in records]

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
        return await search(self._searching, info, request, where)

    async def search_words(self, info: CollectionInfo, request: SearchWords) -> Candidates:
        """Candidates as the store ranks them, by words or by a sparse vector, scored here; beside them, where there is
        a vector, the nearest.
        """
        terms = ranked_by(info, request)
        if request.filter is NEVER:
            return by_words(request, WordRanking([], exact=True, candidates=0, requests=0), terms)
        await self.driver.before_ranking(info)
        where = self._reader.where(info, request.filter, request.scope)
        words = WordSearch(self._reader, info, request, where, terms)
        if request.vector is None:
            return by_words(request, await words.ranked(), terms)
        ranking, nearest = await both(words.ranked(), self.search(info, nearness(request)))
        return by_both(info, request, ranking, terms, near=nearest[0])

    async def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """In the order of the native keys, in which scopes stand together."""
        if request.filter is NEVER:
            return
        where = self._reader.where(info, request.filter, request.scope, newest=request.newest)
        after = _key_of(request.cursor, foreign=info.layout_version == FOREIGN)
        pages = self._reader.records(
            info, where, after=after, limit=request.batch_size, include_vectors=request.include_vectors
        )
        async for page in pages:
            for scope, group in itertools.groupby(page, key=lambda row: row.scope):
                run, size = list(group), request.batch_size
                for start in range(0, len(run), size):
                    yield _batch(info, run[start : start + size], scope, include_vectors=request.include_vectors)

    def native_batches(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[RecordBatch] | None:
        """Every record by the store's own iteration, where that is not what `scan` does; in no promised order."""
        pages = self.driver.own_pages(info, include_vectors=include_vectors)
        return None if pages is None else self._native_batches(info, pages, include_vectors=include_vectors)

    async def _native_batches(
        self, info: CollectionInfo, pages: AsyncIterator[Sequence[StoredRow]], *, include_vectors: bool
    ) -> AsyncIterator[RecordBatch]:
        async for page in pages:
            runs: dict[Scope, list[ReadRow]] = {}
            for stored in page:
                found = self._reader.read(info, stored)
                runs.setdefault(found.scope, []).append(found)
            for scope, run in runs.items():
                yield _batch(info, run, scope, include_vectors=include_vectors)


def _refuse_foreign(info: CollectionInfo) -> None:
    if info.layout_version == FOREIGN:
        raise ConfigurationError(
            f"collection {info.name!r} was not written by vpa and is only read; copy it with `vpa migrate`",
            collection=info.name,
        )


def _batch(info: CollectionInfo, run: Sequence[ReadRow], scope: Scope, *, include_vectors: bool) -> RecordBatch:
    records = [found.record for found in run]
    return RecordBatch(
        ids=[record.id for record in records],
        vectors=np.asarray([record.vector for record in records], dtype=np.float32) if include_vectors else None,
        texts=[record.text for record in records],
        metadata=[record.metadata for record in records],
        system=[record.system for record in records],
        sparse=[record.sparse for record in records] if include_vectors and info.sparse else None,
        scope=scope,
        cursor=run[-1].row.key,
    )


def _key_of(cursor: str | None, *, foreign: bool) -> str:
    if cursor is None:
        return ""
    if not foreign and not (len(cursor) == 36 and all(letter in "0123456789abcdef-" for letter in cursor)):
        raise InvalidQueryError(f"the cursor {shown(cursor)} is not one that a scan returned")
    return cursor
