"""Token vectors as bytes: int8 with a scale for each row, and a checksum. Nothing is executed to read them."""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix

# Mark and version, width and count of tokens, of stretches, and the CRC-32 of what follows.
_HEADER: Final = struct.Struct("<4sHHHHI")
_MARK: Final = b"vtk1"
_MOST: Final = 127


class Coded(NamedTuple):
    """int8 rows with the scale of each: a row is about `scales[i] · codes[i]`, within half of its scale."""

    codes: NDArray[np.int8]
    scales: NDArray[np.float16]

    def rows(self) -> FloatMatrix:
        """As `float32`."""
        return self.codes.astype(np.float32) * self.scales.astype(np.float32)[:, None]


class TokenCodes(NamedTuple):
    """The tokens of a text `(t, w)` and the sums over its stretches `(s, v)`."""

    tokens: Coded
    stretches: Coded


def encode(tokens: FloatMatrix, stretches: FloatMatrix) -> bytes:
    """What `decode` reads back: `w + 2` bytes a token, `v + 2` a stretch, and 16."""
    body = b"".join(part.tobytes() for rows in (tokens, stretches) for part in coded(rows)[::-1])
    shape = (tokens.shape[1], len(tokens), stretches.shape[1], len(stretches))
    return _HEADER.pack(_MARK, *shape, zlib.crc32(body)) + body


def decode(value: bytes) -> TokenCodes | None:
    """None for bytes that `encode` did not write, or that are damaged, or of a text without tokens."""
    if len(value) < _HEADER.size:
        return None
    mark, width, tokens, stretch_width, stretches, checksum = _HEADER.unpack_from(value)
    sizes = (2 * tokens, width * tokens, 2 * stretches, stretch_width * stretches)
    body = memoryview(value)[_HEADER.size :]
    if mark != _MARK or len(body) != sum(sizes) or zlib.crc32(body) != checksum or not tokens or not stretches:
        return None
    ends = np.cumsum(sizes).tolist()
    scales, codes, sums_scales, sums_codes = (body[end - size : end] for size, end in zip(sizes, ends, strict=True))
    return TokenCodes(
        _read(codes, scales, shape=(tokens, width)), _read(sums_codes, sums_scales, shape=(stretches, stretch_width))
    )


def coded(rows: FloatMatrix) -> Coded:
    """Each row by the scale that its greatest number needs, rounded up to a float16."""
    needed = np.abs(rows).max(axis=1, initial=0).astype(np.float32) / np.float32(_MOST)
    scales = needed.astype(np.float16)
    scales = np.where(scales.astype(np.float32) < needed, np.nextafter(scales, np.float16(np.inf)), scales)
    divisors = np.where(scales > 0, scales, 1).astype(np.float32)
    return Coded(np.rint(rows / divisors[:, None]).astype(np.int8), scales)


def _read(codes: memoryview, scales: memoryview, *, shape: tuple[int, int]) -> Coded:
    return Coded(np.frombuffer(codes, dtype=np.int8).reshape(shape), np.frombuffer(scales, dtype="<f2"))
