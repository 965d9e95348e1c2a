"""Searches for words: on the event loop where such searches were short lately, else in a thread."""

from __future__ import annotations

from typing import Final

from vpa.analysis.bm25 import WordStatistics
from vpa.base.records import Matches, Usage
from vpa.engine.table import Table
from vpa.engine.wordsearch import WordAnswer, is_behind, search_words
from vpa.filters.ast import ALWAYS
from vpa.kit.threads import Workers
from vpa.stores.answers import Candidates
from vpa.stores.embedded.facts import are_few
from vpa.stores.embedded.pace import Pace
from vpa.stores.requests import SearchWords

# Matches whose texts and metadata are read on the event loop.
_INLINE_MATCHES: Final = 200
# Searches with about as many terms take about as long.
_TERMS: Final = 8


class WordSearches:
    """Of one store."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._pace = Pace()

    def forget(self) -> None:
        """Nothing is known of the tables any more."""
        self._pace.forget()

    async def answer(self, table: Table, request: SearchWords) -> Candidates:
        """The answer to one request, with the statistics of the collection as it was."""
        view, node = table.view, request.filter
        kind = (table.info.name, view.count.bit_length(), request.vector is None, len(request.terms) // _TERMS)
        at_once = are_few(table, request.top_k, _INLINE_MATCHES) and not is_behind(table)
        if at_once and self._pace.is_short(kind) and (node is ALWAYS or view.is_ready(node)):
            return _candidates(self._pace.timed(kind, search_words, table, request, node))
        return _candidates(await self._workers.run(self._pace.timed, kind, search_words, table, request, node))


def _candidates(answer: WordAnswer) -> Candidates:
    records, mean, by_term = answer.frequencies
    return Candidates(
        Matches(tuple(answer.matches), answer.exact, Usage(candidates=len(answer.matches))),
        answer.words,
        WordStatistics(records=records, mean_length=mean, frequencies=by_term),
    )
