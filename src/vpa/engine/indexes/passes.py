"""One pass over codes: made of the rows of a view, used as it was measured, restored from a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from vpa.engine.indexes.base import Part
from vpa.engine.indexes.promise import Plan
from vpa.engine.quant.base import Codes
from vpa.engine.quant.space import Space
from vpa.engine.rows import RowStore
from vpa.engine.view import View

_SAMPLE: Final = 2_048  # Rows that codes are fitted to and recall is first guessed from.
_CHUNK: Final = 2_048  # Rows encoded between two looks at `stop`: some milliseconds.


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """Codes of the first `coded` rows, and how they are used, once that was measured."""

    space: Space
    codes: Codes
    coded: int = 0
    plan: Plan | None = None


def facts_of(first_pass: Pass) -> dict[str, Any]:
    """What statistics say of it."""
    plan = {} if first_pass.plan is None else first_pass.plan.to_json()
    return {"coded_rows": first_pass.coded, "code_bytes": first_pass.codes.size_bytes, **plan}


def begin(kind: type[Codes], view: View) -> Pass:
    """Codes of a kind, fitted to a sample of the live rows, of no row yet."""
    live = np.arange(view.count) if view.live is None else np.flatnonzero(view.live)
    chosen = np.random.default_rng(0).choice(live, size=min(_SAMPLE, len(live)), replace=False)
    sample = view.rows.gather(np.sort(chosen))
    space = Space.of(view.rows.vectors.metric, sample, shifted=kind.wants_centred)
    codes = kind(space.dimension)
    codes.fit(space.rows(sample))
    return Pass(space, codes)


def encoded(first_pass: Pass, view: View, stop: Callable[[], bool]) -> Pass:
    """With codes of the rows that were added since, as far as it came before `stop`."""
    for first, matrix in view.rows.vectors.matrices(view.count):
        for start in range(max(0, first_pass.coded - first), len(matrix), _CHUNK):
            if stop():
                return first_pass
            part = matrix[start : start + _CHUNK]
            first_pass.codes.add(first_pass.space.rows(part))
            first_pass = replace(first_pass, coded=first + start + len(part))
    return first_pass


def restored(rows: RowStore, part: Part, kind: type[Codes]) -> Pass:
    """As it was dumped."""
    space = Space.restored(
        rows.vectors.metric, rows.vectors.dimension, centre=part.centre, scale=float(part.facts["scale"])
    )
    codes = kind.load(memoryview(part.codes), space.dimension)
    return Pass(space, codes, len(codes), Plan.from_json(part.facts))


def best(made: list[Pass]) -> tuple[Pass, ...]:
    """Those that are the fastest for all rows or for few; where searches are better exact, all, for what they say of
    why.
    """
    usable = [(one, one.plan) for one in made if one.plan is not None and not one.plan.reason]
    if not usable:
        return tuple(made)
    fastest = min(usable, key=lambda pair: pair[1].seconds)[0]
    sparse = min(usable, key=lambda pair: pair[1].sparse_seconds)[0]
    return (fastest,) if fastest is sparse else (fastest, sparse)
