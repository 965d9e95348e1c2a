"""Writes through a driver: deletes return a prior count, metadata updates are read-modify-write, parts fail id by
id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from vpa.base.errors import InvalidRecordError, RecordExistsError, RecordNotFoundError
from vpa.base.metadata import canonical_metadata
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.base.showing import some
from vpa.filters import matches
from vpa.kit.locks import SharedLock
from vpa.stores.layout import rows as layout
from vpa.stores.layout.driver import LayoutDriver
from vpa.stores.layout.reader import Reader
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.tokens import record_key
from vpa.stores.layout.words import words_of
from vpa.stores.remote.fence import Fence
from vpa.stores.remote.parts import write_parts
from vpa.stores.requests import ALWAYS, Delete, UpdateMetadata, Upsert

# Records that are encoded before the event loop gets a turn: about 25 ms at 25 µs a record.
_STEP: Final = 100
# Of texts whose words are taken: as long, in scripts that are cut finest.
_CHARACTERS: Final = 8_000


class Writer:
    """The writes of one driver. Among the tasks of one manager, a conflict is decided and metadata merged
    undisturbed.
    """

    def __init__(self, driver: LayoutDriver, reader: Reader, fence: Fence) -> None:
        self._driver = driver
        self._reader = reader
        self._fence = fence
        self._locks: dict[str, SharedLock] = {}

    def _lock(self, info: CollectionInfo) -> SharedLock:
        return self._locks.setdefault(info.name, SharedLock())

    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """Part by part. `replacing` is None: `capabilities.atomic_replace` is false."""
        rows = await self._encoded(info, request.batch, request.scope)
        if request.on_conflict is OnConflict.REPLACE:
            async with self._lock(info).shared():
                return await self._write(info, rows)
        async with self._lock(info).alone():
            await self._fence.settled(info.name, rows.keys)
            existing = {row.key for row in await self._reader.fetch(info, rows.keys, scope=request.scope)}
            if existing and request.on_conflict is OnConflict.ERROR:
                ids = [row.id for row in rows.rows if row.key in existing]
                raise RecordExistsError(f"{len(ids)} ids exist, nothing was written: {some(ids)}", ids=ids)
            new = [position for position, row in enumerate(rows.rows) if row.key not in existing]
            vectors = None if rows.vectors is None else rows.vectors[new]
            return await self._write(info, Rows(request.scope, [rows.rows[position] for position in new], vectors))

    async def _encoded(self, info: CollectionInfo, batch: RecordBatch, scope: Scope) -> Rows:
        rows: list[layout.Row] = []
        words = words_of(info.keywords)
        for part in _steps(batch, reads_texts=words is not None):
            rows += layout.encode(
                _slice(batch, part),
                scope=scope,
                native_fields=info.native_fields,
                indexed=self._driver.filters_by_tokens,
                words=words,
                sparse=info.sparse,
            ).rows
            await asyncio.sleep(0)
        encoded = Rows(scope, rows, batch.vectors)
        self._check_sparse(rows)
        self._driver.check_rows(info, encoded)
        return encoded

    def _check_sparse(self, rows: Sequence[layout.Row]) -> None:
        for row in rows:
            trouble = self._driver.sparse_trouble(row.sparse) if row.sparse else None
            if trouble is not None:
                raise InvalidRecordError(f"the sparse vector of record {row.id!r} {trouble}; nothing was written")

    async def _write(self, info: CollectionInfo, rows: Rows) -> int:
        if not len(rows):
            return 0

        async def write(part: Rows) -> Sequence[str]:
            async with self._fence.writing(info.name, part.keys):
                await self._driver.write_rows(info, part)
            return part.ids

        return await write_parts(
            self._parts(info, rows), write, ids=lambda part: part.ids, at_once=self._driver.limits.writes_at_once
        )

    def _parts(self, info: CollectionInfo, rows: Rows) -> Iterable[Rows]:
        limits = self._driver.limits
        return layout.parts(
            rows,
            max_records=limits.batch_records,
            max_bytes=limits.batch_bytes,
            bytes_of_number=limits.bytes_of_number,
            vector_bytes=0 if rows.vectors is None else int(info.dimension * limits.bytes_per_value),
        )

    async def delete(self, info: CollectionInfo, request: Delete) -> int:
        """Counts what exists first: stores report what was asked, not what went."""
        keys = _keys(request)
        if keys is not None and request.still is not ALWAYS:
            return await self._delete_still(info, request, keys)
        async with self._lock(info).shared():
            # What is counted now must be all: a request that lands after the count would outlive the delete.
            await self._fence.settled(info.name, keys)
            if keys is None:
                where = self._reader.where(info, request.filter, request.scope)
                count = await self._reader.count(info, where)
                if count and not request.dry_run:
                    async with self._fence.writing(info.name, None):
                        await self._driver.remove_where(info, where)
                return count
            existing = await self._satisfying(info, request, keys)
            return len(existing) if request.dry_run else await self._remove(info, request, existing)

    async def _delete_still(self, info: CollectionInfo, request: Delete, keys: Sequence[str]) -> int:
        """Each part is read just before it is deleted; among the tasks of one manager nothing comes between."""
        async with self._lock(info).alone():
            if request.dry_run:
                return len(await self._satisfying(info, request, keys))
            return await self._remove(info, request, keys)

    async def _satisfying(self, info: CollectionInfo, request: Delete, keys: Sequence[str]) -> list[str]:
        """Those of the keys that exist, and whose records satisfy `request.still` now."""
        if request.still is ALWAYS:
            return [row.key for row in await self._reader.fetch(info, keys, scope=request.scope)]
        rows = await self._reader.fetch(info, keys, scope=request.scope, payloads=True)
        records = {row.key: self._reader.read_own(info, row, request.scope) for row in rows}
        return [key for key, record in records.items() if matches(request.still, record.metadata, record.system)]

    async def _remove(self, info: CollectionInfo, request: Delete, existing: Sequence[str]) -> int:
        names = {record_key(request.scope, name): name for name in request.ids or ()}
        step = self._driver.limits.ids

        async def remove(part: Sequence[str]) -> Sequence[str]:
            async with self._fence.writing(info.name, part):
                if request.still is not ALWAYS:
                    part = await self._satisfying(info, request, part)
                if part:
                    await self._driver.remove_keys(info, part, scope=request.scope)
            return [names[key] for key in part]

        parts = [existing[start : start + step] for start in range(0, len(existing), step)]
        return await write_parts(parts, remove, ids=lambda part: [names[key] for key in part], at_once=1)

    async def update_metadata(self, info: CollectionInfo, request: UpdateMetadata) -> int:
        """Reads, merges, checks everything, then writes."""
        async with self._lock(info).alone():
            # What is merged now must be the newest: a request that lands after the reading would be half overwritten.
            await self._fence.settled(info.name, _keys(request))
            records = await self._targets(info, request)
            if request.dry_run or not records:
                return len(records)
            merged = _without_vectors(records, [_merged(record, request) for record in records])
            rows = await self._encoded(info, merged, request.scope)
            return await self._rewrite(info, rows)

    async def _rewrite(self, info: CollectionInfo, rows: Rows) -> int:
        async def rewrite(part: Rows) -> Sequence[str]:
            async with self._fence.writing(info.name, part.keys):
                await self._driver.rewrite_rows(info, part)
            return part.ids

        return await write_parts(self._parts(info, rows), rewrite, ids=lambda part: part.ids, at_once=1)

    async def settled(self, info: CollectionInfo) -> None:
        """Return when the writes that are under way are over."""
        async with self._lock(info).alone():
            await self._fence.settled(info.name, None)

    async def write_words(self, info: CollectionInfo, scope: Scope, ids: Sequence[str]) -> None:
        """Take the words of these records, of those that are there, anew from their texts.

        Among the tasks of one manager nothing comes between reading and writing.
        """
        async with self._lock(info).alone():
            keys = [record_key(scope, record_id) for record_id in ids]
            await self._fence.settled(info.name, keys)
            rows = await self._reader.fetch(info, keys, scope=scope, payloads=True)
            records = [self._reader.read_own(info, row, scope) for row in rows]
            batch = _without_vectors(records, [record.metadata for record in records])
            for part in self._parts(info, await self._encoded(info, batch, scope)):
                async with self._fence.writing(info.name, part.keys):
                    await self._driver.write_words(info, part)

    async def _targets(self, info: CollectionInfo, request: UpdateMetadata) -> list[Record]:
        scope = request.scope
        if request.ids is None:
            where = self._reader.where(info, request.filter, scope, newest=True)
            pages = self._reader.records(info, where, include_vectors=False)
            return [found.record async for page in pages for found in page]
        wanted = list(dict.fromkeys(request.ids))
        keys = [record_key(scope, record_id) for record_id in wanted]
        rows = await self._reader.fetch(info, keys, scope=scope, payloads=True)
        by_key = {row.key: self._reader.read_own(info, row, scope) for row in rows}
        if request.still is not ALWAYS:
            return [one for one in by_key.values() if matches(request.still, one.metadata, one.system)]
        missing = [record_id for record_id, key in zip(wanted, keys, strict=True) if key not in by_key]
        if missing:
            raise RecordNotFoundError(f"{len(missing)} ids do not exist, nothing was changed: {some(missing)}")
        return [by_key[key] for key in keys]


def _keys(request: Delete | UpdateMetadata) -> list[str] | None:
    """The native keys that are meant, each once; None where a filter says which."""
    if request.ids is None:
        return None
    return list(dict.fromkeys(record_key(request.scope, record_id) for record_id in request.ids))


def _merged(record: Record, request: UpdateMetadata) -> Mapping[str, Any]:
    rest = {key: value for key, value in record.metadata.items() if key not in request.remove}
    try:
        return canonical_metadata({**rest, **request.assign})
    except InvalidRecordError as error:
        raise InvalidRecordError(f"record {record.id!r}: {error.message}; nothing was changed") from None


def _without_vectors(records: Sequence[Record], metadata: Sequence[Mapping[str, Any]]) -> RecordBatch:
    return RecordBatch(
        ids=[record.id for record in records],
        vectors=None,
        texts=[record.text for record in records],
        metadata=metadata,
        system=[record.system for record in records],
        sparse=[record.sparse for record in records],
    )


def _steps(batch: RecordBatch, *, reads_texts: bool) -> Iterator[slice]:
    """Parts of a batch that are encoded at once; where words are taken of texts, by their length."""
    start = length = 0
    for position in range(len(batch)):
        if reads_texts and batch.texts is not None:
            length += len(batch.texts[position] or "")
        if position + 1 - start == _STEP or length >= _CHARACTERS:
            yield slice(start, position + 1)
            start, length = position + 1, 0
    if start < len(batch):
        yield slice(start, len(batch))


def _slice(batch: RecordBatch, part: slice) -> RecordBatch:
    return RecordBatch(
        ids=batch.ids[part],
        vectors=None,
        texts=None if batch.texts is None else batch.texts[part],
        metadata=None if batch.metadata is None else batch.metadata[part],
        system=None if batch.system is None else batch.system[part],
        sparse=None if batch.sparse is None else batch.sparse[part],
    )
