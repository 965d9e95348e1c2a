"""Postings: for each term the rows that hold it, ascending, and how often each does. Never changed once made."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import IntColumn, RowMask

# A term that stands more often in one text counts as if it stood so often.
MOST: Final = 65_535
_ROW_BITS: Final = np.int64(32)


class Postings(NamedTuple):
    """`rows[starts[n]:starts[n + 1]]` hold term `codes[n]`, each as often as `counts` says; `codes` ascend."""

    codes: IntColumn
    starts: NDArray[np.int64]
    rows: IntColumn
    counts: NDArray[np.uint16]

    @classmethod
    def nothing(cls) -> Postings:
        """Of no rows."""
        return cls(
            np.empty(0, dtype=np.int32),
            np.zeros(1, dtype=np.int64),
            np.empty(0, dtype=np.int32),
            np.empty(0, dtype=np.uint16),
        )

    @classmethod
    def of(cls, rows: IntColumn, codes: IntColumn) -> Postings:
        """From occurrences: the row and the term of each, in any order."""
        keys = codes.astype(np.int64) << _ROW_BITS
        keys |= rows
        distinct, counts = np.unique(keys, return_counts=True)
        terms = (distinct >> _ROW_BITS).astype(np.int32)
        firsts = np.flatnonzero(np.concatenate([[True], terms[1:] != terms[:-1]])) if len(terms) else np.empty(0, int)
        return cls(
            terms[firsts],
            np.append(firsts, len(terms)).astype(np.int64),
            (distinct & np.int64(0xFFFF_FFFF)).astype(np.int32),
            np.minimum(counts, MOST).astype(np.uint16),
        )

    def place(self, code: int) -> int | None:
        """Where a term stands among `codes`; None for one that no row holds."""
        place = int(self.codes.searchsorted(code))
        return None if place == len(self.codes) or self.codes[place] != code else place

    def span(self, place: int) -> slice:
        """Where in `rows` and `counts` the term at that place stands."""
        return slice(self.starts.item(place), self.starts.item(place + 1))

    def compacted(self, live: RowMask, new_row: IntColumn) -> Postings:
        """Of the rows where `live`, under their numbers in `new_row`, which ascend; terms of none of them are gone."""
        keep = live[self.rows]
        left = np.add.reduceat(np.append(keep, False), self.starts[:-1], dtype=np.int64) if len(self.codes) else keep
        used = left > 0
        return Postings(
            self.codes[used],
            np.concatenate([[0], np.cumsum(left[used])]).astype(np.int64),
            new_row[self.rows[keep]].astype(np.int32),
            self.counts[keep],
        )


def merged(first: Postings, second: Postings) -> Postings:
    """Of both; the rows of `second` stand behind those of `first`."""
    codes = np.union1d(first.codes, second.codes)
    sizes = np.zeros(len(codes), dtype=np.int64)
    places = [codes.searchsorted(part.codes) for part in (first, second)]
    for part, place in zip((first, second), places, strict=True):
        sizes[place] += np.diff(part.starts)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = np.empty(starts[-1], dtype=np.int32)
    counts = np.empty(starts[-1], dtype=np.uint16)
    begins = starts[:-1].copy()
    for part, place in zip((first, second), places, strict=True):
        own = np.diff(part.starts)
        # Each run of a term moves as a whole.
        target = np.repeat(begins[place] - part.starts[:-1], own) + np.arange(len(part.rows))
        rows[target], counts[target] = part.rows, part.counts
        begins[place] += own
    return Postings(codes.astype(np.int32), starts, rows, counts)
