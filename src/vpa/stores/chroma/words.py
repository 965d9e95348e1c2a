"""Keyword search on Chroma, which has no sparse vectors: the terms of a record are a list of its metadata, and the rows
that hold a term are listed by key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from vpa.analysis.bm25 import K1
from vpa.kit.tasks import together
from vpa.stores.chroma import filters
from vpa.stores.layout.driver import StoredRow, Where
from vpa.stores.layout.reader import first_that_exist
from vpa.stores.layout.words import RowWords, WordQuery, term_name

WORDS: Final = "_vpa_w"
# What a record has that holds no words: a list that is not sent stays.
_NONE: Final = "-"
# Terms that more records hold are listed only where the rarer ones lead to too few: keys are 36 bytes each.
_COMMON: Final = 5_000
# A score is at most so many times the sum of the weights of the terms that a record holds.
AT_MOST: Final = K1 + 1


def words_field(words: RowWords | None) -> dict[str, Any]:
    """What is stored of a record's words."""
    return {} if words is None else {WORDS: words.names or [_NONE]}


class WordRank:
    """One keyword search. `list_keys` gives the keys that satisfy a condition, `fetch` the rows under keys."""

    def __init__(
        self,
        list_keys: Callable[[dict[str, Any]], Awaitable[Sequence[str]]],
        fetch: Callable[[Sequence[str]], Awaitable[list[StoredRow]]],
        *,
        at_once: int,
    ) -> None:
        self._list_keys = list_keys
        self._fetch = fetch
        self._turn = asyncio.Semaphore(at_once)

    async def best(self, query: WordQuery, where: Where, *, limit: int) -> list[StoredRow]:
        """The rows whose terms weigh most; `raw` is the sum of the weights."""
        common = {term for term in query.weights if query.statistics.frequency(term) > _COMMON}
        sums = await self._summed(query, where, [term for term in query.weights if term not in common])
        if len(sums) < limit:
            for key, weight in (await self._summed(query, where, list(common))).items():
                sums[key] = sums.get(key, 0.0) + weight
            common = set()
        # Each may hold those that were not looked for, and so may what was not listed.
        more = sum(query.weights[term] for term in common)
        rows = await first_that_exist(sums, self._fetch, limit=limit, rank=lambda key: (-sums[key], key))
        return [replace(row, raw=sums[row.key] + more) for row in rows]

    async def _summed(self, query: WordQuery, where: Where, terms: Sequence[str]) -> dict[str, float]:
        chosen = filters.spell(where)

        async def holding(term: str) -> Sequence[str]:
            has = {WORDS: {"$contains": term_name(term)}}
            async with self._turn:
                return await self._list_keys(has if chosen is None else {"$and": [chosen, has]})

        sums: dict[str, float] = {}
        for term, keys in zip(terms, await together(map(holding, terms)), strict=True):
            for key in keys:
                sums[key] = sums.get(key, 0.0) + query.weights[term]
        return sums
