"""The forward pass of MiniLM (a BERT encoder: Devlin et al. 2018, post-layer-norm) in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix

HEADS: Final = 12  # As the model's config.json says.
_EPSILON: Final = 1e-12
_FEED_FORWARD_ROWS: Final = 512  # Rows at once: their inner matrix takes 3 MB, however long the batch is.
_GELU_FACTOR: Final = np.float32(np.sqrt(2 / np.pi))  # Of the tanh form of GELU (Hendrycks and Gimpel, 2016).


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Weights of one encoder layer, transposed so that rows are inputs; query, key and value fused."""

    attention: FloatMatrix
    attention_bias: NDArray[np.float32]
    output: FloatMatrix
    output_bias: NDArray[np.float32]
    norm: tuple[NDArray[np.float32], NDArray[np.float32]]
    up: FloatMatrix
    up_bias: NDArray[np.float32]
    down: FloatMatrix
    down_bias: NDArray[np.float32]
    last_norm: tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Embedding tables and layers."""

    words: FloatMatrix
    positions: FloatMatrix
    norm: tuple[NDArray[np.float32], NDArray[np.float32]]
    layers: tuple[Layer, ...]

    def states(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """`(texts, tokens, width)`: what the last layer makes of each token. `ids` and `mask` are `(texts, tokens)`."""
        texts, tokens = ids.shape
        hidden = self.words[ids.ravel()].reshape(texts, tokens, -1) + self.positions[:tokens]
        hidden = hidden.reshape(texts * tokens, -1)
        _layer_norm(hidden, self.norm)
        bias = None if mask.all() else np.where(mask, 0.0, -1e9).astype(np.float32)[:, None, None, :]
        for layer in self.layers:
            hidden = _apply(layer, hidden, texts=texts, bias=bias)
        return hidden.reshape(texts, tokens, -1)


def pooled(states: NDArray[np.float32], mask: NDArray[np.bool_]) -> FloatMatrix:
    """The mean over the tokens of each text, unit length."""
    weights = mask.astype(np.float32)
    means = np.einsum("btd,bt->bd", states, weights) / weights.sum(axis=1, keepdims=True)
    unit: FloatMatrix = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def _apply(layer: Layer, hidden: FloatMatrix, *, texts: int, bias: NDArray[np.float32] | None) -> FloatMatrix:
    attended = _attention(layer, hidden, texts=texts, bias=bias) @ layer.output
    attended += layer.output_bias
    attended += hidden
    _layer_norm(attended, layer.norm)
    result = np.empty_like(attended)
    for start in range(0, len(attended), _FEED_FORWARD_ROWS):
        block = attended[start : start + _FEED_FORWARD_ROWS]
        inner = np.matmul(block, layer.up, dtype=np.float32)
        inner += layer.up_bias
        _gelu(inner)
        np.matmul(inner, layer.down, out=result[start : start + _FEED_FORWARD_ROWS])
    result += layer.down_bias
    result += attended
    _layer_norm(result, layer.last_norm)
    return result


def _attention(layer: Layer, hidden: FloatMatrix, *, texts: int, bias: NDArray[np.float32] | None) -> FloatMatrix:
    rows, width = hidden.shape
    fused = hidden @ layer.attention
    fused += layer.attention_bias
    query, key, value = fused.reshape(texts, rows // texts, 3, HEADS, width // HEADS).transpose(2, 0, 3, 1, 4)
    scores = query @ key.swapaxes(-1, -2)
    if bias is not None:
        scores += bias
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    attended: FloatMatrix = (scores @ value).transpose(0, 2, 1, 3).reshape(rows, width)
    return attended


def _layer_norm(rows: FloatMatrix, weights: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    rows -= rows.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", rows, rows) / np.float32(rows.shape[1])
    rows *= (1 / np.sqrt(variance + np.float32(_EPSILON)))[:, None]
    rows *= weights[0]
    rows += weights[1]


def _gelu(x: FloatMatrix) -> None:
    """GELU in place, by tanh (Hendrycks and Gimpel 2016, section 2): within 5e-4 of the erf form, and faster."""
    inner = x * x
    inner *= np.float32(0.044715)
    inner += np.float32(1.0)
    inner *= x
    inner *= _GELU_FACTOR
    np.tanh(inner, out=inner)
    inner += np.float32(1.0)
    x *= inner
    x *= np.float32(0.5)
