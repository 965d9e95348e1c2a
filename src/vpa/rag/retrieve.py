"""From a query vector to results: deep enough that documents, versions and `top_k` come out right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidQueryError
from vpa.base.query import MAX_TOP_K
from vpa.base.records import Match
from vpa.base.scope import Scope
from vpa.client.verbs import CollectionVerbs
from vpa.filters import Filter
from vpa.rag.chunks import newest_matches, to_result
from vpa.rag.documents import SearchResult

GroupBy: TypeAlias = Literal["document"] | None
_GROUP_FACTOR: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions:
    """What a search asks for; part of the cache key."""

    top_k: int
    score_threshold: float | None
    group_by: GroupBy
    exact: bool
    scope: Scope


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
