"""Verbs over any store, with the residual of a filter evaluated here: the answer is the same as without push-down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np

from vpa.base.arrays import Scores
from vpa.base.errors import UnsupportedFilterError
from vpa.base.metadata import Scalar
from vpa.base.records import CollectionInfo, Matches, RecordBatch, Usage
from vpa.filters import NormalFilter, matches, to_json
from vpa.stores.answers import Candidates
from vpa.stores.contract import VectorStore
from vpa.stores.requests import (
    ALWAYS,
    Count,
    Delete,
    Distinct,
    FieldTypes,
    Scan,
    Search,
    SearchWords,
    UpdateMetadata,
    Upsert,
)

Filtered = TypeVar("Filtered", Count, Delete, Distinct, FieldTypes, Scan, Search, SearchWords, UpdateMetadata)
Targeted = TypeVar("Targeted", Delete, UpdateMetadata)
_NO_LIMIT: Final = 2**31 - 1  # Deeper than any store holds records.


def _asked(request: Filtered, native: NormalFilter) -> Filtered:
    """The same request with what the store evaluates; as it is where that is all of the filter."""
    return request if native is request.filter else replace(request, filter=native)


async def count(store: VectorStore, info: CollectionInfo, request: Count) -> int:
    """Exact number of matches."""
    parts = store.split(request.filter)
    if parts.is_complete:
        return await store.count(info, _asked(request, parts.native))
    wanted = Scan(filter=request.filter, scope=request.scope, include_vectors=False, newest=True)
    return sum([len(batch) async for batch in scan(store, info, wanted)])


async def scan(store: VectorStore, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
    """Every match once; batches may be shorter than asked, never empty."""
    parts = store.split(request.filter)
    async for batch in store.scan(info, _asked(request, parts.native)):
        left = batch if parts.is_complete else _keep(batch, parts.residual)
        if len(left):
            yield left


def _keep(batch: RecordBatch, residual: NormalFilter) -> RecordBatch:
    rows = [i for i, record in enumerate(batch) if matches(residual, record.metadata, record.system)]
    return replace(
        batch,
        ids=[batch.ids[i] for i in rows],
        vectors=None if batch.vectors is None else batch.vectors[rows],
        texts=None if batch.texts is None else [batch.texts[i] for i in rows],
        metadata=None if batch.metadata is None else [batch.metadata[i] for i in rows],
        system=None if batch.system is None else [batch.system[i] for i in rows],
        sparse=None if batch.sparse is None else [batch.sparse[i] for i in rows],
    )


async def field_types(
    store: VectorStore, info: CollectionInfo, request: FieldTypes
) -> dict[str, dict[str, int]] | None:
    """As the store knows them, where it evaluates the whole filter and has them without a scan; else None."""
    parts = store.split(request.filter)
    return await store.field_types(info, _asked(request, parts.native)) if parts.is_complete else None


async def distinct_values(store: VectorStore, info: CollectionInfo, request: Distinct) -> list[Scalar] | None:
    """As the store knows them, where it evaluates the whole filter and has them without a scan; else None."""
    parts = store.split(request.filter)
    return await store.distinct_values(info, _asked(request, parts.native)) if parts.is_complete else None


async def resolve(store: VectorStore, info: CollectionInfo, request: Targeted) -> Targeted:
    """The same request in native terms: a filter with a residual becomes the ids that it matches, and the store changes
    those only that match it still.
    """
    if request.ids is not None:
        return request
    parts = store.split(request.filter)
    if parts.is_complete:
        return _asked(request, parts.native)
    return replace(request, ids=await _matching(store, info, request), filter=ALWAYS, still=request.filter)


async def _matching(store: VectorStore, info: CollectionInfo, request: Delete | UpdateMetadata) -> list[str]:
    wanted = Scan(filter=request.filter, scope=request.scope, include_vectors=False, newest=True)
    return [record_id async for batch in scan(store, info, wanted) for record_id in batch.ids]


async def delete(store: VectorStore, info: CollectionInfo, request: Delete) -> int:
    """Remove; returns how many existed."""
    return await store.delete(info, await resolve(store, info, request))


async def update_metadata(store: VectorStore, info: CollectionInfo, request: UpdateMetadata) -> int:
    """Merge; returns how many matched."""
    resolved = await resolve(store, info, request)
    if resolved.ids is not None and not resolved.ids:
        return 0
    return await store.update_metadata(info, resolved)


async def upsert(store: VectorStore, info: CollectionInfo, request: Upsert) -> int:
    """Write. Where the store cannot replace in one step: the new first, then the delete."""
    if request.replacing is None:
        return await store.upsert(info, request)
    parts = store.split(request.replacing)
    if parts.is_complete and store.capabilities.atomic_replace:
        return await store.upsert(info, replace(request, replacing=parts.native))
    # What was given up and arrives after this look would never be replaced.
    await store.settled(info)
    old = await _matching(store, info, Delete(filter=request.replacing, scope=request.scope))
    written = await store.upsert(info, replace(request, replacing=None))
    coming = set(request.ids)
    gone = [record_id for record_id in old if record_id not in coming]
    if gone:
        # Another process may have written one of them anew since.
        await store.delete(info, Delete(ids=gone, still=request.replacing, scope=request.scope))
    return written


async def search(store: VectorStore, info: CollectionInfo, request: Search) -> list[Matches]:
    """At most `top_k` matches a query; with a residual, reads deeper until they are found or the store has no more."""
    parts = store.split(request.filter)
    if parts.is_complete:
        return await store.search(info, _asked(request, parts.native))
    results = []
    for row in range(len(request.vectors)):
        single = replace(request, vectors=request.vectors[row : row + 1], filter=parts.native)
        results.append(await _search_residual(store, info, single, residual=parts.residual))
    return results


async def _search_residual(
    store: VectorStore, info: CollectionInfo, request: Search, *, residual: NormalFilter
) -> Matches:
    deepest = store.capabilities.max_top_k or _NO_LIMIT
    depth, candidates, requests = min(deepest, request.top_k * 2), 0, 0
    while True:
        [answer] = await store.search(info, replace(request, top_k=depth))
        candidates, requests = candidates + len(answer), requests + 1
        satisfying = [match for match in answer if matches(residual, match.metadata, match.system)]
        if len(satisfying) >= request.top_k or len(answer) < depth:
            usage = Usage(candidates=candidates, requests=requests)
            return Matches(tuple(satisfying[: request.top_k]), answer.exact, usage)
        if depth == deepest:
            raise _too_deep(store, info, request, residual=residual, depth=deepest)
        depth = min(deepest, depth * 2)


async def search_words(store: VectorStore, info: CollectionInfo, request: SearchWords) -> Candidates:
    """The best by words or by a sparse vector, or by either of these and a vector; with a residual, reads deeper as
    `search` does.
    """
    parts = store.split(request.filter)
    if parts.is_complete:
        return await store.search_words(info, _asked(request, parts.native))
    deepest = store.capabilities.max_top_k or _NO_LIMIT
    depth, candidates, requests = min(deepest, request.top_k * 2), 0, 0
    while True:
        whole = replace(request, filter=parts.native, top_k=depth, select=None)
        answer = await store.search_words(info, whole)
        candidates, requests = candidates + len(answer.matches), requests + answer.matches.usage.requests
        usage = Usage(candidates=candidates, requests=requests)
        chosen = _satisfying(answer, parts.residual, request=request, depth=depth)
        if chosen is not None:
            return _taken(answer, chosen, request=request, usage=usage)
        if depth == deepest and request.vector is None:
            raise _too_deep(store, info, request, residual=parts.residual, depth=deepest)
        if depth == deepest:
            # Candidates for a fusion are more than the answer that somebody asked for: these have to do.
            inexact = replace(answer, matches=replace(answer.matches, exact=False))
            return _taken(inexact, _holding(answer, parts.residual), request=request, usage=usage)
        depth = min(deepest, depth * 2)


def _holding(answer: Candidates, residual: NormalFilter) -> list[int]:
    """The places of the matches that satisfy the residual."""
    return [place for place, match in enumerate(answer.matches) if matches(residual, match.metadata, match.system)]


def _satisfying(answer: Candidates, residual: NormalFilter, *, request: SearchWords, depth: int) -> list[int] | None:
    """The places of the matches that satisfy the residual; None where more have to be read.

    The best `depth` by words are all there, and the best by vector where there is one: enough of either must satisfy
    it, unless the store has no more.
    """
    chosen = _holding(answer, residual)
    # Beside a vector there are those too that hold no word, and no dimension, that was asked for: their score is 0.
    scored = np.arange(len(answer.words)) if request.vector is None else np.flatnonzero(answer.words)
    by_words = scored[_best(answer.words[scored], depth)].tolist()
    enough = len(by_words) < depth or len(set(chosen) & set(by_words)) >= request.top_k
    if request.vector is not None:
        near = _best(answer.similarity, depth)
        enough = enough and (len(near) < depth or len(set(chosen) & set(near)) >= request.top_k)
    return chosen if enough else None


def _best(scores: Scores, depth: int) -> list[int]:
    places: list[int] = np.argsort(-scores, kind="stable")[:depth].tolist()
    return places


def _taken(answer: Candidates, chosen: list[int], *, request: SearchWords, usage: Usage) -> Candidates:
    if request.vector is None:
        chosen = chosen[: request.top_k]
    elif request.select is not None:
        places = request.select(answer.similarity[chosen], answer.words[chosen])
        chosen = [chosen[place] for place in places.tolist()]
    items = tuple(answer.matches[place] for place in chosen)
    return replace(answer, matches=Matches(items, answer.matches.exact, usage), words=answer.words[chosen])


def _too_deep(
    store: VectorStore, info: CollectionInfo, request: Search | SearchWords, *, residual: NormalFilter, depth: int
) -> UnsupportedFilterError:
    return UnsupportedFilterError(
        f"{store.provider} cannot be read deeper than {depth} records in one search, and fewer than "
        f"top_k={request.top_k} of those satisfy the part of the filter that it cannot evaluate: {to_json(residual)}; "
        "narrow the filter with conditions that it can evaluate, ask for fewer, or use scan",
        collection=info.name,
    )
