"""What keeps a table small and fast beside its readers and writers: compaction, codes, originals moved to the disk."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from vpa.analysis.analyser import analyser_of
from vpa.engine.compaction import Compaction, StoppedError, drain, is_worth_it
from vpa.engine.indexes.base import Index
from vpa.engine.lexical.wording import word_index, wording
from vpa.engine.view import View
from vpa.engine.writer import Writer
from vpa.kit.memory import give_back

# With no more rows than these to catch up with, the last step of a compaction, for which writers wait, may begin.
_FEW_ROWS: Final = 1_000
# So many texts are taken in by the next search without being missed.
_FEW_TEXTS: Final = 256
# More dead rows than this share of the live ones are left out before recall is measured, which takes seconds.
_UNTIDY: Final = 0.1
# The bound on dead rows: so many for each live one, and these. Background compaction begins at half of the rows; the
# distance is
# what two writers that replace rows without pause add while it runs (scripts/benchmarks/garbage.py).
DEAD_PER_LIVE, DEAD_FREE = 2, 10_000


def dead_rows(view: View) -> int:
    """How many rows of a view are dead."""
    return view.count - view.live_count


def room_for_dead(view: View) -> int:
    """How many more rows may die before a write waits for a compaction; negative above the bound."""
    return DEAD_PER_LIVE * view.live_count + DEAD_FREE - dead_rows(view)


class Upkeep:
    """Of one table. Any thread may call it: one compaction runs at a time, and beside it the index is tended.

    `stop` is asked between steps of a few milliseconds. A closed table counts as stopped.
    """

    def __init__(self, writer: Writer, index: Index) -> None:
        self._writer = writer
        self._index = index
        self._compacting = threading.Lock()
        self._compactions = 0

    @property
    def wants_space(self) -> bool:
        """Whether `make_space` has something to do."""
        return is_worth_it(self._writer.state.view) or self._wants_filing

    @property
    def _wants_filing(self) -> bool:
        journal = self._writer.journal
        return journal is not None and journal.holds_much

    @property
    def wants_codes(self) -> bool:
        """Whether `make_codes` has something to do."""
        view = self._writer.state.view
        return self._index.wants(view) or self._words_behind(view) > _FEW_TEXTS

    def make_space(self, *, stop: Callable[[], bool]) -> None:
        """Leave out dead rows where they are many, and write the snapshot that takes originals out of memory."""
        if is_worth_it(self._writer.state.view):
            self.compact(stop=stop)
        if self._wants_filing and not stop():
            self.compact(stop=stop)
            self._checkpoint(stop)
        give_back()

    def make_codes(self, *, stop: Callable[[], bool]) -> None:
        """Codes and words for rows that have none, and recall measured again where the data has changed."""

        def tidy() -> None:
            view = self._writer.state.view
            if dead_rows(view) > _UNTIDY * view.live_count:
                self.compact(stop=stop)

        self._index.tend(tidy=tidy, stop=lambda: stop() or self._writer.state.closed)
        self._make_words(lambda: stop() or self._writer.state.closed)
        give_back()

    def _words_behind(self, view: View) -> int:
        keywords = self._writer.state.info.keywords
        if keywords is None:
            return 0
        words = view.rows.words
        return view.count if words is None else words.behind(view.count)

    def _make_words(self, stop: Callable[[], bool], *, join: bool = False) -> None:
        """Take in the words of texts that came since, so that no search waits for it."""
        keywords, view = self._writer.state.info.keywords, self._writer.state.view
        if keywords is None or stop():
            return
        words = word_index(view.rows, analyser_of(keywords.language))
        words.settle(view.count, partial(wording, view.rows), stop=stop)
        if join:
            words.join()

    def run(self, *, stop: Callable[[], bool]) -> None:
        """Both, in one thread."""
        self.make_space(stop=stop)
        self.make_codes(stop=stop)

    def finish(self, *, stop: Callable[[], bool]) -> None:
        """Everything there is to do: no dead rows, codes of all rows, and a snapshot of both."""
        self.compact(stop=stop)
        try:
            self.make_codes(stop=stop)
            self._make_words(stop, join=True)
        finally:
            # The disk is to have the rows, whatever became of their codes.
            self._checkpoint(stop)
            give_back()

    def _checkpoint(self, stop: Callable[[], bool]) -> None:
        if self._writer.journal is not None and not stop():
            self._writer.journal.checkpoint()

    def keep_bound(self) -> None:
        """After a write: return when dead rows are within their bound, compacting in this thread where nobody else
        does.
        """
        while not (state := self._writer.state).closed and room_for_dead(state.view) < 0:
            self.compact(stop=lambda: False)

    def compact(self, *, stop: Callable[[], bool]) -> None:
        """Leave out dead rows, however few; waits for a compaction that runs, and does nothing where none are left."""
        with self._compacting, contextlib.suppress(StoppedError):
            if self._writer.state.view.live is not None:
                self._compact(lambda: stop() or self._writer.state.closed)
                give_back()

    def _compact(self, stop: Callable[[], bool]) -> None:
        """Only the last step keeps writers waiting, and no step a reader."""
        writer = self._writer
        source = writer.state.view
        compaction = Compaction.begin(source, stop=stop)
        while compaction.behind(view := writer.state.view) > _FEW_ROWS:
            # A writer that mended a failed write has replaced the rows itself.
            if stop() or view.rows is not source.rows:
                return
            compaction.catch_up(view)
        codes = self._index.successor(compaction.view(), stop=stop)
        old = writer.state.rows_by_id
        with writer.paused():
            if stop() or writer.state.view.rows is not source.rows:
                return
            compaction.catch_up(writer.state.view)
            writer.adopt(compaction, codes)
        self._compactions += 1
        drain(old)

    def stats(self) -> dict[str, Any]:
        """Dead rows, and the bound that they keep."""
        view = self._writer.state.view
        bound = DEAD_PER_LIVE * view.live_count + DEAD_FREE
        return {
            "dead_rows": dead_rows(view),
            "dead_rows_bound": bound,
            "compactions": self._compactions,
            "compacting": self._compacting.locked(),
        }
