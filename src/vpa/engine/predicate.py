"""A filter becomes a row mask: column operations only, no record is visited in Python."""

from __future__ import annotations

import numpy as np

from vpa.base.arrays import RowMask
from vpa.base.metadata import kind_of
from vpa.engine.columns import Columns
from vpa.filters.ast import And, Constant, Eq, Exists, Filter, In, Literal, Not, Or, Range


def row_mask(node: Filter, columns: Columns, row_count: int) -> RowMask:
    """`(row_count,) bool`: where the filter holds. Dead rows are not taken out here."""
    match node:
        case Constant(value):
            return np.full(row_count, value, dtype=np.bool_)
        case Not(part):
            return ~row_mask(part, columns, row_count)
        case And(parts):
            return _joined(parts, columns, row_count, conjunction=True)
        case Or(parts):
            return _joined(parts, columns, row_count, conjunction=False)
        case _:
            return _leaf_mask(node, columns, row_count)


def _joined(parts: tuple[Filter, ...], columns: Columns, row_count: int, *, conjunction: bool) -> RowMask:
    mask = row_mask(parts[0], columns, row_count)
    for part in parts[1:]:
        other = row_mask(part, columns, row_count)
        if conjunction:
            mask &= other
        else:
            mask |= other
    return mask


def _leaf_mask(node: Filter, columns: Columns, row_count: int) -> RowMask:
    mask = np.zeros(row_count, dtype=np.bool_)
    match node:
        case Eq(field, value):
            column = columns.get(field, kind_of(value))
            if column is not None:
                column.mark_equal([value], mask)
        case In(field, values):
            for kind, members in _by_kind(values).items():
                column = columns.get(field, kind)
                if column is not None:
                    column.mark_equal(members, mask)
        case Range(field, comparison, value):
            column = columns.get(field, kind_of(value))
            if column is not None:
                column.mark_range(comparison, value, mask)
        case Exists(field):
            for column in columns.at_or_below(field):
                column.mark_present(mask)
        case _:
            raise TypeError(f"not a leaf: {node!r}")
    return mask


def _by_kind(values: tuple[Literal, ...]) -> dict[str, list[Literal]]:
    groups: dict[str, list[Literal]] = {}
    for value in values:
        groups.setdefault(kind_of(value), []).append(value)
    return groups
