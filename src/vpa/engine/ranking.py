"""The values of a column in order: rows by value, so that a value, or a range of them, is one slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import IntColumn
from vpa.base.moments import compared, folded
from vpa.base.sorting import sort_steps
from vpa.base.steps import finish_resting
from vpa.filters.ast import Field

# So many entries may stand behind a ranking before it is made anew.
_TAIL: Final = 1024


class Form(NamedTuple):
    """What comparisons see of a column's values, and what those that ignore case see."""

    compared: Callable[[Any], Any]
    folded: Callable[[str], str]


def as_it_is(value: Any) -> Any:
    """The form of values that stand for themselves."""
    return value


# Values as they are; only texts of the metadata name moments, not ids in system fields.
PLAIN: Final = Form(as_it_is, str.casefold)
MOMENTS: Final = Form(compared, folded)


def form_of(field: Field, kind: str) -> Form:
    """How comparisons see the values of a field and kind."""
    return MOMENTS if kind == "string" and not field.system else PLAIN


class Entries(NamedTuple):
    """`(row, code)` pairs of a column, in row order."""

    rows: IntColumn
    codes: IntColumn


class Ranking(NamedTuple):
    """The first `length` entries by value: `rows[starts[n]:starts[n + 1]]` are those of `values[n]`, ascending.

    `values` are in the form that comparisons see; two texts that name one moment stand side by side.
    """

    length: int
    values: list[Any]
    rows: IntColumn
    starts: NDArray[np.int64]
    # Whether no row stands twice, so that the rows of a span of values are different rows.
    single: bool
    # The place of each code's value, and the codes by row; None unless every row has one value.
    places: IntColumn
    codes: IntColumn | None

    def span(self, first: int, last: int) -> IntColumn:
        """Rows of the values from `first` up to `last`."""
        rows: IntColumn = self.rows[self.starts[first] : self.starts[last]]
        return rows


def is_behind(ranking: Ranking, length: int) -> bool:
    """Whether so many entries stand behind it that it is made anew."""
    return length > ranking.length + max(_TAIL, ranking.length // 4)


def rank(entries: Entries, distinct: Sequence[Any], seen: Callable[[Any], Any]) -> Ranking:
    """The ranking of the entries, whose codes are places in `distinct`, by what comparisons see of the values."""
    used, places = np.unique(entries.codes, return_inverse=True)
    values = [seen(distinct[code]) for code in used.tolist()]
    # In steps: one call of `sorted` over many strings keeps every other thread waiting.
    ascending = finish_resting(sort_steps(range(len(values)), key=values.__getitem__))
    order = np.empty(len(values), dtype=np.int32)
    order[ascending] = np.arange(len(values), dtype=np.int32)
    ranks = order[places]
    rows = entries.rows[np.argsort(ranks, kind="stable")]
    starts = np.concatenate(([0], np.cumsum(np.bincount(ranks, minlength=len(values)))))
    single = not len(rows) or bool((np.diff(entries.rows) > 0).all())
    whole = single and len(rows) > 0 and int(entries.rows[-1]) == len(rows) - 1
    by_code = np.zeros(int(used[-1]) + 1 if len(used) else 0, dtype=np.int32)
    by_code[used] = order
    return Ranking(
        len(rows),
        [values[place] for place in ascending],
        rows,
        starts,
        single,
        by_code,
        entries.codes if whole else None,
    )
