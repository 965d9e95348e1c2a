"""Codes first, exact second: a pass over codes finds candidates, the vectors themselves rank them.

Rows behind those that have codes are looked at exactly, so a search is right while codes are being made, and when making
them was stopped or failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector, RowNumbers
from vpa.base.errors import ConfigurationError
from vpa.base.index_options import IndexOptions, IndexType
from vpa.base.scope import ALL_SCOPES
from vpa.engine.indexes import flat
from vpa.engine.indexes.flat import Found
from vpa.engine.indexes.promise import Plan, Survey, seconds
from vpa.engine.quant.base import Codes
from vpa.engine.quant.choice import codes_types
from vpa.engine.quant.space import LONGEST, Space
from vpa.engine.rows import RowStore
from vpa.engine.selection import Selection
from vpa.engine.view import View
from vpa.filters.ast import ALWAYS

# Below this many values (rows x dimension) a search of all costs less than the way to codes.
_FEWEST_VALUES: Final = 2_000_000
# Up to this many values, filtered rows are gathered and computed exactly.
_GATHER_VALUES: Final = 1_000_000
# A tail without codes of this share of the rows, or this many, is given codes.
_TAIL_SHARE, _TAIL_ROWS = 0.005, 512
_MEASURE_AGAIN: Final = 0.3
_SAMPLE: Final = 2_048
_CHUNK: Final = 16_384
# So many queries are ranked at once.
_TOGETHER: Final = 8
# Where at least this share of the rows is marked, a deeper pass without a mask is cheaper than one with it.
_DENSE: Final = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What a search uses: codes of the first `coded` rows of `rows`, and the plan if recall was measured."""

    rows: RowStore
    space: Space
    codes: Codes
    coded: int
    plan: Plan | None
    changes: int


class Dump(NamedTuple):
    """Codes on their way to a file and back."""

    facts: Mapping[str, Any]
    centre: FloatVector | None
    codes: bytes | memoryview


