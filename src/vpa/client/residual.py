"""Verbs over any store, with the residual of a filter evaluated here: the answer is the same as without push-down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from vpa.base.errors import UnsupportedFilterError
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, Matches, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.filters import Filter, matches, to_json
from vpa.stores.contract import MetadataEdit, Target, VectorStore

_PAGE: Final = 1000
_NO_LIMIT: Final = 2**31 - 1


async def count(store: VectorStore, info: CollectionInfo, node: Filter, *, scope: Scope | AllScopes) -> int:
    """Exact number of matches."""
    parts = store.split(node)
    if parts.is_complete:
        return await store.count(info, parts.native, scope=scope)
    found = 0
    async for batch in scan(store, info, node, scope=scope, batch_size=_PAGE, cursor=None, include_vectors=False):
        found += len(batch)
    return found


async def scan(
    store: VectorStore,
    info: CollectionInfo,
    node: Filter,
    *,
    scope: Scope | AllScopes,
    batch_size: int,
    cursor: str | None,
    include_vectors: bool,
) -> AsyncIterator[RecordBatch]:
    """Every match once; batches may be shorter than asked, never empty."""
    parts = store.split(node)
    batches = store.scan(
        info, parts.native, scope=scope, batch_size=batch_size, cursor=cursor, include_vectors=include_vectors
    )
    async for batch in batches:
        kept = batch if parts.is_complete else _keep(batch, parts.residual)
        if len(kept):
            yield kept


def _keep(batch: RecordBatch, residual: Filter) -> RecordBatch:
    rows = [i for i, record in enumerate(batch) if matches(residual, record.metadata, record.system)]
    return replace(
        batch,
        ids=[batch.ids[i] for i in rows],
        vectors=None if batch.vectors is None else batch.vectors[rows],
        texts=None if batch.texts is None else [batch.texts[i] for i in rows],
        metadata=None if batch.metadata is None else [batch.metadata[i] for i in rows],
        system=None if batch.system is None else [batch.system[i] for i in rows],
    )


async def resolve(store: VectorStore, info: CollectionInfo, target: Target) -> Target:
    """The same target in native terms: a filter with a residual becomes the ids that it matches."""
    if target.ids is not None:
        return target
    parts = store.split(target.filter)
    if parts.is_complete:
        return replace(target, filter=parts.native)
    ids: list[str] = []
    async for batch in scan(
        store, info, target.filter, scope=target.scope, batch_size=_PAGE, cursor=None, include_vectors=False
    ):
        ids.extend(batch.ids)
    return Target(scope=target.scope, ids=ids)


async def delete(store: VectorStore, info: CollectionInfo, target: Target, *, dry_run: bool) -> int:
    """Remove; returns how many existed."""
    return await store.delete(info, await resolve(store, info, target), dry_run=dry_run)


async def update_metadata(
    store: VectorStore, info: CollectionInfo, target: Target, *, edit: MetadataEdit, dry_run: bool
) -> int:
    """Merge; returns how many matched."""
    resolved = await resolve(store, info, target)
    if resolved.ids is not None and not resolved.ids:
        return 0
    return await store.update_metadata(info, resolved, edit, dry_run=dry_run)


async def upsert(
    store: VectorStore,
    info: CollectionInfo,
    batch: RecordBatch,
    *,
    scope: Scope,
    on_conflict: OnConflict,
    replacing: Filter | None,
) -> int:
    """Write. Where the store cannot replace in one step: the new first, then the delete."""
    if replacing is None:
        return await store.upsert(info, batch, scope=scope, on_conflict=on_conflict, replacing=None)
    parts = store.split(replacing)
    if parts.is_complete and store.capabilities.atomic_replace:
        return await store.upsert(info, batch, scope=scope, on_conflict=on_conflict, replacing=parts.native)
    old = await resolve(store, info, Target(scope=scope, filter=replacing))
    if old.ids is None:
        ids: list[str] = []
        async for page in store.scan(
            info, old.filter, scope=scope, batch_size=_PAGE, cursor=None, include_vectors=False
        ):
            ids.extend(page.ids)
        old = Target(scope=scope, ids=ids)
    written = await store.upsert(info, batch, scope=scope, on_conflict=on_conflict, replacing=None)
    coming = set(batch.ids)
    gone = [value for value in old.ids or () if value not in coming]
    if gone:
        await store.delete(info, Target(scope=scope, ids=gone), dry_run=False)
    return written


async def search(store: VectorStore, info: CollectionInfo, request: SearchRequest, *, node: Filter) -> list[Matches]:
    """At most `top_k` matches a query; with a residual, reads deeper until they are found or the store has no more."""
    parts = store.split(node)
    if parts.is_complete:
        return await store.search(info, request, parts.native)
    results = []
    for row in range(len(request.vectors)):
        one = replace(request, vectors=request.vectors[row : row + 1])
        results.append(await _search_residual(store, info, one, native=parts.native, residual=parts.residual))
    return results


async def _search_residual(
    store: VectorStore, info: CollectionInfo, request: SearchRequest, *, native: Filter, residual: Filter
) -> Matches:
    deepest = store.capabilities.max_top_k or _NO_LIMIT
    depth, candidates, requests = min(deepest, request.top_k * 2), 0, 0
    while True:
        [answer] = await store.search(info, replace(request, top_k=depth), native)
        candidates, requests = candidates + len(answer), requests + 1
        kept = [match for match in answer if matches(residual, match.metadata, match.system)]
        if len(kept) >= request.top_k or len(answer) < depth:
            usage = Usage(candidates=candidates, requests=requests)
            return Matches(tuple(kept[: request.top_k]), answer.exact, usage)
        if depth == deepest:
            raise _too_deep(store, info, request, residual=residual, depth=deepest)
        depth = min(deepest, depth * 2)


def _too_deep(
    store: VectorStore, info: CollectionInfo, request: SearchRequest, *, residual: Filter, depth: int
) -> UnsupportedFilterError:
    return UnsupportedFilterError(
        f"{store.provider} cannot be read deeper than {depth} records in one search, and fewer than "
        f"top_k={request.top_k} of those satisfy the part of the filter that it cannot evaluate: {to_json(residual)}; "
        "narrow the filter with conditions that it can evaluate, ask for fewer, or use scan",
        collection=info.name,
    )
