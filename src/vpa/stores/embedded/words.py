"""Searches for words: on the event loop where such searches were short lately, else in a thread."""

from __future__ import annotations

from typing import Final

from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import WordStatistics
from vpa.analysis.languages import LANGUAGES
from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, Matches, Usage
from vpa.engine.table import Table
from vpa.engine.wordsearch import WordAnswer, is_behind, search_words
from vpa.filters.ast import ALWAYS
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger
from vpa.stores.answers import Candidates
from vpa.stores.embedded.facts import are_few
from vpa.stores.embedded.pace import Pace
from vpa.stores.requests import SearchWords

# Matches whose texts and metadata are read on the event loop.
_INLINE_MATCHES: Final = 200
_log: Final = get_logger("vpa.stores.embedded")
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


def renewed_keywords(info: CollectionInfo) -> KeywordIndex | None:
    """The analyser of now, where the keyword index of a collection was made by another one, which is logged."""
    made_by = info.keywords
    if made_by is None or made_by.language not in LANGUAGES:
        return None
    present = analyser_of(made_by.language).identity
    if present == made_by:
        return None
    _log.warning(
        "another version of the analyser made the keyword index; its words are taken from the texts again",
        collection=info.name,
        made_by=str(made_by),
        now=str(present),
    )
    return present


def _candidates(answer: WordAnswer) -> Candidates:
    records, mean, by_term = answer.frequencies
    return Candidates(
        Matches(tuple(answer.matches), answer.exact, Usage(candidates=len(answer.matches))),
        answer.words,
        WordStatistics(records=records, mean_length=mean, frequencies=by_term),
    )
