"""Vectors in 8, 4 or 1 bit a dimension and one scale a row: what is left of them where the originals are not kept in
memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix, FloatVector, RowNumbers
from vpa.base.index_options import Quantization

# Steps in root mean squares. With the first, 15 levels lose least of normal values (Max 1960, table 1); others suit
# rows of few large ones.
_STEPS_4: Final = (0.335, 0.5, 0.75)
_LARGEST: Final = {Quantization.INT8: 127, Quantization.INT4: 7}
_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class CodedRows:
    """`codes` `(n, width)` and `scales` `(n,)`, as a Scalar made them."""

    codes: NDArray[Any]
    scales: FloatVector

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | RowNumbers) -> CodedRows:
        return CodedRows(self.codes[rows], self.scales[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """How vectors of one collection are coded: `x ≈ centre + scale * code`; brought to length 1 again where `unit`.

    int8: the greatest value of a row is 127 steps. int4: 15 steps of that share of the root mean
    square which loses least. binary: the sign, with the mean size.
    """

    kind: Quantization
    centre: FloatVector
    unit: bool

    @property
    def width(self) -> int:
        """Bytes of a row's codes."""
        per_byte = {Quantization.INT8: 1, Quantization.INT4: 2, Quantization.BINARY: 8}[self.kind]
        return -(-len(self.centre) // per_byte)

    def encode(self, matrix: FloatMatrix) -> CodedRows:
        """`(n, d) float32` as codes."""
        codes, scales = [], []
        for start in range(0, len(matrix), _BLOCK):
            part = self._encode(matrix[start : start + _BLOCK] - self.centre)
            codes.append(part.codes)
            scales.append(part.scales)
        if not codes:
            return CodedRows(np.empty((0, self.width), dtype=np.uint8), np.empty(0, dtype=np.float32))
        return CodedRows(np.concatenate(codes), np.concatenate(scales))

    def _encode(self, apart: FloatMatrix) -> CodedRows:
        if self.kind is Quantization.BINARY:
            return CodedRows(
                np.packbits(apart > 0, axis=1), np.abs(apart).mean(axis=1, dtype=np.float64).astype(np.float32)
            )
        if self.kind is Quantization.INT8:
            scales = np.abs(apart).max(axis=1) / np.float32(_LARGEST[self.kind])
            steps = self._steps(apart, scales)
        else:
            sizes = np.sqrt(np.square(apart, dtype=np.float64).mean(axis=1)).astype(np.float32)
            tried = [(sizes * np.float32(step), self._steps(apart, sizes * np.float32(step))) for step in _STEPS_4]
            lost = np.stack(
                [np.square(apart - steps * scale[:, None], dtype=np.float64).sum(axis=1) for scale, steps in tried]
            )
            best = lost.argmin(axis=0)
            scales = np.choose(best, [scale for scale, _ in tried])
            steps = np.choose(best[:, None], [steps for _, steps in tried])
        codes: NDArray[Any] = (steps + np.float32(_LARGEST[self.kind] + 1)).astype(np.uint8)
        if self.kind is Quantization.INT4:
            if codes.shape[1] % 2:
                codes = np.concatenate(
                    [codes, np.full((len(codes), 1), _LARGEST[self.kind] + 1, dtype=np.uint8)], axis=1
                )
            codes = codes[:, 0::2] << 4 | codes[:, 1::2]
        return CodedRows(codes, scales.astype(np.float32))

    def _steps(self, apart: FloatMatrix, scales: FloatVector) -> FloatMatrix:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            steps = np.nan_to_num(np.rint(apart / scales[:, None]))
        clipped: FloatMatrix = np.clip(steps, -_LARGEST[self.kind], _LARGEST[self.kind])
        return clipped

    def decode(self, rows: CodedRows) -> FloatMatrix:
        """`(n, d) float32`, each row on its own: equal codes give equal vectors."""
        dimension = len(self.centre)
        if self.kind is Quantization.BINARY:
            values = np.unpackbits(rows.codes, axis=1, count=dimension).astype(np.float32) * 2 - 1
        elif self.kind is Quantization.INT8:
            values = rows.codes.astype(np.float32) - np.float32(128)
        else:
            pairs = np.empty((len(rows), rows.codes.shape[1] * 2), dtype=np.uint8)
            pairs[:, 0::2] = rows.codes >> 4
            pairs[:, 1::2] = rows.codes & 15
            values = pairs[:, :dimension].astype(np.float32) - np.float32(8)
        values *= rows.scales[:, None]
        values += self.centre
        return _unit(values) if self.unit else values


def _unit(values: FloatMatrix) -> FloatMatrix:
    norms = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64)).astype(np.float32)
    # A row that was coded as nothing has no direction left: any will do, the first axis is one.
    lost = norms == 0
    if lost.any():
        values[lost, 0] = norms[lost] = 1
    values /= norms[:, None]
    return values
