"""Which rows an answer may hold: as numbers or as a mask, each made from the other when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import RowMask, RowNumbers


class Selection:
    """Some of the first `total` rows, given as a mask `(total,)` or as numbers, each once, in any order."""

    __slots__ = ("_contains", "_mask", "_rows", "count", "total")

    def __init__(
        self,
        total: int,
        *,
        mask: RowMask | None = None,
        rows: NDArray[Any] | None = None,
        contains: Callable[[RowNumbers], RowMask] | None = None,
    ) -> None:
        """`contains` tells of a few rows whether they are chosen, where that is cheaper than a mask."""
        self._contains = contains
        self.total = total
        self._mask = mask
        self._rows = rows
        self.count = len(rows) if rows is not None else 0 if mask is None else int(np.count_nonzero(mask))

    @property
    def mask(self) -> RowMask:
        """Which rows are chosen, `(total,) bool`; made from the row numbers when first asked."""
        if self._mask is None:
            self._mask = np.zeros(self.total, dtype=np.bool_)
            self._mask[self._rows] = True
        return self._mask

    @property
    def rows(self) -> RowNumbers:
        """Numbers of the chosen rows `(count,) int64`, ascending; made from the mask when first asked."""
        if self._rows is None:
            self._rows = np.flatnonzero(self._mask)  # type: ignore[arg-type]
        return self._rows

    def first(self, total: int) -> Selection:
        """Those among the first `total` rows."""
        if total == self.total:
            return self
        if self._mask is not None:
            return Selection(total, mask=self._mask[:total])
        return Selection(total, rows=self.rows[self.rows < total], contains=self._contains)

    def behind(self, first: int) -> RowNumbers:
        """Those from row `first` on."""
        if self._mask is not None:
            found: RowNumbers = first + np.flatnonzero(self._mask[first:])
            return found
        return self.rows[self.rows >= first]

    def within(self, rows: RowNumbers) -> RowNumbers:
        """Those of `rows` that are chosen."""
        if self._mask is None and self._contains is not None:
            return rows[self._contains(rows)]
        return rows[self.mask[rows]]
