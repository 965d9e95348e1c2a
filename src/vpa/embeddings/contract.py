"""The contract of an embedder: one coroutine, an identity, and what is known of the model's window of tokens.

To implementers: inherit from Embedder, give `identity` and `embed`, and leave the rest. Work that blocks belongs in a
thread: `blocking.BlockingEmbedder` does that for a synchronous model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias

from vpa.base.arrays import FloatMatrix
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors

Kind: TypeAlias = Literal["document", "query"]


class Embedder(ABC):
    """One model. Every method may be called by several tasks at once."""

    @property
    @abstractmethod
    def identity(self) -> EmbeddingIdentity:
        """Name, revision, dimension and prefixes: what makes vectors comparable. Known after `open`."""

    @abstractmethod
    async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        """`(n, d) float32`, finite, a row for each text in order. Adds the prefix of `kind` where the model wants one.

        Raises EmbedderError; EmbedderUnavailableError where the same call may succeed later.
        """

    @property
    def token_width(self) -> int | None:
        """The width of the token vectors that `embed_tokens` makes; None where it makes none."""
        return None

    async def embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
        """What `embed` returns, and the vectors of the tokens of each text, from the same pass of the model.

        Only called where `token_width` is not None.
        """
        raise NotImplementedError(f"{type(self).__name__} states token_width and must make token vectors")

    async def open(self) -> EmbeddingIdentity:
        """Load or ask whatever is needed before the first text; called more than once."""
        return self.identity

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Close what `open` opened. May be called twice."""

    @property
    def is_lexical(self) -> bool:
        """Whether it compares words only, not meaning."""
        return False

    @property
    def max_tokens(self) -> int | None:
        """The longest text that is embedded whole, in tokens with the model's own marks; None if not known."""
        return None

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as a document, with prefix and marks. Blocks: called in worker threads.

        Only called where `max_tokens` is not None.
        """
        raise NotImplementedError(f"{type(self).__name__} states max_tokens and must count them")


def prefix_of(identity: EmbeddingIdentity, kind: Kind) -> str:
    """What the model wants to stand before a text of this kind."""
    return identity.query_prefix if kind == "query" else identity.document_prefix
