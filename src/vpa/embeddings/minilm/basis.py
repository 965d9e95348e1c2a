"""MiniLM's token vectors in a sixth of their width, and sums over stretches of a text in a third: the directions along
which those of texts vary most.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix
from vpa.base.tokens import STRETCH

WIDTH: Final = 64
STRETCH_WIDTH: Final = 128
# Principal components of unit token vectors, and of the sums at unit length: scripts/make_token_basis.py.
_FILE: Final = Path(__file__).with_name("token_basis.npy")


@functools.cache
def _bases() -> tuple[FloatMatrix, FloatMatrix]:
    """`(384, 64)` and `(384, 128) float32` with orthonormal columns."""
    both: FloatMatrix = np.load(_FILE, allow_pickle=False).astype(np.float32)
    return np.ascontiguousarray(both[:, :WIDTH]), np.ascontiguousarray(both[:, WIDTH:])


def stretches(states: NDArray[np.float32]) -> FloatMatrix:
    """`(⌈t / 16⌉, 384)`: the sums of the states of 16 neighbouring tokens; of those that are left, at the end."""
    if not len(states):
        return states
    sums: FloatMatrix = np.add.reduceat(states, np.arange(0, len(states), STRETCH), axis=0)
    return sums


def projected(states: NDArray[np.float32]) -> tuple[FloatMatrix, FloatMatrix]:
    """`(t, 64)`: the states at unit length, in the basis of tokens; `(⌈t / 16⌉, 128)`: their sums in that of sums."""
    of_tokens, of_sums = _bases()
    norms = np.linalg.norm(states, axis=1, keepdims=True)
    rows: FloatMatrix = (states @ of_tokens) / np.maximum(norms, np.float32(1e-12))
    return rows, stretches(states) @ of_sums
