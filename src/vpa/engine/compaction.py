"""Leaves dead rows out, beside readers and writers: a copy of the live rows that catches up with what is written
meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vpa.base.arrays import RowMask, RowNumbers
from vpa.base.scope import Scope
from vpa.engine.rows import RowStore
from vpa.engine.view import View

_FROM: Final = 4096  # Fewer dead rows cost less than copying the live ones does.
_SHARE: Final = 1 / 3  # At a third, at most two live rows are copied for each dead one that goes.
# So many rows take less than a millisecond; then others get their turn.
_STEP: Final = 2_000
_REST_S: Final = 0.0005


class StoppedError(Exception):
    """Somebody asked for the end of it."""


def is_worth_it(view: View) -> bool:
    """Whether half of the rows are dead."""
    dead = view.count - view.live_count
    return dead >= _FROM and dead >= view.count * _SHARE


def in_steps(rows: RowNumbers, stop: Callable[[], bool]) -> Iterator[RowNumbers]:
    """Rows in parts, with a rest between them in which other threads run. Raises StoppedError."""
    for start in range(0, len(rows), _STEP):
        if stop():
            raise StoppedError
        yield rows[start : start + _STEP]
        time.sleep(_REST_S)


def drain(known: dict[Scope, dict[str, int]]) -> None:
    """Let large dictionaries go bit by bit: all at once would keep every other thread waiting."""
    for numbers in known.values():
        while numbers:
            for _ in range(min(_STEP, len(numbers))):
                numbers.popitem()
            time.sleep(_REST_S)


@dataclass(slots=True)
class Compaction:
    """`rows` and `rows_by_id` are what a collection goes on with, once nothing is left to catch up with."""

    rows: RowStore
    rows_by_id: dict[Scope, dict[str, int]]
    # Of each row of the old store: its number in the new one, -1 for none.
    _numbers: RowNumbers
    _dead: list[int] = field(default_factory=list)

    @classmethod
    def begin(cls, view: View, *, stop: Callable[[], bool]) -> Compaction:
        """Copy the live rows of `view`. Raises StoppedError."""
        old = view.rows
        result = cls(old.successor(), {}, np.full(view.count, -1, dtype=np.int64))
        live = np.arange(view.count) if view.live is None else np.flatnonzero(view.live)
        result.rows.vectors.reserve(len(live))
        result.rows.columns = old.columns.compacted(
            np.ones(view.count, dtype=np.bool_) if view.live is None else view.live
        )
        if old.words is not None:
            result.rows.words = old.words.compacted(
                np.ones(view.count, dtype=np.bool_) if view.live is None else view.live
            )
        for part in in_steps(live, stop):
            first = result.rows.append_plain(old.select(part), old.scope_column(view.count)[part])
            result._note(old, part, first)
        return result

    def _note(self, old: RowStore, numbers: RowNumbers, first: int) -> None:
        self._numbers[numbers] = np.arange(first, first + len(numbers))
        codes = old.scope_column(int(numbers[-1]) + 1)[numbers]
        for code in np.unique(codes).tolist():
            places = np.flatnonzero(codes == code).tolist()
            known = self.rows_by_id.setdefault(old.scopes[code], {})
            known.update((old.ids[numbers[place]], first + place) for place in places)

    def behind(self, view: View) -> int:
        """How many rows have come since."""
        return view.count - len(self._numbers)

    def catch_up(self, view: View) -> None:
        """Take over what has come and gone up to `view`, which is a later one of the same rows."""
        old, seen = view.rows, len(self._numbers)
        live = np.ones(view.count, dtype=np.bool_) if view.live is None else view.live
        for row in np.flatnonzero((self._numbers >= 0) & ~live[:seen]).tolist():
            scope = old.scopes[int(old.scope_column(view.count)[row])]
            self.rows_by_id[scope].pop(old.ids[row], None)
            self._dead.append(int(self._numbers[row]))
            self._numbers[row] = -1
        self._numbers = np.concatenate([self._numbers, np.full(view.count - seen, -1, dtype=np.int64)])
        tail = seen + np.flatnonzero(live[seen:])
        if len(tail):
            for scope in old.scopes[len(self.rows.scopes) :]:
                self.rows.scope_code(scope)
            first = self.rows.append_plain(old.select(tail), old.scope_column(view.count)[tail])
            numbers = tail.tolist()
            self.rows.columns.append(first, old.metadata_of(numbers), old.system_of(numbers))
            self._note(old, tail, first)

    @property
    def live(self) -> RowMask | None:
        """`(count,) bool`; None where no row has died since."""
        if not self._dead:
            return None
        live = np.ones(self.rows.count, dtype=np.bool_)
        live[self._dead] = False
        return live

    def view(self) -> View:
        """The rows as they are now."""
        return View(self.rows, self.rows.count, self.live, self.rows.count - len(self._dead))
