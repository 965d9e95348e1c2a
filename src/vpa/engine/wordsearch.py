"""Searches of a table by words, and by words and a vector together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from vpa.analysis.analyser import analyser_of
from vpa.base import distances
from vpa.base.arrays import RowNumbers, Scores
from vpa.base.errors import ConfigurationError
from vpa.base.query import WordRequest
from vpa.base.records import Match
from vpa.engine.indexes import flat
from vpa.engine.lexical.search import Frequencies, WordQuery
from vpa.engine.lexical.wording import word_index, wording
from vpa.engine.selection import Selection
from vpa.engine.table import Table, distances_of
from vpa.engine.view import View
from vpa.engine.writer import State
from vpa.filters.ast import Filter


class WordAnswer(NamedTuple):
    """Matches of one question, the score of each by its words, and what that took. `exact`: none can be missing.

    Matches by words alone stand best first; where a vector was given they have the scores by vector, in no order.
    """

    matches: list[Match]
    words: Scores
    frequencies: Frequencies
    exact: bool = True


def search_words(table: Table, request: WordRequest, node: Filter) -> WordAnswer:
    """The records that hold most of the terms; with a vector, both scores of the best by either."""
    state = table.open_state()
    view = state.view
    query = _word_query(state, request.terms)
    chosen = view.selection(node, request.scope)
    rows, words = query.best(top_k=request.top_k, chosen=chosen)
    if request.vector is not None:
        nearest, exact = _nearest(table, state, request, chosen=chosen)
        return _both(view, np.union1d(nearest, rows), query=query, request=request)._replace(exact=exact)
    if request.score_threshold is not None:
        keep = words >= request.score_threshold
        rows, words = rows[keep], words[keep]
    matches = view.matches(
        rows.tolist(), scores=words.tolist(), distances=(-words).tolist(), include_vectors=request.include_vectors
    )
    return WordAnswer(matches, words, query.frequencies)


def is_behind(table: Table) -> bool:
    """Whether a search for words would have to take in texts first."""
    view = table.view
    return view.rows.words is None or view.rows.words.behind(view.count) > 0


def _word_query(state: State, terms: Mapping[str, float]) -> WordQuery:
    keywords, view = state.info.keywords, state.view
    if keywords is None:
        raise ConfigurationError(f"collection {state.info.name!r} has no keyword index")
    words = word_index(view.rows, analyser_of(keywords.language))
    return WordQuery(view, words, words.settle(view.count, partial(wording, view.rows)), query=terms)


def _nearest(table: Table, state: State, request: WordRequest, *, chosen: Selection | None) -> tuple[RowNumbers, bool]:
    vectors = np.asarray(request.vector)[None, :]
    if request.exact:
        return flat.search(state.view, vectors, top_k=request.top_k, chosen=chosen)[0].rows, True
    [best], exact = table.index.search(state.view, vectors, top_k=request.top_k, chosen=chosen, codes=state.codes)
    return best.rows, exact


def _both(view: View, rows: RowNumbers, *, query: WordQuery, request: WordRequest) -> WordAnswer:
    metric, vector = view.rows.vectors.metric, np.asarray(request.vector)
    scores, words = distances.scores(metric, view.rows.gather(rows), vector), query.scores(rows)
    if request.select is not None:
        places = request.select(scores, words)
        rows, scores, words = rows[places], scores[places], words[places]
    matches = view.matches(
        rows.tolist(),
        scores=scores.tolist(),
        distances=distances_of(view, rows, scores=scores, query=vector),
        include_vectors=request.include_vectors,
    )
    return WordAnswer(matches, words, query.frequencies)
