"""Codes first, exact second: a pass over codes finds candidates, the vectors themselves rank them.

Several kinds of codes may stand side by side, each for the searches that it answers fastest. Rows behind those that
have codes are looked at exactly, so a search is right while codes are being made, and when making them was stopped or
failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.base.index_options import IndexOptions, Quantization
from vpa.base.scope import ALL_SCOPES
from vpa.engine.indexes import flat
from vpa.engine.indexes.base import Dump, Index, Part
from vpa.engine.indexes.flat import BestRows
from vpa.engine.indexes.passes import Pass, begin, best, encoded, facts_of, restored
from vpa.engine.indexes.promise import Plan, Survey, seconds
from vpa.engine.quant.base import Codes
from vpa.engine.quant.choice import codes_types
from vpa.engine.quant.space import LONGEST
from vpa.engine.rows import RowStore
from vpa.engine.selection import Selection
from vpa.engine.view import View
from vpa.engine.writer import Writer
from vpa.filters.ast import ALWAYS

# turbovec's limit, the lowest of the kinds of codes.
_WIDEST: Final = 16_384
# Below this many values (rows x dimension) a search of all costs less than the way to codes.
_FEWEST_VALUES: Final = 2_000_000
# Up to this many values, filtered rows are gathered and computed exactly.
_GATHER_VALUES: Final = 1_000_000
# A tail without codes of this share of the rows, or this many, is given codes.
_TAIL_SHARE, _TAIL_ROWS = 0.005, 512
_MEASURE_AGAIN: Final = 0.3
# When there are so many times the rows of the first measurement, all kinds of codes are tried again.
_TRY_AGAIN: Final = 4
# So many queries are ranked at once.
_TOGETHER: Final = 8
# Where at least this share of the rows is chosen, a deeper pass over all of them is cheaper than one over those chosen.
_DENSE: Final = 0.3
# The depth holds a margin of a third and more, so this share of it will do where chance gives no more.
_ENOUGH: Final = 0.75
_SPARSE_TRIAL: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What a search of `rows` uses. `changes` counts what had come and gone at the last measurement, `first` the rows
    at the first.
    """

    rows: RowStore
    passes: tuple[Pass, ...]
    changes: int
    first: int

    def pick(self, top_k: int, *, sparse: bool) -> tuple[Pass, int] | None:
        """The fastest pass for such a search, and how many candidates it is to give; None where exact is better."""
        able = [(one, one.plan, one.plan.depth(top_k)) for one in self.passes if one.plan is not None]
        usable = [(plan.sparse_seconds if sparse else plan.seconds, one, depth) for one, plan, depth in able if depth]
        if not usable:
            return None
        _, chosen, depth = min(usable, key=lambda option: option[0])
        return chosen, depth


