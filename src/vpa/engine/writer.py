"""The published state of a table, the one object that builds it, and the rule about memory that all parts of the engine
follow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

import numpy as np

from vpa.base.arrays import RowMask
from vpa.base.errors import ClosedError, ProviderError
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.engine.change import Change
from vpa.engine.compaction import Compaction, drain
from vpa.engine.rows import NewRows, RowStore
from vpa.engine.slices import sliced, slices
from vpa.engine.vectors import FileBlock
from vpa.engine.view import View

# A look-up that was overtaken this often by writers takes their lock.
_TRIES: Final = 8
RowsById = dict[Scope, dict[str, int]]


class Journal(Protocol):
    """Where changes are made durable before they are acknowledged."""

    def append(self, change: Change) -> int:
        """Write, not yet synced; returns a ticket for `commit`. Raises before anything is applied."""
        ...

    def commit(self, ticket: int) -> None:
        """Return when everything up to the ticket is on the disk."""
        ...

    def checkpoint(self) -> None:
        """Write a snapshot; raises ClosedError once the table is closed."""
        ...

    @property
    def holds_much(self) -> bool:
        """Whether vectors that belong on the disk are in memory until the next checkpoint."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that a reader of a table needs, at one moment. Only a `Writer` builds one.

    `codes` is what the index made, of the rows of `view` or of earlier ones. `rows_by_id` is read through
    `Writer.find`.
    """

    info: CollectionInfo
    view: View
    rows_by_id: RowsById
    codes: object | None = None
    revision: int = 0
    closed: bool = False

    def known(self, scope: Scope) -> Mapping[str, int]:
        """Row by id, for the thread that has writers paused."""
        return self.rows_by_id.get(scope, {})


class _Before(NamedTuple):
    """Rows that ids of the newest change had before it."""

    scope: Scope
    rows: Mapping[str, int]


class Located(NamedTuple):
    """Rows by number, and the view in which they have these numbers."""

    view: View
    rows: list[int]


class Writer:
    """Builds the states of one table: one thread at a time writes, any number read.

    The memory rule, which rows, vectors, columns, heaps and codes refer to:

    1. A reader takes `state` once and looks at nothing behind the `count` of its view. What lies behind belongs to the
       writer, which
       appends there in place: in the room at the end of a block, an array, a list. What lies before is never changed.
    2. What has to change is replaced as a whole: the mask of live rows, the list of blocks, an array that grows, codes,
       the state
       itself. A reader of the old one keeps it until it is done.
    3. The one exception is `rows_by_id`, changed in place shortly before the state is replaced. `_before` says what it
       held for the
       ids of that change; `find` reads both and tries again when a writer came between.
    4. Memory is freed by reference counts alone: rows go with the last view of them, so a long scan keeps the rows that
       a compaction
       left out. `kit.memory.give_back` returns freed memory to the system, and only background work calls it.
    """

    def __init__(self, info: CollectionInfo, rows: RowStore) -> None:
        # The newest state.
        self.state = State(info, View(rows, rows.count, None, rows.count), _ids_of(rows))
        self._before = _Before(Scope(), {})
        self._live: RowMask | None = None
        self._lock = threading.RLock()
        # Where changes go first; None in memory.
        self.journal: Journal | None = None
        self._broken: str | None = None
        self._unapplied: Change | None = None

    def attach(self, journal: Journal) -> None:
        """From here on every change goes through `journal` first."""
        self.journal = journal

    @contextmanager
    def paused(self) -> Iterator[State]:
        """Hold writers back for a moment; gives the state that they left, with everything that is in the log. Raises
        ClosedError once the table is closed, ProviderError where a change of the log cannot be applied yet.
        """
        with self._lock:
            self._check_open()
            if self._broken is not None:
                self._mend()
            yield self.state

    def begin_at_once(self) -> bool:
        """Whether a write can be done now without waiting for another; if so, others wait for it until
        `end_at_once`.
        """
        return self._lock.acquire(blocking=False)

    def end_at_once(self) -> None:
        """Let other writers go on, after `begin_at_once`."""
        self._lock.release()

    def find(self, ids: Sequence[str], scope: Scope) -> Located:
        """The rows of those ids that exist, in the order asked. Waits for no writer, unless many came between. Raises
        ClosedError.
        """
        for _ in range(_TRIES):
            self._check_open()
            state, before = self.state, self._before
            located = _located(state, before, ids, scope)
            if self.state is state and self._before is before:
                return located
        with self._lock:
            return _located(self.state, self._before, ids, scope)

    # Changing

    def write(self, plan: Callable[[State], Change]) -> Change:
        """Plan a change with other writers paused, log it, apply it, and return when it is durable."""
        ticket = None
        with self._lock:
            self._check_writable()
            change = plan(self.state)
            if not change.is_empty:
                ticket = None if self.journal is None else self.journal.append(change)
                self._apply_logged(change, ticket)
        if self.journal is not None and ticket is not None:
            self.journal.commit(ticket)
        return change

    def _apply_logged(self, change: Change, ticket: int | None) -> None:
        try:
            self.apply(change)
        except BaseException as error:
            self._broken = f"a write failed half-way in memory ({type(error).__name__}: {error})"
            # In memory it has not happened. In a log it has: it is applied with the next write, or at the next opening.
            self._unapplied = None if ticket is None else change
            if isinstance(error, MemoryError):
                raise ProviderError(f"{self._broken}; what was stored before is untouched; {self._outcome}") from error
            raise

    @property
    def _outcome(self) -> str:
        if self._unapplied is None:
            return "this write was not applied; free some memory and try again"
        return (
            "this write is in the log and is applied with the next one, or when the store is opened again; "
            "free some memory"
        )

    def _mend(self) -> None:
        """Copy the rows that were published, without what a failed write left behind them; then carry that write
        out.
        """
        try:
            self.adopt(Compaction.begin(self.state.view, stop=lambda: False), None)
            if self._unapplied is not None:
                self.apply(self._unapplied)
        except MemoryError as error:
            raise ProviderError(
                f"collection {self.state.info.name!r} takes no writes: {self._broken}, and there is no memory to mend "
                "it; "
                "free some and try again, or open the store again"
            ) from error
        self._broken = self._unapplied = None

    def apply(self, change: Change) -> None:
        """Carry out a change that is in the log: append the new rows, then publish a state with them in one step."""
        with self._lock:
            state = self.state
            rows = state.view.rows
            known = state.rows_by_id.setdefault(change.scope, {})
            first = rows.append(_new_rows(state.view, change, known), change.scope) if change.ids else rows.count
            before = _rows_of(known, change)
            self._before = _Before(change.scope, before)
            for part in slices(len(change.removed)):
                for value in change.removed[part]:
                    known.pop(value, None)
            for part in slices(len(change.ids)):
                known.update(zip(change.ids[part], range(first + part.start, rows.count), strict=False))
            self._publish(rows, list(before.values()))

    def _publish(self, rows: RowStore, dead: list[int]) -> None:
        state, count, live = self.state, rows.count, self._live
        if dead or (live is not None and len(live) < count):
            room = max(count, len(live) * 3 // 2 if live is not None and len(live) < count else count)
            grown = np.ones(room, np.bool_)
            if live is not None:
                grown[: len(live)] = live[: len(grown)]
            grown[dead] = False
            live = self._live = grown
        lost = state.view.count - state.view.live_count + len(dead)
        view = View(rows, count, None if live is None else live[:count], count - lost)
        self.state = State(state.info, view, state.rows_by_id, state.codes, state.revision + 1)

    def adopt(self, compaction: Compaction, codes: object | None) -> None:
        """Go on with the rows of a compaction that has caught up; called with writers paused."""
        self._live = compaction.live
        self._before = _Before(Scope(), {})
        self.state = replace(self.state, view=compaction.view(), rows_by_id=compaction.rows_by_id, codes=codes)

    def publish_codes(self, codes: object | None, rows: RowStore) -> bool:
        """Let searches use codes of `rows`; False, and nothing done, where a compaction has replaced those rows."""
        with self._lock:
            if self.state.view.rows is not rows:
                return False
            self.state = replace(self.state, codes=codes)
            return True

    def move_vectors(self, view: View, block: FileBlock) -> None:
        """The vectors of `view` are on a file: let go of their memory, if they still have these numbers."""
        with self._lock:
            if self.state.view.rows is view.rows:
                view.rows.vectors.move_to(block)

    def describe(self, info: CollectionInfo) -> None:
        """Publish a new description."""
        with self._lock:
            self.state = replace(self.state, info=info)

    def close(self) -> None:
        """Refuse every later write, snapshot and search, and let go of the rows. May be called twice."""
        with self._lock:
            state = self.state
            self._before = _Before(Scope(), {})
            self.state = State(
                state.info, View(RowStore.of(state.info), 0, None, 0), {}, revision=state.revision, closed=True
            )
        # All at once would keep every other thread waiting.
        drain(state.rows_by_id)

    def _check_open(self) -> None:
        if self.state.closed:
            raise ClosedError(f"collection {self.state.info.name!r} was dropped, or its store was closed")

    def _check_writable(self) -> None:
        self._check_open()
        if self._broken is not None:
            self._mend()


def _ids_of(rows: RowStore) -> RowsById:
    codes = rows.scope_column(rows.count)
    result: RowsById = {}
    for code, scope in enumerate(rows.scopes):
        numbers = range(rows.count) if len(rows.scopes) == 1 else np.flatnonzero(codes == code).tolist()
        result[scope] = {rows.ids[row]: row for row in numbers}
    return result


def _located(state: State, before: _Before, ids: Sequence[str], scope: Scope) -> Located:
    known, view = state.rows_by_id.get(scope, {}), state.view
    earlier = before.rows if before.scope == scope else {}

    def rows_of(part: Sequence[str]) -> list[int]:
        found = []
        for value in part:
            row = known.get(value)
            if row is None or row >= view.count:
                # Not there, or touched by a change that is not published yet.
                row = earlier.get(value)
                if row is None or not view.is_live(row):
                    continue
            found.append(row)
        return found

    return Located(view, sliced(ids, rows_of))


def _rows_of(known: Mapping[str, int], change: Change) -> dict[str, int]:
    """The rows that a change makes obsolete, by id."""
    before: dict[str, int] = {}
    for ids in (change.removed, change.ids) if known else ():
        for part in slices(len(ids)):
            before.update((value, row) for value in ids[part] if (row := known.get(value)) is not None)
    return before


def _new_rows(view: View, change: Change, known: Mapping[str, int]) -> NewRows:
    parsed = {"parsed_metadata": change.parsed_metadata, "parsed_system": change.parsed_system}
    if change.vectors is not None:
        return NewRows(change.ids, change.vectors, change.texts, change.metadata, change.system, **parsed)
    old = view.rows
    numbers = np.fromiter((known[value] for value in change.ids), dtype=np.int64, count=len(change.ids))
    vectors = old.vectors.select(numbers)
    return NewRows(change.ids, vectors, old.texts.packed(numbers), change.metadata, change.system, **parsed)
