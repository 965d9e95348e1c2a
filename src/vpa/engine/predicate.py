"""A filter becomes a row mask, or the numbers of its rows: column operations only, no record is visited in Python."""

from __future__ import annotations

from typing import Final

import numpy as np

from vpa.base.arrays import RowMask
from vpa.base.metadata import kind_of
from vpa.engine.columns import Columns, Rows
from vpa.filters.ast import (
    And,
    Constant,
    Eq,
    EqIgnoringCase,
    Exists,
    Filter,
    In,
    Literal,
    Not,
    Or,
    Range,
    StartsWith,
    leaves,
)

_FEW_LITERALS: Final = 16  # More are left to a thread: each takes a bisection, and a slice that may be long.


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


def is_ready(node: Filter, columns: Columns) -> bool:
    """Whether the filter has few leaves and literals, and no column must be ranked for it."""
    literals = 0
    for leaf in leaves(node):
        literals += len(leaf.values) if isinstance(leaf, In) else 1
        if literals > _FEW_LITERALS:
            return False
        if isinstance(leaf, Exists | EqIgnoringCase):
            return False
        if isinstance(leaf, Eq | In | Range | StartsWith) and not columns.are_ready(leaf.field):
            return False
    return True


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
    for found in _leaf_rows(node, columns, row_count):
        for piece in found.pieces:
            mask[piece] = True
    return mask


def leaf_rows(node: Filter, columns: Columns, row_count: int) -> Rows | None:
    """The rows where a leaf holds, each once, in any order, found without looking at every row; None where that cannot
    be.
    """
    if not isinstance(node, Eq | In | Range | StartsWith | EqIgnoringCase):
        return None
    found = _leaf_rows(node, columns, row_count)
    if not found:
        return Rows([np.empty(0, dtype=np.int32)], distinct=True)
    if len(found) > 1 or not found[0].distinct:
        return None
    pieces = found[0].pieces or [np.empty(0, dtype=np.int32)]
    return found[0]._replace(pieces=[pieces[0] if len(pieces) == 1 else np.concatenate(pieces)])


def _leaf_rows(node: Filter, columns: Columns, row_count: int) -> list[Rows]:
    match node:
        case Eq(field, value):
            column = columns.get(field, kind_of(value))
            return [] if column is None else [column.equal([value], row_count)]
        case In(field, values):
            groups = [(columns.get(field, kind), members) for kind, members in _by_kind(values).items()]
            return [column.equal(members, row_count) for column, members in groups if column is not None]
        case Range(field, comparison, value):
            column = columns.get(field, kind_of(value))
            return [] if column is None else [column.between(comparison, value, row_count)]
        case StartsWith(field, prefix):
            column = columns.get(field, "string")
            return [] if column is None else [column.starting(prefix, row_count)]
        case EqIgnoringCase(field, text):
            column = columns.get(field, "string")
            return [] if column is None else [column.equal_ignoring_case(text, row_count)]
        case Exists(field):
            return [column.present(row_count) for column in columns.at_or_below(field)]
        case _:
            raise TypeError(f"not a leaf: {node!r}")


def _by_kind(values: tuple[Literal, ...]) -> dict[str, list[Literal]]:
    groups: dict[str, dict[Literal, None]] = {}
    for value in values:
        groups.setdefault(kind_of(value), {})[value] = None
    return {kind: list(members) for kind, members in groups.items()}