class CodedIndex(Index):
    """Of one table. `tend` is called by one thread at a time, `search` by any."""

    def __init__(self, options: IndexOptions, writer: Writer) -> None:
        super().__init__(options, writer)
        self._saved: tuple[Codes, ...] = ()
        self._dumped: tuple[Codes, ...] | None = None
        self._tending = threading.Lock()

    @property
    def _state(self) -> _State | None:
        codes = self._writer.state.codes
        return codes if isinstance(codes, _State) else None

    # Searching

    def search(
        self, view: View, queries: FloatMatrix, *, top_k: int, chosen: Selection | None, codes: object | None
    ) -> tuple[list[BestRows], bool]:
        """As `flat.search`, and whether the answer is exact."""
        return _search(codes if isinstance(codes, _State) else None, view, queries, top_k=top_k, chosen=chosen)

    # Tending

    def exact_because(self, view: View) -> str | None:
        """Why no codes are made."""
        if self.options.recall >= 1.0:
            return "a recall of 1 is asked for"
        values = view.live_count * view.rows.vectors.dimension
        if values < _FEWEST_VALUES:
            return (
                f"a search of all {values:,} values (rows x dimension) takes no time; codes begin at {_FEWEST_VALUES:,}"
            )
        if view.rows.vectors.dimension > _WIDEST:
            return f"vectors have {view.rows.vectors.dimension:,} dimensions; codes go up to {_WIDEST:,}"
        if view.rows.largest_norm > LONGEST:
            return f"the longest vector has the length {view.rows.largest_norm:.3g}; codes go up to {LONGEST:.3g}"
        return None

    def wants(self, view: View) -> bool:
        """Whether `tend` has something to do."""
        if self.exact_because(view):
            return False
        state = self._state
        if state is None or state.rows is not view.rows:
            return True
        tail = view.count - min((one.coded for one in state.passes), default=0)
        return tail > max(_TAIL_ROWS, _TAIL_SHARE * view.count) or _stale(state, view)

    def tend(self, *, tidy: Callable[[], object], stop: Callable[[], bool]) -> None:
        """Give codes to rows that have none, and measure recall again where the data has changed. Stops soon when
        asked.

        A compaction may replace the rows meanwhile: what was measured is then kept, and only codes are made again.
        """
        with self._tending:
            while not stop() and self.wants(self._writer.state.view):
                if self._is_old(self._writer.state.view):
                    tidy()
                view, state = self._writer.state.view, self._state
                if state is None or state.rows is not view.rows or view.live_count > _TRY_AGAIN * state.first:
                    self._make(view, stop)
                    continue
                state = replace(state, passes=tuple(encoded(one, view, stop) for one in state.passes))
                self._writer.publish_codes(state, view.rows)
                if not stop() and _stale(state, view):
                    self._measure_again(state, view, stop)

    def _is_old(self, view: View) -> bool:
        """Whether what was measured, if anything, is to be measured again."""
        state = self._state
        return state is None or state.rows is not view.rows or _stale(state, view)

    def _publish(self, state: _State, stop: Callable[[], bool]) -> None:
        while not self._writer.publish_codes(state, state.rows):
            again = self._recoded(state, self._writer.state.view, stop)
            if again is None:
                return
            state = again

    def _make(self, view: View, stop: Callable[[], bool]) -> None:
        """Codes of every kind there is, each used as soon as it is ready; those that are the fastest at nothing go."""
        survey = Survey(view)
        made: list[Pass] = []
        old = self._state if self._state is not None and self._state.rows is view.rows else None
        for kind in codes_types(self.options):
            one = encoded(begin(kind, view), view, stop)
            one.codes.compact()
            plan = None if stop() else self._planned(survey, one, stop)
            if plan is None:
                return
            made.append(replace(one, plan=plan))
            if old is None:
                state = _State(view.rows, tuple(made), _changes(view), view.live_count)
                self._writer.publish_codes(state, view.rows)
        self._publish(_State(view.rows, best(made), _changes(view), view.live_count), stop)

    def _measure_again(self, state: _State, view: View, stop: Callable[[], bool]) -> None:
        survey = Survey(view)
        measured = []
        for one in state.passes:
            plan = self._planned(survey, one, stop)
            if plan is None:
                return
            measured.append(replace(one, plan=plan))
        self._publish(replace(state, passes=tuple(measured), changes=_changes(view)), stop)

    def _planned(self, survey: Survey, first_pass: Pass, stop: Callable[[], bool]) -> Plan | None:
        """The plan with the times that searches take, and with a reason where exact ones take less."""
        plan = survey.plan(first_pass.codes, first_pass.space, self.options.recall, stop=stop)
        if plan is None or plan.reason:
            return plan
        view = survey.view
        trial = _State(view.rows, (replace(first_pass, plan=plan),), 0, 0)
        queries = view.rows.gather(np.linspace(0, view.count - 1, 16).astype(np.int64))
        chosen = view.selection(ALWAYS, ALL_SCOPES)
        tenth = np.arange(0, view.count, _SPARSE_TRIAL)
        coded = seconds(lambda n: _search(trial, view, queries[n : n + 1], top_k=10, chosen=chosen), runs=16)
        # A selection anew each time, as a filter makes it: what a pass needs of it counts.
        sparse = seconds(
            lambda n: _search(trial, view, queries[n : n + 1], top_k=10, chosen=Selection(view.count, rows=tenth)),
            runs=16,
        )
        exact = seconds(lambda n: flat.search(view, queries[n : n + 1], top_k=10, chosen=chosen), runs=5)
        # Where the originals are on the disk, an exact search would read them all.
        slow = (
            ""
            if coded < exact or self.options.quantization is not Quantization.NONE
            else f"a search takes {coded * 1000:.2f} ms by codes, {exact * 1000:.2f} ms exactly"
        )
        return replace(plan, seconds=coded, sparse_seconds=sparse, reason=slow)

    def successor(self, view: View, *, stop: Callable[[], bool]) -> _State | None:
        """New codes with the plans of the old ones: the vectors are the same, and what has changed since they were
        measured counts on.
        """
        state, now = self._state, self._writer.state.view
        if state is None or state.rows is not now.rows:
            return None
        again = self._recoded(state, view, stop)
        return None if again is None else replace(again, changes=_changes(view) - (_changes(now) - state.changes))

    def _recoded(self, state: _State, view: View, stop: Callable[[], bool]) -> _State | None:
        """Codes of other rows, by the same plans; None where they are not worth it, or `stop` said so."""
        if not view.live_count:
            return None
        passes = [replace(encoded(begin(type(one.codes), view), view, stop), plan=one.plan) for one in state.passes]
        return None if stop() else _State(view.rows, tuple(passes), _changes(view), state.first)

    @property
    def seconds(self) -> float | None:
        """About how long a search takes, as measured; None where it is exact."""
        state = self._state
        picked = None if state is None else state.pick(10, sparse=False)
        return None if picked is None or picked[0].plan is None else picked[0].plan.seconds

    # Keeping

    @property
    def unsaved(self) -> bool:
        """Whether there are codes that no `dump` holds yet."""
        state = self._state
        return state is not None and tuple(one.codes for one in state.passes) != self._saved

    def dump(self, view: View) -> Dump | None:
        """The codes of `view`, or None where they are being made, or rows of it are dead and so would get other
        numbers.
        """
        self._dumped = None
        if view.live is not None or not self._tending.acquire(blocking=False):
            return None
        try:
            state = self._state
            if state is None or state.rows is not view.rows or any(len(one.codes) > view.count for one in state.passes):
                return None
            self._dumped = tuple(one.codes for one in state.passes)
            parts = [
                Part(
                    {"name": one.codes.name, "scale": one.space.scale, **one.plan.to_json()},
                    one.space.centre,
                    one.codes.dump(),
                )
                for one in state.passes
                if one.plan is not None
            ]
            return Dump({"changes": state.changes, "first": state.first}, parts)
        finally:
            self._tending.release()

    def saved(self) -> None:
        """Only now: a snapshot that failed holds nothing."""
        if self._dumped is not None:
            self._saved, self._dumped = self._dumped, None

    def restore(self, rows: RowStore, dump: Dump) -> None:
        """Take up what `dump` gave for the same rows. Codes that cannot be read are made anew."""
        kinds = {kind.name: kind for kind in codes_types(self.options)}
        try:
            passes = tuple(restored(rows, part, kinds[part.facts["name"]]) for part in dump.parts)
            state = _State(rows, passes, int(dump.facts["changes"]), int(dump.facts["first"]))
        except (KeyError, TypeError, ValueError):
            return
        promised = {one.plan.promised for one in passes if one.plan is not None}
        if promised == {self.options.recall} and all(one.coded <= rows.count for one in passes):
            self._writer.publish_codes(state, rows)
            self._saved = tuple(one.codes for one in passes)

    def stats(self) -> dict[str, Any]:
        """What is in use, and why."""
        state = self._state
        facts = {**super().stats(), "at_work": self._tending.locked(), "promised_recall": self.options.recall}
        picked = None if state is None else state.pick(10, sparse=False)
        passes = () if state is None else state.passes
        kinds = {one.codes.name: facts_of(one) for one in passes}
        one = passes[0] if picked is None and passes else None if picked is None else picked[0]
        if one is None or one.plan is None:
            return {**facts, "search": "exact", "exact_because": None, "passes": kinds}
        reasons = "; ".join(other.plan.reason for other in passes if other.plan is not None and other.plan.reason)
        return {
            **facts,
            **one.plan.to_json(),
            "first_pass": one.codes.name,
            "coded_rows": one.coded,
            "code_bytes": sum(other.codes.size_bytes for other in passes),
            "passes": kinds,
            "search": "exact" if picked is None else "codes first, exact second",
            "exact_because": (reasons or None) if picked is None else None,
        }


