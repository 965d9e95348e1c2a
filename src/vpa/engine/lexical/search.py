"""Keyword search: scores of rows in float32, final scores of the few that can be among the best in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.analysis.bm25 import K1, B, idf, query_weight
from vpa.base.arrays import FloatVector, IntColumn, RowNumbers, Scores
from vpa.engine import topk
from vpa.engine.lexical.impacts import Impacts, PostingBlock
from vpa.engine.lexical.index import PostingBlocks, WordIndex
from vpa.engine.selection import Selection
from vpa.engine.view import View

# Scores are sums of positive float32 values: rounding changes them by less than this share.
_ROUNDING: Final = 1e-5
# With more postings left than these, it is worth looking whether they can still change who is among the best: that
# costs about as much as adding half of them up.
_MANY: Final = 40_000
# So many candidates are scored exactly without the rest of the postings being read.
_FEW: Final = 1_000
_FEW_BLOCKS: Final = 250
# It is looked again once so little is left of what was left the last time.
_LESS: Final = 0.7
# Fewer rows than this share are picked out of all the scores.
_SMALL: Final = 1 / 8


class _Piece(NamedTuple):
    """The postings of a term in one block: rows of the view, how often each holds it, what each adds to a score."""

    rows: IntColumn
    counts: NDArray[np.uint16]
    impacts: FloatVector


class _Term(NamedTuple):
    """A term of the query in one view. `peak`: no row gets more for it."""

    weight: float
    peak: float
    held: int
    pieces: Sequence[_Piece]


class Frequencies(NamedTuple):
    """What the formula needs of a view: rows with any term, their mean length, and how many hold each term asked
    for.
    """

    records: int
    mean_length: float
    by_term: Mapping[str, int]


class WordQuery:
    """The terms of one question, looked up in one view, whose rows are all in `blocks`."""

    def __init__(self, view: View, words: WordIndex, blocks: PostingBlocks, *, query: Mapping[str, float]) -> None:
        """`query`: the terms, and how often each stands in the question."""
        self._view = view
        self._lengths = words.lengths(view.count)
        records, self._mean = words.census(view.count, view.live)
        by_term: dict[str, int] = {}
        self._terms: list[_Term] = []
        lengths = words.lengths(blocks.row_count)
        impacts = [part.impacts(lengths, self._mean) for part in blocks.parts if records]
        # What the impacts may be off by, and rounding.
        self._error = max((one.error(self._mean) for one in impacts), default=0.0) + _ROUNDING
        for name in sorted(query):
            code = words.vocabulary.code(name)
            pieces, peak = [], 0.0
            for part, known in zip(blocks.parts, impacts, strict=False) if code is not None else ():
                found = self._piece(part, known, code)  # type: ignore[arg-type]
                if found is not None:
                    pieces.append(found[0])
                    peak = max(peak, found[1])
            held = sum(self._held(piece.rows) for piece in pieces)
            by_term[name] = held
            if held:
                weight = idf(held, records=records) * query_weight(query[name])
                self._terms.append(_Term(weight, weight * peak * (1 + self._error), held, pieces))
        self.frequencies = Frequencies(records, self._mean, by_term)

    def _held(self, rows: IntColumn) -> int:
        return len(rows) if self._view.live is None else int(np.count_nonzero(self._view.live[rows]))

    def _piece(self, part: PostingBlock, impacts: Impacts, code: int) -> tuple[_Piece, float] | None:
        postings, count = part.postings, self._view.count
        place = postings.place(code)
        if place is None:
            return None
        span = postings.span(place)
        rows = postings.rows[span]
        if rows[0] >= count:
            return None
        # Rows that came after the reader's view.
        end = len(rows) if rows[-1] < count else int(rows.searchsorted(count))
        piece = _Piece(rows[:end], postings.counts[span][:end], impacts.values[span][:end])
        return piece, impacts.peaks.item(place)

    def best(self, *, top_k: int, chosen: Selection | None) -> tuple[RowNumbers, Scores]:
        """The `top_k` best of the rows chosen that hold any term, best first, equal ones in id order."""
        if not self._terms or (chosen is not None and not chosen.count):
            return np.empty(0, dtype=np.int64), np.empty(0)
        rows = self._candidates(top_k, chosen)
        scores = self.scores(rows)
        ids = self._view.rows.ids
        order = topk.best(scores, k=top_k, ids=lambda place: ids[rows[place]])
        return rows[order], scores[order]

    def _candidates(self, top_k: int, chosen: Selection | None) -> RowNumbers:
        """Rows that hold a term, among them all that can be among the best.

        The rarest terms come first: when what the others can add changes nothing any more, their postings are not read
        (Turtle and Flood 1995, MaxScore).
        """
        keys = np.zeros(self._view.count, dtype=np.float32)
        terms = sorted(self._terms, key=lambda term: term.held)
        rest, postings = sum(term.peak for term in terms), sum(term.held for term in terms)
        small = chosen is not None and chosen.count < _SMALL * len(keys)
        # What the terms so far can add up to, and what was left when it was last looked whether that settles it.
        done, looked_at = 0.0, math.inf
        for number, term in enumerate(terms):
            weight = np.float32(term.weight)
            for piece in term.pieces:
                # Faster than `keys[rows] += …` since NumPy 1.25.
                np.add.at(keys, piece.rows, piece.impacts * weight)
            rest, postings, done = rest - term.peak, postings - term.held, done + term.peak
            worth_it = postings > _MANY and done > rest and rest < _LESS * looked_at
            if worth_it and number + 1 < len(terms) and not small:
                looked_at = rest
                rows = self._settled(keys, top_k, chosen, rest=rest)
                if rows is not None:
                    return rows
        if chosen is None:
            return self._of_all(keys, top_k)
        if not small:
            return self._of_all(np.multiply(keys, chosen.mask, out=keys), top_k)
        rows = chosen.rows
        few = keys[rows]
        rows, few = rows[few > 0], few[few > 0]
        return rows[topk.candidates_of_few(few, k=top_k, error=self._off(few))] if len(few) else rows

    def _settled(self, keys: FloatVector, top_k: int, chosen: Selection | None, *, rest: float) -> RowNumbers | None:
        """Those that can be among the best, if they are few, where no row gets more than `rest` any more."""
        if chosen is not None:
            keys = keys * chosen.mask
        maxima = topk.block_maxima(keys)
        if len(maxima) <= top_k:
            return None
        bound = float(np.partition(maxima, len(maxima) - top_k)[len(maxima) - top_k])
        off = self._off(maxima)
        least = bound - rest - 2 * off
        if least <= 0 or np.count_nonzero(maxima >= least) > _FEW_BLOCKS:
            return None
        rows = topk.candidates(keys, maxima, k=top_k, error=rest / 2 + off)
        return rows if len(rows) <= max(_FEW, 2 * top_k) else None

    def _off(self, keys: FloatVector) -> float:
        """By how much a key may differ from the true score."""
        return float(keys.max(initial=0)) * self._error

    def _of_all(self, keys: FloatVector, top_k: int) -> RowNumbers:
        if not len(keys):
            return np.empty(0, dtype=np.int64)
        maxima = topk.block_maxima(keys)
        if np.count_nonzero(maxima) <= top_k:
            found: RowNumbers = np.flatnonzero(keys)
            return found
        rows = topk.candidates(keys, maxima, k=top_k, error=self._off(maxima))
        return rows[keys[rows] > 0]

    def scores(self, rows: RowNumbers) -> Scores:
        """The exact scores of some rows `(n,) float64`; 0 for those that hold no term."""
        total = np.zeros(len(rows))
        if not len(rows) or not self._terms:
            return total
        norm = K1 * (1 - B + B * self._lengths[rows] / self._mean)
        # Of the type that postings have: they would be converted, all of them.
        wanted = rows.astype(np.int32)
        for term in self._terms:
            tf = np.zeros(len(rows))
            for piece in term.pieces:
                places = np.minimum(piece.rows.searchsorted(wanted), len(piece.rows) - 1)
                tf += np.where(piece.rows[places] == wanted, piece.counts[places], 0)
            total += term.weight * (K1 + 1) * tf / (tf + norm)
        return total
