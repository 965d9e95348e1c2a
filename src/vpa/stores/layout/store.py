"""The contract of a store over the one layout: a provider gives requests, this gives verbs.

It counts before it deletes, reads before it merges, asks again where equal scores meet the cut, and believes no answer.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    ConfigurationError,
    InvalidQueryError,
    InvalidRecordError,
    ProviderError,
    RecordExistsError,
    RecordNotFoundError,
    UnsupportedFilterError,
)
from vpa.base.metadata import canonical_metadata
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Match, Matches, Record, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.filters import Filter, Split, normalize
from vpa.filters.ast import ALWAYS, NEVER, In, Not, Range
from vpa.kit.locks import SharedLock
from vpa.kit.tasks import together
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import MetadataEdit, Target
from vpa.stores.layout import rows as layout
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import FOREIGN, LayoutRequests, Stored, Where
from vpa.stores.layout.predicate import compile_filter, size
from vpa.stores.layout.rows import Rows

_MOST_TIES: Final = 1000
_PAGE: Final = 1000


class LayoutStore(LayoutRequests):
    """Subclasses give the requests of `LayoutRequests`."""

    def __init__(self, config: VectorDatabaseConfig) -> None:
        super().__init__(config)
        self._locks: dict[str, SharedLock] = {}

    def _lock(self, info: CollectionInfo) -> SharedLock:
        return self._locks.setdefault(info.name, SharedLock())

    # Filters

    def supports(self, leaf: Filter) -> bool:
        """Tokens say everything but some comparisons."""
        inner = leaf.part if isinstance(leaf, Not) else leaf
        if isinstance(inner, Range):
            if isinstance(inner.value, str):
                return len(inner.value.encode()) <= self.limits.text_literal_bytes
            return layout.number_is_exact(inner.value)
        return not isinstance(inner, In) or len(inner.values) <= self.limits.tokens

    def split(self, node: Filter) -> Split:
        """By leaf; a filter with more terms than the store takes is left to the manager whole."""
        parts = super().split(node)
        native = parts.native
        if (
            native is ALWAYS
            or native is NEVER
            or size(compile_filter(native), self.limits.terms_of_bound) <= self.limits.terms
        ):
            return parts
        return Split(ALWAYS, normalize(node))

    def native_form(self, node: Filter) -> Any:
        """In the store's own language, without the scope."""
        if node is ALWAYS or node is NEVER:
            return None if node is ALWAYS else "nothing is asked"
        return self.spell(Where(None, compile_filter(node)))

    def _where(self, info: CollectionInfo, node: Filter, scope: Scope | AllScopes) -> Where:
        if info.layout_version == FOREIGN and node is not ALWAYS:
            raise UnsupportedFilterError(
                f"collection {info.name!r} was not written by vpa, so there is nothing in it to filter by: search and scan it "
                "without a filter, or bring it in with `vpa migrate`",
                collection=info.name,
            )
        chosen = None if isinstance(scope, AllScopes) or info.layout_version == FOREIGN else scope
        return Where(chosen, compile_filter(node))

    # Collections

    async def create_collection(self, info: CollectionInfo) -> None:
        """Make it and store `info` with it."""
        if await self.describe_collection(info.name) is not None:
            raise CollectionExistsError(f"collection {info.name!r} exists", collection=info.name)
        # A write to a collection of this name that was dropped may still be under way.
        async with self.fence.writing(info.name, None):
            await self.make(info)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """What was stored with it, or None."""
        info = await self.find(name)
        if info is not None and info.name != name:
            raise ConfigurationError(
                f"the store holds collection {info.name!r} where {name!r} should be", collection=name
            )
        return info

    async def drop_collection(self, name: str) -> None:
        """Remove it with every scope."""
        if await self.find(name) is None:
            raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        await self.remove_collection(name)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Store which model the vectors are from."""
        info = await self.find(name)
        if info is None:
            raise CollectionNotFoundError(f"no collection {name!r}", collection=name)
        changed = replace(info, embedding=embedding)
        await self.save_info(changed)
        return changed

    # Writes

    async def upsert(
        self,
        info: CollectionInfo,
        batch: RecordBatch,
        *,
        scope: Scope,
        on_conflict: OnConflict,
        replacing: Filter | None,
    ) -> int:
        """Part by part; skip and error are decided among the tasks of one manager."""
        del replacing  # The manager does it in two steps: capabilities.atomic_replace is false.
        _refuse_foreign(info)
        rows = await self._encode(info, batch, scope)
        if on_conflict is OnConflict.REPLACE:
            async with self._lock(info).shared():
                return await self._write(info, rows)
        async with self._lock(info).alone():
            existing = {found.key for found in await self._fetch(info, rows.keys, scope=scope)}
            if existing and on_conflict is OnConflict.ERROR:
                ids = [row.id for row in rows.rows if row.key in existing]
                raise RecordExistsError(f"{len(ids)} ids exist, nothing was written: {_some(ids)}", ids=ids)
            kept = [position for position, row in enumerate(rows.rows) if row.key not in existing]
            vectors = None if rows.vectors is None else rows.vectors[kept]
            return await self._write(info, Rows(scope, [rows.rows[position] for position in kept], vectors))

    async def _encode(self, info: CollectionInfo, batch: RecordBatch, scope: Scope) -> Rows:
        rows: list[layout.Row] = []
        for start in range(0, len(batch), _PAGE):
            rows += layout.encode(_slice(batch, start), scope=scope, native_fields=info.native_fields).rows
            await asyncio.sleep(0)
        found = Rows(scope, rows, batch.vectors)
        self.check_rows(info, found)
        return found

    async def _write(self, info: CollectionInfo, rows: Rows) -> int:
        if not len(rows):
            return 0

        async def write(part: Rows) -> Sequence[str]:
            async with self.fence.writing(info.name, part.keys):
                await self.write_rows(info, part)
            return part.ids

        parts = layout.parts(
            rows,
            max_records=self.limits.batch_records,
            max_bytes=self.limits.batch_bytes,
            bytes_of_number=self.limits.bytes_of_number,
            vector_bytes=0 if rows.vectors is None else int(info.dimension * self.limits.bytes_per_value),
        )
        return await self.write_parts(parts, write, lambda part: part.ids, at_once=self.limits.writes_at_once)

    async def delete(self, info: CollectionInfo, target: Target, *, dry_run: bool) -> int:
        """Counts what is there first: stores report what was asked, not what went."""
        if target.filter is NEVER:
            return 0
        _refuse_foreign(info)
        async with self._lock(info).shared():
            if target.ids is None:
                where = self._where(info, target.filter, target.scope)
                found = _whole_number(await self.count_where(info, where))
                if found and not dry_run:
                    async with self.fence.writing(info.name, None):
                        await self.remove_where(info, where)
                return found
            wanted = list(dict.fromkeys(layout.record_key(target.scope, value) for value in target.ids))
            keys = [stored.key for stored in await self._fetch(info, wanted, scope=target.scope)]
            for start in () if dry_run else range(0, len(keys), self.limits.ids):
                part = keys[start : start + self.limits.ids]
                async with self.fence.writing(info.name, part):
                    await self.remove_keys(info, part, scope=target.scope)
            return len(keys)

    async def update_metadata(self, info: CollectionInfo, target: Target, edit: MetadataEdit, *, dry_run: bool) -> int:
        """Reads, merges, checks everything, then writes; among the tasks of one manager nothing comes between."""
        if target.filter is NEVER:
            return 0
        _refuse_foreign(info)
        async with self._lock(info).alone():
            records = await self._targets(info, target)
            if dry_run or not records:
                return len(records)
            merged = RecordBatch(
                ids=[record.id for record in records],
                vectors=None,
                texts=[record.text for record in records],
                metadata=[_merged(record, edit) for record in records],
                system=[record.system for record in records],
            )
            rows = await self._encode(info, merged, target.scope)
            for part in layout.parts(
                rows,
                max_records=self.limits.batch_records,
                max_bytes=self.limits.batch_bytes,
                bytes_of_number=self.limits.bytes_of_number,
                vector_bytes=0,
            ):
                async with self.fence.writing(info.name, part.keys):
                    await self.rewrite_rows(info, part)
            return len(records)

    async def _targets(self, info: CollectionInfo, target: Target) -> list[Record]:
        if target.ids is None:
            where = self._where(info, target.filter, target.scope)
            records: list[Record] = []
            async for page in self._pages(info, where, after="", limit=self.limits.page, include_vectors=False):
                records += [self._read(info, stored, target.scope)[0] for stored in page]
            return records
        wanted = list(dict.fromkeys(target.ids))
        keys = [layout.record_key(target.scope, value) for value in wanted]
        found = {
            stored.key: self._read(info, stored, target.scope)[0]
            for stored in await self._fetch(info, keys, scope=target.scope, payloads=True)
        }
        missing = [value for value, key in zip(wanted, keys, strict=True) if key not in found]
        if missing:
            raise RecordNotFoundError(f"{len(missing)} ids do not exist, nothing was changed: {_some(missing)}")
        return [found[key] for key in keys]

    # Reads

    async def get(
        self, info: CollectionInfo, ids: Sequence[str], *, scope: Scope, include_vectors: bool
    ) -> list[Record]:
        """In the order asked."""
        foreign = info.layout_version == FOREIGN
        keys = list(ids) if foreign else [layout.record_key(scope, value) for value in ids]
        stored = await self._fetch(
            info, list(dict.fromkeys(keys)), scope=scope, payloads=True, include_vectors=include_vectors
        )
        found = {one.key: self._read(info, one, scope)[0] for one in stored}
        return [found[key] for key in keys if key in found]

    async def _fetch(
        self,
        info: CollectionInfo,
        keys: Sequence[str],
        *,
        scope: Scope,
        payloads: bool = False,
        include_vectors: bool = False,
    ) -> list[Stored]:
        result: list[Stored] = []
        for start in range(0, len(keys), self.limits.ids):
            asked = keys[start : start + self.limits.ids]
            found = await self.fetch_keys(info, asked, scope=scope, payloads=payloads, include_vectors=include_vectors)
            strange = {one.key for one in found} - set(asked)
            if strange or len({one.key for one in found}) < len(found):
                raise ProviderError(
                    f"{self.provider} returned records that were not asked for: {_some(sorted(strange))}"
                )
            result += found
        return result

    def _read(self, info: CollectionInfo, stored: Stored, scope: Scope | None) -> tuple[Record, Scope]:
        vector = None if stored.vector is None else _checked(stored.vector, info, stored.key)
        if stored.record is not None:
            return replace(stored.record, vector=vector), Scope()
        decoded = layout.decode(stored.payload, key=stored.key)
        if scope is not None and decoded.scope != scope:
            raise ProviderError(
                f"{self.provider} returned record {decoded.record.id!r} of another scope: {decoded.scope}"
            )
        return replace(decoded.record, vector=vector), decoded.scope

    async def count(self, info: CollectionInfo, node: Filter, *, scope: Scope | AllScopes) -> int:
        """As the store counts."""
        if node is NEVER:
            return 0
        return _whole_number(await self.count_where(info, self._where(info, node, scope)))

    async def search(self, info: CollectionInfo, request: SearchRequest, node: Filter) -> list[Matches]:
        """Several queries are asked at once."""
        if node is NEVER:
            return [Matches(()) for _ in request.vectors]
        where = self._where(info, node, request.scope)
        turn = asyncio.Semaphore(self.limits.searches_at_once)

        async def one(query: FloatVector) -> Matches:
            async with turn:
                return await self._search_one(info, request, query=query, where=where)

        if len(request.vectors) == 1:
            return [await one(request.vectors[0])]
        return await together(one(query) for query in request.vectors)

    async def _search_one(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, where: Where
    ) -> Matches:
        exact = request.exact or not self.capabilities.approximate
        deepest = self.capabilities.max_top_k or 2**31
        depth, requests = min(deepest, request.top_k + 1), 0
        while True:
            found = await self._nearest(info, request, query=query, where=where, limit=depth, exact=exact)
            requests += 1
            if not exact and len(found) < depth:
                # An index may return fewer than there are; whether it did costs a count, and the truth one exact search.
                if len(found) < _whole_number(await self.count_where(info, where)):
                    exact = True
                    continue
                exact = True
            if len(found) < depth or depth == deepest or depth > request.top_k + _MOST_TIES:
                break
            if found[-1].raw != found[request.top_k - 1].raw:
                break
            depth = min(deepest, depth * 2)
        matches = [self._match(info, request, stored) for stored in found]
        matches.sort(key=lambda match: (-match.score, match.id))
        least = -math.inf if request.score_threshold is None else request.score_threshold
        kept = [match for match in matches[: request.top_k] if match.score >= least]
        return Matches(tuple(kept), exact, Usage(candidates=len(found), requests=requests))

    async def _nearest(
        self, info: CollectionInfo, request: SearchRequest, *, query: FloatVector, where: Where, limit: int, exact: bool
    ) -> list[Stored]:
        if exact and await self.must_scan(info, where):
            pages = self._pages(info, where, after="", limit=self.limits.page, include_vectors=True)
            return await scoring.nearest_by_scan(info.metric, pages, query=query, limit=limit, raw_of=self.raw_of, keep_vectors=request.include_vectors)  # fmt: skip
        found = await self.nearest(
            info, query, where, limit=limit, exact=exact, include_vectors=request.include_vectors
        )
        if len(found) > limit or len({stored.key for stored in found}) < len(found):
            raise ProviderError(f"{self.provider} returned {len(found)} matches where at most {limit} different ones were asked for")  # fmt: skip
        if not all(math.isfinite(stored.raw) for stored in found):
            raise ProviderError(f"{self.provider} returned a score that is not a finite number")
        return sorted(found, key=lambda stored: -self.score_of(info.metric, stored.raw)[0])

    def _match(self, info: CollectionInfo, request: SearchRequest, stored: Stored) -> Match:
        record, _ = self._read(info, stored, request.scope if info.layout_version != FOREIGN else None)
        score, distance = self.score_of(info.metric, stored.raw)
        vector: Any = record.vector if request.include_vectors else None
        return Match(record.id, score, distance, record.text, dict(record.metadata), vector, record.system)

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
        """In the order of the native keys, in which scopes stand together."""
        if node is NEVER:
            return
        where = self._where(info, node, scope)
        after = "" if cursor is None else _key_of(cursor, foreign=info.layout_version == FOREIGN)
        limit = min(batch_size, self.limits.page)
        async for page in self._pages(info, where, after=after, limit=limit, include_vectors=include_vectors):
            run: list[tuple[Stored, Record]] = []
            current: Scope | None = None
            for stored in page:
                record, found = self._read(info, stored, where.scope)
                if run and found != current:
                    yield _batch(run, current, include_vectors=include_vectors)
                    run = []
                current = found
                run.append((stored, record))
            yield _batch(run, current, include_vectors=include_vectors)

    def native_batches(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[RecordBatch] | None:
        """Every record by the store's own iteration, where that is not what `scan` does; in no promised order."""
        pages = self.own_pages(info, include_vectors=include_vectors)
        return None if pages is None else self._native_batches(info, pages, include_vectors=include_vectors)

    async def _native_batches(
        self, info: CollectionInfo, pages: AsyncIterator[Sequence[Stored]], *, include_vectors: bool
    ) -> AsyncIterator[RecordBatch]:
        async for page in pages:
            runs: dict[Scope, list[tuple[Stored, Record]]] = {}
            for stored in page:
                record, scope = self._read(info, stored, None)
                runs.setdefault(scope, []).append((stored, record))
            for scope, run in runs.items():
                yield _batch(run, scope, include_vectors=include_vectors)

    async def _pages(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> AsyncIterator[Sequence[Stored]]:
        while page := await self.page(info, where, after=after, limit=limit, include_vectors=include_vectors):
            keys = [stored.key for stored in page]
            if keys[0] <= after or any(left >= right for left, right in itertools.pairwise(keys)):
                raise ProviderError(f"{self.provider} returned a page that is not in order")
            after = keys[-1]
            yield page


def _refuse_foreign(info: CollectionInfo) -> None:
    if info.layout_version == FOREIGN:
        raise ConfigurationError(
            f"collection {info.name!r} was not written by vpa and is only read; copy it with `vpa migrate`",
            collection=info.name,
        )


def _merged(record: Record, edit: MetadataEdit) -> Mapping[str, Any]:
    kept = {key: value for key, value in record.metadata.items() if key not in edit.remove}
    try:
        return canonical_metadata({**kept, **edit.assign})
    except InvalidRecordError as error:
        raise InvalidRecordError(f"record {record.id!r}: {error.message}; nothing was changed") from None


def _slice(batch: RecordBatch, start: int) -> RecordBatch:
    part = slice(start, start + _PAGE)
    return RecordBatch(
        ids=batch.ids[part],
        vectors=None,
        texts=None if batch.texts is None else batch.texts[part],
        metadata=None if batch.metadata is None else batch.metadata[part],
        system=None if batch.system is None else batch.system[part],
    )


def _batch(run: Sequence[tuple[Stored, Record]], scope: Scope | None, *, include_vectors: bool) -> RecordBatch:
    return RecordBatch(
        ids=[record.id for _, record in run],
        vectors=np.asarray([record.vector for _, record in run], dtype=np.float32) if include_vectors else None,
        texts=[record.text for _, record in run],
        metadata=[record.metadata for _, record in run],
        system=[record.system for _, record in run],
        scope=scope,
        cursor=run[-1][0].key,
    )


def _key_of(cursor: str, *, foreign: bool) -> str:
    if not foreign and not (len(cursor) == 36 and all(letter in "0123456789abcdef-" for letter in cursor)):
        raise InvalidQueryError(f"the cursor {cursor!r:.60} is not one that a scan returned")
    return cursor


def _checked(vector: FloatVector, info: CollectionInfo, key: str) -> FloatVector:
    found: FloatVector = np.asarray(vector, dtype=np.float32)
    if found.shape != (info.dimension,) or not np.isfinite(found).all():
        raise ProviderError(
            f"the store returned a vector of shape {found.shape} under {key!r}, or one that is not finite"
        )
    return found


def _whole_number(count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ProviderError(f"the store returned {count!r} as a count")
    return count


def _some(values: Sequence[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:10])
    return f"{shown}, …" if len(values) > 10 else shown