def _search(
    state: _State | None, view: View, queries: FloatMatrix, *, top_k: int, chosen: Selection | None
) -> tuple[list[BestRows], bool]:
    marked = view.count if chosen is None else chosen.count
    sparse = marked < _DENSE * view.count
    picked = None if state is None or state.rows is not view.rows else state.pick(top_k, sparse=sparse)
    if picked is None:
        return flat.search(view, queries, top_k=top_k, chosen=chosen), True
    one, depth = picked
    if marked * view.rows.vectors.dimension <= _GATHER_VALUES or marked <= 2 * depth:
        rows = np.arange(view.count) if chosen is None else chosen.rows
        return flat.search_gathered(view, queries, rows, top_k=top_k), True
    count = min(one.coded, view.count)
    candidates = _candidates(one, queries, depth, chosen=None if chosen is None else chosen.first(count), count=count)
    if count < view.count:
        tail = np.arange(count, view.count) if chosen is None else chosen.behind(count)
        candidates = [np.concatenate([rows, tail]) for rows in candidates]
    found: list[BestRows] = []
    for start in range(0, len(queries), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        found += flat.rank_candidates(view, queries[part], candidates[part], top_k=top_k)
    return found, False


def _changes(view: View) -> int:
    """Grows with every row added or marked dead."""
    return view.count + view.count - view.live_count


def _stale(state: _State, view: View) -> bool:
    rows = max((one.plan.rows for one in state.passes if one.plan is not None), default=0)
    return not state.passes or _changes(view) - state.changes > _MEASURE_AGAIN * max(1, rows)


def _candidates(
    first_pass: Pass, queries: FloatMatrix, depth: int, *, chosen: Selection | None, count: int
) -> list[RowNumbers]:
    asked = first_pass.space.queries(queries)
    if chosen is None:
        return first_pass.codes.candidates(asked, depth, count=count, chosen=None)
    if not chosen.count:
        # All that may be found are rows without codes.
        return [np.empty(0, dtype=np.int64)] * len(queries)
    if chosen.count >= _DENSE * count or not first_pass.codes.takes_selections:
        deeper = int(depth * count / chosen.count) + 1
        found = [
            chosen.within(rows)
            for rows in first_pass.codes.candidates(asked, min(deeper, count), count=count, chosen=None)
        ]
        if (
            not first_pass.codes.takes_selections
            or min(len(rows) for rows in found) >= min(depth, chosen.count) * _ENOUGH
        ):
            return found
    return first_pass.codes.candidates(asked, depth, count=count, chosen=chosen)
