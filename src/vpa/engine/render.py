"""Typed columns of metadata as one JSON object a row, by whole columns: what a mapping a row would be encoded as."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.tables import Column, MetadataColumns, TextColumn
from vpa.engine.growable import Packed
from vpa.engine.jsontext import dumps

Bytes = NDArray[np.uint8]
_TOGETHER: Final = 2_048  # Rows rendered together: some milliseconds, in a worker.
_QUOTE, _BACKSLASH, _SPACE, _CLOSING = 34, 92, 32, 125


class _Piece(NamedTuple):
    """A value of each row as bytes: `data` holds them one after the other, `lengths` `(n,)` says how long each is."""

    data: Bytes
    lengths: NDArray[np.int64]


def json_rows(metadata: MetadataColumns) -> Packed:
    """What `encode_mappings` gives for the same mappings, but for the digits of a float, of which both are the
    shortest.
    """
    count = len(metadata)
    if not metadata.columns or not count:
        return Packed.repeat(b"", count)
    # NumPy keeps the interpreter while it formats numbers: some thousands at a time.
    parts = [_json_rows(metadata.part(start, min(count, start + _TOGETHER))) for start in range(0, count, _TOGETHER)]
    return Packed(np.concatenate([part.lengths for part in parts]), b"".join([part.blob for part in parts]))


def _json_rows(metadata: MetadataColumns) -> Packed:
    count = len(metadata)
    valid = [column.valid for column in metadata.columns.values()]
    filled = np.logical_or.reduce([np.ones(count, np.bool_) if one is None else one for one in valid])
    # A row without a value is no object but nothing, as an empty mapping is.
    pieces = [_where(filled, _constant(b"{", count))]
    for key, column in metadata.columns.items():
        there = column.valid
        pieces += [_where(there, piece) for piece in (_constant(dumps(key) + b":", count), _values(column))]
        pieces.append(_where(there, _constant(b",", count)))
    lengths = np.sum([piece.lengths for piece in pieces], axis=0)
    ends = np.cumsum(lengths)
    result = np.empty(int(ends[-1]), dtype=np.uint8)
    position = ends - lengths
    for piece in pieces:
        _scatter(result, position, piece)
        position = position + piece.lengths
    # In place of the comma behind the last value.
    result[ends[filled] - 1] = _CLOSING
    return Packed(lengths, result.data)


def _scatter(target: Bytes, position: NDArray[np.int64], piece: _Piece) -> None:
    starts = np.cumsum(piece.lengths) - piece.lengths
    target[np.repeat(position - starts, piece.lengths) + np.arange(len(piece.data))] = piece.data


def _constant(text: bytes, count: int) -> _Piece:
    return _Piece(np.tile(np.frombuffer(text, dtype=np.uint8), count), np.full(count, len(text), dtype=np.int64))


def _values(column: Column) -> _Piece:
    if isinstance(column, TextColumn):
        return _escaped(column) if _needs_escapes(column.data) else _quoted(column)
    if column.values.dtype == np.bool_:
        return _of_strings(np.where(column.values, b"true", b"false"))
    return _of_strings(column.values.astype("S"))


def _of_strings(strings: NDArray[Any]) -> _Piece:
    matrix = strings.view(np.uint8).reshape(len(strings), -1)
    there = matrix != 0
    return _Piece(matrix[there], there.sum(axis=1, dtype=np.int64))


def _needs_escapes(data: Bytes) -> bool:
    return bool(((data < _SPACE) | (data == _QUOTE) | (data == _BACKSLASH)).any())


def _escaped(column: TextColumn) -> _Piece:
    packed = Packed.of(dumps(text) for text in column)
    return _Piece(np.frombuffer(packed.blob, dtype=np.uint8), packed.lengths)


def _quoted(column: TextColumn) -> _Piece:
    bare = np.diff(column.offsets)
    lengths = bare + 2
    ends = np.cumsum(lengths)
    data = np.full(int(ends[-1]), _QUOTE, dtype=np.uint8)
    _scatter(data, ends - lengths + 1, _Piece(column.data[column.offsets[0] : column.offsets[-1]], bare))
    return _Piece(data, lengths)


def _where(there: NDArray[np.bool_] | None, piece: _Piece) -> _Piece:
    """Nothing in the rows that lack the value; None where none does."""
    if there is None:
        return piece
    return _Piece(piece.data[np.repeat(there, piece.lengths)], np.where(there, piece.lengths, 0))
