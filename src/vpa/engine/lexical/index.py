"""The words of the rows of a table: taken from the texts when they are first asked for, and kept in blocks.

Writes pay nothing for it: rows that came since are taken in by the next search, or by upkeep before it. A block holds
the postings of a range of rows and never changes; small ones are merged, so that there are few (the memory rule of
`engine.writer.Writer` holds: what lies before a reader's count is never changed, the tuple of blocks is replaced).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from vpa.analysis.analyser import Analyser
from vpa.base.arrays import IntColumn, RowMask
from vpa.engine.growable import GrowableArray
from vpa.engine.lexical.impacts import PostingBlock
from vpa.engine.lexical.postings import Postings, merged
from vpa.engine.lexical.vocabulary import Vocabulary
from vpa.engine.slices import rest

# Texts that are taken in between two rests: a few milliseconds.
_STEP: Final = 128
# Rows whose postings are made together.
_TOGETHER: Final = 8_192
# A block is merged with the one before it unless that one is so many times larger.
_LARGER: Final = 4
TextsOf = Callable[[Sequence[int]], Sequence[str]]


class PostingBlocks(NamedTuple):
    """Postings of the first `row_count` rows, range by range."""

    row_count: int
    parts: tuple[PostingBlock, ...]


class WordDump(NamedTuple):
    """An index of words on its way to a file and back: `postings` have the places in `terms` for codes."""

    lengths: IntColumn
    terms: list[str]
    postings: Postings


class WordIndex:
    """Of one `RowStore`. Any thread may call it."""

    def __init__(
        self, vocabulary: Vocabulary, blocks: PostingBlocks | None = None, lengths: IntColumn | None = None
    ) -> None:
        """`lengths`: how many terms each row of `blocks` has."""
        self.vocabulary = vocabulary
        self.blocks = blocks or PostingBlocks(0, ())
        # Rows taken in that no snapshot has.
        self.unsaved = 0
        self._census: tuple[tuple[int, int], tuple[int, float]] | None = None
        self._lengths = GrowableArray(np.empty(0, dtype=np.int32) if lengths is None else lengths)

    @classmethod
    def of(cls, analyser: Analyser) -> WordIndex:
        """For rows none of which was taken in yet."""
        return cls(Vocabulary(analyser))

    @property
    def analyser(self) -> Analyser:
        """What takes texts apart."""
        return self.vocabulary.analyser

    def behind(self, row_count: int) -> int:
        """How many of the first rows were not taken in yet."""
        return max(0, row_count - self.blocks.row_count)

    def settle(self, row_count: int, texts_of: TextsOf, *, stop: Callable[[], bool] = lambda: False) -> PostingBlocks:
        """Take in the first `row_count` rows, and give their postings, with those of rows behind them, if any."""
        while self.blocks.row_count < row_count and not stop():
            with self.vocabulary.lock:
                first = self.blocks.row_count
                if first < row_count:
                    self._take_in(first, min(row_count, first + _TOGETHER), texts_of)
        return self.blocks

    def _take_in(self, first: int, end: int, texts_of: TextsOf) -> None:
        lengths, codes = [], []
        for start in range(first, end, _STEP):
            if start > first:
                rest()
            found = self.vocabulary.occurrences(texts_of(range(start, min(end, start + _STEP))))
            lengths.append(found.lengths)
            codes.append(found.codes)
        counted = np.concatenate(lengths)
        rows = np.repeat(np.arange(first, end, dtype=np.int32), counted)
        part = Postings.of(rows, np.concatenate(codes))
        parts = list(self.blocks.parts)
        while parts and len(parts[-1].postings.rows) < _LARGER * max(len(part.rows), 1):
            part = merged(parts.pop().postings, part)
        # Nothing before this has changed what there is: where memory ran out, the rows are taken in again.
        self._lengths.extend(counted)
        self.blocks = PostingBlocks(end, (*parts, PostingBlock(part)))
        self.unsaved += end - first

    def join(self) -> None:
        """Make one block of all."""
        with self.vocabulary.lock:
            parts = list(self.blocks.parts)
            while len(parts) > 1:
                last = parts.pop().postings
                parts.append(PostingBlock(merged(parts.pop().postings, last)))
                rest()
            self.blocks = PostingBlocks(self.blocks.row_count, tuple(parts))

    def lengths(self, row_count: int) -> IntColumn:
        """How many terms each of the first rows has."""
        return self._lengths.prefix(row_count)

    def census(self, row_count: int, live: RowMask | None) -> tuple[int, float]:
        """How many of the first rows, those where `live`, have any term, and how many terms these have on average."""
        # Every change adds rows or kills some, so these two tell views apart.
        key = (row_count, -1 if live is None else int(np.count_nonzero(live)))
        known = self._census
        if known is None or known[0] != key:
            lengths = self.lengths(row_count)
            counted = lengths if live is None else lengths[live]
            records = int(np.count_nonzero(counted))
            mean = float(counted.sum(dtype=np.int64)) / records if records else 0.0
            self._census = known = (key, (records, mean))
        return known[1]

    def compacted(self, live: RowMask) -> WordIndex:
        """Of the rows where `live`, renumbered; those that were not taken in yet are still to be."""
        taken_in, parts = self.blocks
        row_count = min(taken_in, len(live))
        inside = live[:row_count]
        new_row = np.cumsum(inside, dtype=np.int32) - 1
        left = []
        for part in parts:
            # Rows behind `live` came later; they are taken in again.
            mask = np.concatenate([inside, np.zeros(taken_in - row_count, dtype=np.bool_)])
            numbers = np.concatenate([new_row, np.zeros(len(mask) - row_count, dtype=np.int32)])
            left.append(part.postings.compacted(mask, numbers))
        kept = PostingBlocks(
            int(np.count_nonzero(inside)), tuple(PostingBlock(part) for part in left if len(part.rows))
        )
        result = WordIndex(self.vocabulary, kept, self.lengths(row_count)[inside])
        result.unsaved = self.unsaved
        return result

    def dump(self, live: RowMask) -> WordDump:
        """What a snapshot of the rows where `live` is to hold: terms that none of them has are left out."""
        kept = self.compacted(live)
        kept.join()
        whole = kept.blocks.parts[0].postings if kept.blocks.parts else Postings.nothing()
        terms = [self.vocabulary.terms[code] for code in whole.codes.tolist()]
        numbered = whole._replace(codes=np.arange(len(terms), dtype=np.int32))
        return WordDump(kept.lengths(kept.blocks.row_count), terms, numbered)

    @classmethod
    def restored(cls, analyser: Analyser, dump: WordDump) -> WordIndex:
        """Of what `dump` gave, for the same rows."""
        parts = (PostingBlock(dump.postings),) if len(dump.postings.rows) else ()
        return cls(Vocabulary(analyser, dump.terms), PostingBlocks(len(dump.lengths), parts), dump.lengths)
