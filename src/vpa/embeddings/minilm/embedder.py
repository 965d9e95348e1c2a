"""MiniLM as an embedder, with its window of 256 tokens."""

from __future__ import annotations

from collections.abc import Sequence

from vpa.base.arrays import FloatMatrix
from vpa.base.tokens import TokenVectors
from vpa.embeddings.blocking import BlockingEmbedder
from vpa.embeddings.contract import Kind
from vpa.embeddings.minilm.basis import WIDTH
from vpa.embeddings.minilm.model import MAX_TOKENS, MiniLM


class MiniLMEmbedder(BlockingEmbedder):
    """all-MiniLM-L6-v2; loads the weights when made, which takes a fifth of a second."""

    def __init__(self, *, path: str | None = None) -> None:
        """Weights from `path`, the installed package, or the hub. Raises EmbedderError."""
        self._minilm = MiniLM(path=path)
        super().__init__(self._minilm)

    @property
    def max_tokens(self) -> int:
        """256, with the two marks."""
        return MAX_TOKENS

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the model's own tokenizer."""
        return self._minilm.count_tokens(texts)

    @property
    def token_width(self) -> int:
        """64, of the 384 of the model."""
        return WIDTH

    async def embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
        """As the model makes them, in the thread that `embed` uses too."""
        return await self._workers[kind].run(self._minilm.encode_tokens, texts)

    async def close(self) -> None:
        """End the worker threads of the model, too."""
        await super().close()
        self._minilm.close()
