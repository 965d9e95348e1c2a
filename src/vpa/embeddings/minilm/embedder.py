"""MiniLM as an embedder, with its window of 256 tokens."""

from __future__ import annotations

from collections.abc import Sequence

from vpa.embeddings.blocking import BlockingEmbedder
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

    async def close(self) -> None:
        """End the worker threads of the model, too."""
        await super().close()
        self._minilm.close()
