"""all-MiniLM-L6-v2, run by NumPy itself on `tokenizers` and `safetensors`: no PyTorch, first vector in a blink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import EmbedderError
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.bert import Encoder, Layer
from vpa.embeddings.weights import REVISION, find_weights, verify

DIMENSION: Final = 384
MAX_TOKENS: Final = 256
_BATCH_TOKENS: Final = 1024
_LAYERS: Final = 6


class MiniLMEmbedder:
    """The model that sentence-transformers calls all-MiniLM-L6-v2; texts beyond 256 tokens are cut, as there."""

    identity = EmbeddingIdentity(name="all-MiniLM-L6-v2", revision=REVISION, dimension=DIMENSION)
    is_lexical = False

    def __init__(self, *, path: str | None = None) -> None:
        """Load and verify the weights: from `path`, the installed package, or the hub. Raises EmbedderError."""
        try:
            from safetensors import safe_open
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EmbedderError(f'MiniLM needs {error.name}; run: pip install "vpa[minilm]"') from error
        folder = find_weights(path)
        verify(folder)
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        with safe_open(str(folder / "model.safetensors"), "numpy") as tensors:
            self._encoder = _load(tensors)

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, 384) float32` unit rows. Sorted by length and batched by padded tokens inside."""
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        result = np.empty((len(encoded), DIMENSION), dtype=np.float32)
        for group in _groups([len(ids) for ids in encoded]):
            ids, mask = _padded([encoded[i] for i in group])
            result[group] = self._encoder.encode(ids, mask)
        return result


def _groups(lengths: list[int]) -> list[list[int]]:
    """Positions in groups of similar length, each of at most 1,024 padded tokens (or one text)."""
    groups: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or lengths[position] * (len(groups[-1]) + 1) > _BATCH_TOKENS:
            groups.append([])
        groups[-1].append(position)
    return groups


def _padded(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    width = max(len(row) for row in rows)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.bool_)
    for position, row in enumerate(rows):
        ids[position, : len(row)] = row
        mask[position, : len(row)] = True
    return ids, mask


def _load(tensors: Any) -> Encoder:
    get = tensors.get_tensor
    token_type = get("embeddings.token_type_embeddings.weight")[0]
    return Encoder(
        words=get("embeddings.word_embeddings.weight"),
        positions=get("embeddings.position_embeddings.weight") + token_type,
        norm=(get("embeddings.LayerNorm.weight"), get("embeddings.LayerNorm.bias")),
        layers=tuple(_load_layer(get, f"encoder.layer.{number}") for number in range(_LAYERS)),
    )


def _load_layer(get: Any, name: str) -> Layer:
    scale = np.float32(1 / np.sqrt(DIMENSION / 12))
    parts = [get(f"{name}.attention.self.{part}.weight") for part in ("query", "key", "value")]
    biases = [get(f"{name}.attention.self.{part}.bias") for part in ("query", "key", "value")]
    # The 1 / sqrt(head width) of the attention is folded into the query.
    parts[0], biases[0] = parts[0] * scale, biases[0] * scale
    return Layer(
        attention=np.ascontiguousarray(np.concatenate(parts).T),
        attention_bias=np.concatenate(biases),
        output=np.ascontiguousarray(get(f"{name}.attention.output.dense.weight").T),
        output_bias=get(f"{name}.attention.output.dense.bias"),
        norm=(get(f"{name}.attention.output.LayerNorm.weight"), get(f"{name}.attention.output.LayerNorm.bias")),
        up=np.ascontiguousarray(get(f"{name}.intermediate.dense.weight").T),
        up_bias=get(f"{name}.intermediate.dense.bias"),
        down=np.ascontiguousarray(get(f"{name}.output.dense.weight").T),
        down_bias=get(f"{name}.output.dense.bias"),
        last_norm=(get(f"{name}.output.LayerNorm.weight"), get(f"{name}.output.LayerNorm.bias")),
    )
