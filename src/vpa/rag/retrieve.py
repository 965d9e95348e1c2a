"""From a query vector to results: deep enough that documents, versions and `top_k` come out right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from vpa.base.arrays import FloatMatrix, unit_rows
from vpa.base.errors import InvalidQueryError
from vpa.base.query import MAX_TOP_K
from vpa.base.records import Match
from vpa.base.scope import Scope
from vpa.client.verbs import CollectionVerbs
from vpa.embeddings.batched import BatchedEmbedder
from vpa.filters import Filter
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.rag.chunking.splitter import Chunk
from vpa.rag.chunking.window import Window, fit
from vpa.rag.chunks import newest_matches, to_result
from vpa.rag.documents import SearchResult

GroupBy: TypeAlias = Literal["document"] | None
# So many times deeper where results are grouped by document; a document seldom has more of the best chunks.
_GROUP_FACTOR: Final = 4
# No tokenizer makes more tokens of a character than UTF-8 has bytes: shorter queries need no counting.
_TOKENS_PER_CHARACTER: Final = 4
_log = get_logger("vpa.rag")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions:
    """What a search asks for; part of the cache key."""

    top_k: int
    score_threshold: float | None
    group_by: GroupBy
    exact: bool
    scope: Scope


async def embed_query(embedder: BatchedEmbedder, query: str, *, workers: Workers) -> FloatMatrix:
    """`(1, d) float32`. A query beyond the model's window is embedded in parts, and their mean is searched for."""
    await embedder.open()
    limit = embedder.max_tokens
    parts = [query]
    if limit is not None and len(query) >= limit // _TOKENS_PER_CHARACTER:
        window = Window(limit, embedder.count_tokens)
        whole = Chunk(query, 0, len(query))
        fitted = await workers.run(fit, [whole], title="", window=window, overlap=0)
        parts = [chunk.text for chunk in fitted.chunks]
    vectors = await embedder.queries(parts)
    if len(parts) == 1:
        return vectors
    _log.info("query embedded in parts", parts=len(parts), tokens=limit)
    # Each part counts by its length.
    weights = np.asarray([len(part) for part in parts], dtype=np.float32)
    mean: FloatMatrix = (weights @ vectors / weights.sum())[None, :].astype(np.float32)
    return mean if not mean.any() else unit_rows(mean) * np.float32(np.linalg.norm(vectors, axis=1).mean())


async def retrieve(
    collection: CollectionVerbs, vector: FloatMatrix, *, node: Filter, options: RetrievalOptions
) -> list[SearchResult]:
    """At most `top_k` chunks, best first; with `group_by="document"` the best chunk of each of `top_k` documents."""
    if options.group_by not in (None, "document"):
        raise InvalidQueryError(f"group_by is None or 'document', not {options.group_by!r}")
    depth = min(MAX_TOP_K, options.top_k * (_GROUP_FACTOR if options.group_by else 1))
    while True:
        matches = await collection.search(
            vector=vector[0],
            top_k=depth,
            filter=node,
            score_threshold=options.score_threshold,
            exact=options.exact,
            scope=options.scope,
        )
        kept = newest_matches(matches)
        if options.group_by is not None:
            kept = _best_of_each(kept)
        if len(kept) >= options.top_k or len(matches) < depth or depth == MAX_TOP_K:
            return [to_result(match) for match in kept[: options.top_k]]
        depth = min(MAX_TOP_K, depth * 2)


def _best_of_each(matches: Sequence[Match]) -> list[Match]:
    best: dict[object, Match] = {}
    for match in matches:
        best.setdefault(match.system.get("document_id", match.id), match)
    return list(best.values())