class CodedIndex:
    """Of one collection. `tend` is called by one thread at a time, `search` by any."""

    def __init__(self, options: IndexOptions) -> None:
        self._options = options
        self._state: _State | None = None
        self._saved: Codes | None = None
        self._tending = threading.Lock()
        self.error: str | None = None

    # Searching

    def search(self, view: View, queries: FloatMatrix, *, top_k: int, chosen: Selection | None) -> tuple[list[Found], bool]:  # fmt: skip
        """As `flat.search`, and whether the answer is exact."""
        state = self._state
        depth = None if state is None or state.plan is None or state.rows is not view.rows else state.plan.depth(top_k)
        if state is None or depth is None:
            return flat.search(view, queries, top_k=top_k, chosen=chosen), True
        marked = view.count if chosen is None else chosen.count
        if marked * view.rows.dimension <= _GATHER_VALUES or marked <= 2 * depth:
            rows = np.arange(view.count) if chosen is None else chosen.rows
            return flat.search_gathered(view, queries, rows, top_k=top_k), True
        count = min(state.coded, view.count)
        candidates = _candidates(
            state, queries, depth, chosen=None if chosen is None else chosen.first(count), count=count
        )
        if count < view.count:
            tail = np.arange(count, view.count) if chosen is None else chosen.behind(count)
            candidates = [np.concatenate([rows, tail]) for rows in candidates]
        found: list[Found] = []
        for start in range(0, len(queries), _TOGETHER):
            part = slice(start, start + _TOGETHER)
            found += flat.rank_candidates(view, queries[part], candidates[part], top_k=top_k)
        return found, False

    # Tending

    def wants(self, view: View) -> bool:
        """Whether `tend` has something to do."""
        if self._options.index_type is IndexType.FLAT or self._options.recall >= 1.0:
            return False
        if view.live_count * view.rows.dimension < _FEWEST_VALUES or view.rows.largest_norm > LONGEST:
            return False
        state = self._state
        if state is None or state.rows is not view.rows:
            return True
        tail = view.count - state.coded
        return tail > max(_TAIL_ROWS, _TAIL_SHARE * view.count) or _stale(state, view)

    def tend(self, get_view: Callable[[], View], *, stop: Callable[[], bool]) -> None:
        """Give codes to rows that have none, and measure recall again where the data has changed. Stops soon when asked."""
        with self._tending:
            while not stop() and self.wants(view := get_view()):
                state = self._state
                if state is None or state.rows is not view.rows:
                    # The codes that take least time to make first; then those that may be faster, if they are.
                    for kind in codes_types(self._options.first_pass):
                        self._tend_state(_begin(kind, view), view, stop)
                else:
                    self._tend_state(state, view, stop)

    def _tend_state(self, state: _State, view: View, stop: Callable[[], bool]) -> None:
        state = self._encode(state, view, stop)
        if not stop() and _stale(state, view):
            plan = Survey(view, state.codes, state.space).plan(self._options.recall, stop=stop)
            if plan is None:
                return
            state = replace(state, plan=plan, changes=_changes(view))
            state = replace(state, plan=self._timed(state, view))
        old = self._state
        if old is None or old.codes is state.codes or old.rows is not state.rows or _faster(state, old):
            self._state = state

    def _encode(self, state: _State, view: View, stop: Callable[[], bool]) -> _State:
        for first, matrix in view.rows.matrices(view.count):
            for start in range(max(0, state.coded - first), len(matrix), _CHUNK):
                if stop():
                    return state
                part = matrix[start : start + _CHUNK]
                state.codes.add(state.space.rows(part))
                state = replace(state, coded=first + start + len(part))
                if self._state is not None and self._state.codes is state.codes:
                    self._state = state
        return state

    def _timed(self, state: _State, view: View) -> Plan:
        """The plan with the time that a search takes, and with a reason where an exact one takes less."""
        plan = state.plan
        if plan is None or plan.reason:
            return plan or Plan(0, 1.0, ())
        trial = CodedIndex(self._options)
        trial._state = state
        queries = view.rows.gather(np.linspace(0, view.count - 1, 16).astype(np.int64))
        chosen = view.selection(ALWAYS, ALL_SCOPES)
        coded = seconds(lambda n: trial.search(view, queries[n : n + 1], top_k=10, chosen=chosen), runs=16)
        exact = seconds(lambda n: flat.search(view, queries[n : n + 1], top_k=10, chosen=chosen), runs=5)
        slow = "" if coded < exact else f"a search takes {coded * 1000:.2f} ms by codes, {exact * 1000:.2f} ms exactly"
        return replace(plan, seconds=coded, reason=slow)

    @property
    def seconds(self) -> float | None:
        """About how long a search takes, as measured; None where it is exact."""
        state = self._state
        return None if state is None or state.plan is None or state.plan.reason else state.plan.seconds

    # Keeping

    @property
    def unsaved(self) -> bool:
        """Whether there are codes that no `dump` holds yet."""
        state = self._state
        return state is not None and state.plan is not None and state.codes is not self._saved

    def dump(self, view: View) -> Dump | None:
        """The codes of `view`, or None where they are being made, or rows of it are dead and so would get other numbers."""
        if view.live is not None or not self._tending.acquire(blocking=False):
            return None
        try:
            state = self._state
            if state is None or state.plan is None or state.rows is not view.rows or len(state.codes) > view.count:
                return None
            self._saved = state.codes
            facts = {
                "name": state.codes.name,
                "scale": state.space.scale,
                "changes": state.changes,
                **state.plan.to_json(),
            }
            return Dump(facts, state.space.centre, state.codes.dump())
        finally:
            self._tending.release()

    def restore(self, rows: RowStore, dump: Dump) -> None:
        """Take up what `dump` gave for the same rows. Codes that cannot be read are made anew."""
        try:
            kinds = {kind.name: kind for kind in codes_types(self._options.first_pass)}
            kind = kinds[dump.facts["name"]]
            space = Space.kept(rows.metric, rows.dimension, centre=dump.centre, scale=float(dump.facts["scale"]))
            plan = Plan.from_json(dump.facts)
            codes = kind.load(memoryview(dump.codes), space.dimension)
        except (KeyError, TypeError, ValueError, ConfigurationError):
            return
        if plan.promised == self._options.recall and len(codes) <= rows.count:
            self._state = _State(rows, space, codes, len(codes), plan, int(dump.facts["changes"]))
            self._saved = codes

    def stats(self) -> dict[str, Any]:
        """What is in use, and why."""
        state = self._state
        facts: dict[str, Any] = {
            "type": str(self._options.index_type),
            "at_work": self._tending.locked(),
            "error": self.error,
        }
        if state is None or state.plan is None:
            return {**facts, "search": "exact", "promised_recall": self._options.recall}
        coded = not state.plan.reason
        return {
            **facts, "search": "codes first, exact second" if coded else "exact", "first_pass": state.codes.name,
            "coded_rows": state.coded, "code_bytes": state.codes.size_bytes, **state.plan.to_json(),
        }  # fmt: skip


def _begin(kind: type[Codes], view: View) -> _State:
    live = np.arange(view.count) if view.live is None else np.flatnonzero(view.live)
    chosen = np.random.default_rng(0).choice(live, size=min(_SAMPLE, len(live)), replace=False)
    sample = view.rows.gather(np.sort(chosen))
    space = Space.of(view.rows.metric, sample, shifted=kind.wants_centred)
    codes = kind(space.dimension)
    codes.fit(space.rows(sample))
    return _State(view.rows, space, codes, 0, None, 0)


def _faster(new: _State, old: _State) -> bool:
    if new.plan is None or new.plan.reason:
        return False
    return old.plan is None or bool(old.plan.reason) or new.plan.seconds < old.plan.seconds


def _changes(view: View) -> int:
    """Grows with every row added or marked dead."""
    return view.count + view.count - view.live_count


def _stale(state: _State, view: View) -> bool:
    if state.plan is None:
        return True
    return _changes(view) - state.changes > _MEASURE_AGAIN * max(1, state.plan.rows)


def _candidates(
    state: _State, queries: FloatMatrix, depth: int, *, chosen: Selection | None, count: int
) -> list[RowNumbers]:
    asked = state.space.queries(queries)
    if chosen is None:
        return state.codes.candidates(asked, depth, count=count, chosen=None)
    if chosen.count >= _DENSE * count:
        deeper = int(depth * count / chosen.count * 1.1) + 8
        found = [rows[chosen.mask[rows]] for rows in state.codes.candidates(asked, deeper, count=count, chosen=None)]
        if min(len(rows) for rows in found) >= min(depth, chosen.count) * 0.9:
            return found
    return state.codes.candidates(asked, depth, count=count, chosen=chosen)
