"""A keyword search on Weaviate: its BM25 gives keys and scores, and the best of them are fetched.

Asked for few, Weaviate (1.35.2; its pull requests 11779, 11780 and 12022 repair it) drops records that belong to the
best: those that it has not written to its disk yet, and those that alone hold a term. Asked for more than there are
with any of the terms, it drops none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from weaviate.classes.query import Filter, MetadataQuery

from vpa.kit.tasks import both
from vpa.stores.layout.driver import StoredRow
from vpa.stores.layout.reader import first_that_exist
from vpa.stores.layout.words import WordQuery
from vpa.stores.weaviate.convert import stored_of
from vpa.stores.weaviate.filters import PAYLOAD
from vpa.stores.weaviate.words import WORDS, words_query

# One request returns no more.
_MOST: Final = 10_000
# As many as the terms that are asked for alone may be held by, when they were counted; there may be more by now.
_LISTED: Final = 5_000


class WordRank:
    """One keyword search. `ask` sends a request about the objects of its scope, None where it has none; `chosen`: the
    filter in Weaviate's words.
    """

    def __init__(self, ask: Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]], chosen: Any) -> None:
        self._ask = ask
        self._chosen = chosen

    async def best(self, query: WordQuery, *, limit: int, include_vectors: bool) -> list[StoredRow]:
        """The rows that Weaviate ranks highest; `raw` is its score."""
        scores = await self._scores(query, limit)
        if not scores:
            return []

        async def fetch(keys: Sequence[str]) -> list[StoredRow]:
            return await self._fetch(keys, include_vectors=include_vectors)

        rows = await first_that_exist(scores, fetch, limit=limit, rank=lambda key: (-scores[key], key))
        return [replace(row, raw=scores[row.key]) for row in rows]

    async def _scores(self, query: WordQuery, limit: int) -> Mapping[str, float]:
        rare = _rare(query)
        if len(rare.weights) == len(query.weights) or not rare.weights:
            return await self._listed(query, _MOST)
        # Those that hold a rare term are all seen, by these; what has only common ones is left to Weaviate's choice.
        some, others = await both(self._listed(rare, _MOST), self._listed(query, limit))
        return {**some, **others}

    async def _listed(self, query: WordQuery, limit: int) -> dict[str, float]:
        asked = words_query(query)
        answer = await self._ask(
            lambda objects: objects.query.bm25(
                asked,
                query_properties=[WORDS],
                limit=limit,
                filters=self._chosen,
                return_metadata=MetadataQuery(score=True),
                return_properties=[],
            )
        )
        return {} if answer is None else {str(item.uuid): float(item.metadata.score) for item in answer.objects}

    async def _fetch(self, keys: Sequence[str], *, include_vectors: bool) -> list[StoredRow]:
        # Not by the keys alone: a record may have been changed since, so that the filter means it no more.
        by_key = Filter.by_id().contains_any(list(keys))
        chosen = by_key if self._chosen is None else Filter.all_of([by_key, self._chosen])
        answer = await self._ask(
            lambda objects: objects.query.fetch_objects(
                limit=len(keys), filters=chosen, include_vector=include_vectors, return_properties=[PAYLOAD]
            )
        )
        return stored_of(() if answer is None else answer.objects, with_vectors=include_vectors, foreign=False)


def _rare(query: WordQuery) -> WordQuery:
    """The rarest of the terms, that few enough records hold."""
    held, chosen = 0, {}
    for term in sorted(query.weights, key=query.statistics.frequency):
        held += query.statistics.frequency(term)
        if held > _LISTED:
            break
        chosen[term] = query.weights[term]
    return replace(query, weights=chosen)
