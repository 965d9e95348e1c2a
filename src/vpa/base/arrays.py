"""Array types by name, and the checks that turn a caller's vectors into float32 matrices."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatMatrix: TypeAlias = NDArray[np.float32]
FloatVector: TypeAlias = NDArray[np.float32]
Scores: TypeAlias = NDArray[np.float64]
RowNumbers: TypeAlias = NDArray[np.int64]
RowMask: TypeAlias = NDArray[np.bool_]
IntColumn: TypeAlias = NDArray[np.int32]

# Rows that are looked at together: at 384 dimensions their float64 copy is 25 MB, however many rows there are.
_BLOCK_ROWS = 8192
# Rounding a unit vector to float32 changes its length by 2**-24 at most.
UNIT_TOLERANCE = 2e-7


class VectorFormatError(ValueError):
    """Why an array is no matrix of vectors; callers turn it into an error of their own."""


def as_float32(values: ArrayLike, *, dimensions: int) -> NDArray[np.float32]:
    """Return `values` as a C-ordered float32 array with 1 or 2 `dimensions`; may share memory with the caller's.

    Raises VectorFormatError for other shapes and for anything that is not a real number.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise VectorFormatError(f"is not a rectangular array of numbers ({error})") from error
    # numpy.ma is loaded late: what nobody loaded, nobody made an array with.
    if "numpy.ma" in sys.modules and isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise VectorFormatError("has masked values; a vector has a number in each place")
    if array.ndim == dimensions and 0 in array.shape:
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiu":
        raise VectorFormatError(f"must hold real numbers, not {_kind_name(array)}")
    if array.ndim != dimensions:
        raise VectorFormatError(f"must have {dimensions} dimension(s), it has shape {array.shape}")
    if array.dtype == np.float32:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _kind_name(array: NDArray[Any]) -> str:
    if array.dtype.kind == "O" and array.size:
        return type(array.flat[0]).__name__
    return str(array.dtype)


def first_row_not_finite(matrix: FloatMatrix) -> int | None:
    """Index of the first row with NaN or an infinity (also after the cast to float32), or None."""
    for start in range(0, len(matrix), _BLOCK_ROWS):
        finite = np.isfinite(matrix[start : start + _BLOCK_ROWS])
        if not finite.all():
            return start + int(np.argmin(finite.all(axis=1)))
    return None


def first_zero_row(matrix: FloatMatrix) -> int | None:
    """Index of the first row that is all zeros, or None."""
    for start in range(0, len(matrix), _BLOCK_ROWS):
        present = matrix[start : start + _BLOCK_ROWS].any(axis=1)
        if not present.all():
            return start + int(np.argmin(present))
    return None


def unit_rows(matrix: FloatMatrix) -> FloatMatrix:
    """Return a new matrix whose rows have length 1: computed in float64, rounded to float32 once.

    Float64 holds the square of every float32, so `[1e20, 0, 0]` becomes neither zero nor infinite.
    Rows must not be all zero. A row whose length is 1 within float32's rounding stays as it is, to the bit: so a
    vector that goes from store to store does not drift.
    """
    result = np.empty(matrix.shape, dtype=np.float32)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS].astype(np.float64)
        result[start : start + _BLOCK_ROWS] = _divided(block, _lengths(block))
    return result


def checked_unit_rows(matrix: FloatMatrix) -> FloatMatrix | None:
    """As `unit_rows`, for at most some hundreds of rows; None where a row is all zeros or has a value that is not
    finite. The length of a row tells both, so that no pass looks for them.
    """
    block = matrix.astype(np.float64)
    lengths = _lengths(block)
    if not (lengths.all() and np.isfinite(lengths).all()):
        return None
    return _divided(block, lengths).astype(np.float32)


def _lengths(block: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return lengths


def _divided(block: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows of `block` by their lengths, in place."""
    lengths[np.abs(lengths - 1.0) <= UNIT_TOLERANCE] = 1.0
    return np.divide(block, lengths[:, None], out=block)
