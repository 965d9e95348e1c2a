"""What the layers above use: one embedder, in batches, with retries, caches and progress."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import numpy as np
import tenacity

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import EmbedderError, VectorDatabaseError
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.embeddings.adapt import as_embedder
from vpa.embeddings.cached import CacheStatistics, VectorCache
from vpa.embeddings.contract import Embedder, Kind
from vpa.embeddings.failures import embedder_error
from vpa.embeddings.shape import as_vectors
from vpa.embeddings.shelved import VectorShelf, is_worth_a_shelf
from vpa.kit.shelf.contract import Shelf
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger

Progress: TypeAlias = Callable[[int, int], None]
T = TypeVar("T")
_log = get_logger("vpa.embeddings")
# Hashing that many texts of 1,000 characters takes about a millisecond: then others get the loop. Also how many are
# looked up on a shelf at once.
_SLICE: Final = 256
# Questions whose token vectors are remembered for what looks at the answers: as many as are searched for at once.
_QUESTIONS: Final = 64


class TokenSink(Protocol):
    """Takes the token vectors of documents."""

    @property
    def lacking(self) -> Collection[str]:
        """Texts whose token vectors it does not have: they are embedded, also where their vectors are remembered."""
        ...

    async def put(self, texts: Sequence[str], tokens: Sequence[TokenVectors]) -> None:
        """Called after each batch."""
        ...


@dataclass(frozen=True, slots=True)
class EmbeddedTexts:
    """`vectors` `(n, d) float32`, of which `cached` rows were remembered, not made."""

    vectors: FloatMatrix
    cached: int


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a batch is tried where the error may pass; waits double from `first_wait_s`, at random below that."""

    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep


class BatchedEmbedder:
    """Loads the model at the first use, once, in a worker thread."""

    def __init__(
        self,
        load: Callable[[], Any],
        *,
        batch_size: int,
        retries: Retries = Retries(),
        owns_embedder: bool = True,
        shelf: Shelf | None = None,
    ) -> None:
        """`load` blocks and returns anything that `as_embedder` accepts; `owns_embedder` False leaves it open.

        `shelf` keeps the vectors of documents beyond this process, if the model is one that `is_worth_a_shelf`. It is
        closed with the embedder.
        """
        self._load = load
        self._batch_size = batch_size
        self._retries = retries
        self._owns_embedder = owns_embedder
        self._loader = Workers(size=1, name="vpa-loader")
        self._cache = VectorCache()
        self._shelf = None if shelf is None else VectorShelf(shelf)
        self._statistics = CacheStatistics()
        self._questions: OrderedDict[str, TokenVectors] = OrderedDict()
        self._embedder: Embedder | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> EmbeddingIdentity:
        """Load the model, unless it is loaded; raises EmbedderError."""
        async with self._opening:
            if self._embedder is None:
                embedder = as_embedder(await self._loader.run(self._load))
                await embedder.open()
                self._embedder = embedder
                await self._loader.close()
                self._say_if_not_shelved(embedder)
        return self._embedder.identity

    def _say_if_not_shelved(self, embedder: Embedder) -> None:
        if self._shelf is not None and not embedder.is_lexical and not embedder.identity.revision:
            _log.info(
                "embeddings are not cached on disk",
                model=str(embedder.identity),
                reason="the model names no revision (docs/rag.md)",
            )

    @property
    def is_lexical(self) -> bool:
        """Whether the loaded model compares words only."""
        return self._embedder is not None and self._embedder.is_lexical

    @property
    def max_tokens(self) -> int | None:
        """The window of the loaded model, if it is known."""
        return None if self._embedder is None else self._embedder.max_tokens

    @property
    def token_width(self) -> int | None:
        """The width of the loaded model's token vectors; None where it makes none."""
        return None if self._embedder is None else self._embedder.token_width

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As of the loaded embedder. Blocks."""
        return self._opened().count_tokens(texts)

    async def documents(
        self, texts: Sequence[str], *, progress: Progress | None = None, tokens: TokenSink | None = None
    ) -> FloatMatrix:
        """`(n, d) float32`; `progress(done, total)` is called after each batch. Equal texts are embedded once.

        `tokens` takes the token vectors too, of a model that makes some (`token_width`).
        Batches that were made before a failure are remembered for an hour, so that a second call continues.
        """
        return (await self.embed_documents(texts, progress=progress, tokens=tokens)).vectors

    async def embed_documents(
        self, texts: Sequence[str], *, progress: Progress | None = None, tokens: TokenSink | None = None
    ) -> EmbeddedTexts:
        """As `documents`, and how many vectors were remembered."""
        identity = await self.open()
        shelf = self._used_shelf()
        result = np.empty((len(texts), identity.dimension), dtype=np.float32)
        waiting = await self._fill_known(result, texts, but=() if tokens is None else tokens.lacking)
        cached = done = len(texts) - sum(map(len, waiting.values()))
        missing = list(waiting)
        for start in range(0, len(missing), self._batch_size):
            batch = missing[start : start + self._batch_size]
            made: list[TokenVectors] = []
            if tokens is None:
                vectors = await self._embed(batch, kind="document")
            else:
                vectors, made = await self._embed_tokens(batch, kind="document")
            self._cache.put(batch, vectors)
            for text, row in zip(batch, vectors, strict=True):
                result[waiting[text]] = row
                done += len(waiting[text])
            self._count(embedded=sum(len(waiting[text]) for text in batch))
            if tokens is not None:
                await tokens.put(batch, made)
            if shelf is not None:
                # Copies: a model may reuse the array that it returned.
                await shelf.put(identity, batch, result[[waiting[text][0] for text in batch]])
            if progress is not None:
                progress(done, len(texts))
            # An embedder that never waits would keep the loop for all batches.
            await asyncio.sleep(0)
        return EmbeddedTexts(result, cached)

    async def _fill_known(
        self, result: FloatMatrix, texts: Sequence[str], *, but: Collection[str]
    ) -> dict[str, list[int]]:
        """Rows that are remembered go into `result`, but for some texts; returns the positions of every other text."""
        waiting: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            known = None if text in but else self._cache.get(text)
            if known is None:
                waiting.setdefault(text, []).append(position)
            else:
                result[position] = known
            if position % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        self._count(from_memory=len(texts) - sum(map(len, waiting.values())))
        if (shelf := self._used_shelf()) is not None:
            await self._fill_shelved(result, waiting, shelf, but=but)
        return waiting

    async def _fill_shelved(
        self, result: FloatMatrix, waiting: dict[str, list[int]], shelf: VectorShelf, *, but: Collection[str]
    ) -> None:
        """Rows from the shelf go into `result`, and their texts out of `waiting`."""
        identity, asked = self._opened().identity, [text for text in waiting if text not in but]
        for start in range(0, len(asked), _SLICE):
            for text, row in (await shelf.get(identity, asked[start : start + _SLICE])).items():
                positions = waiting.pop(text)
                result[positions] = row
                self._count(from_disk=len(positions))

    async def discard(self, identity: EmbeddingIdentity, texts: Sequence[str], *, dry_run: bool = False) -> int:
        """Remove what is remembered of these documents' texts; returns how many vectors, in memory and in the file.

        `identity` names the model, which need not be loaded. `dry_run` only counts. Raises ShelfError.
        """
        discarded = 0
        for start in range(0, len(texts), _SLICE):
            part = texts[start : start + _SLICE]
            discarded += self._cache.count(part) if dry_run else self._cache.discard(part)
            await asyncio.sleep(0)
        if self._shelf is not None:
            discarded += await self._shelf.discard(identity, texts, dry_run=dry_run)
        return discarded

    def discard_questions(self) -> None:
        """Forget the questions whose token vectors are remembered."""
        self._questions.clear()

    def _used_shelf(self) -> VectorShelf | None:
        return self._shelf if self._shelf is not None and is_worth_a_shelf(self._opened()) else None

    def cache_statistics(self) -> CacheStatistics:
        """Where the vectors of documents came from, since the start."""
        uses_disk = self._embedder is not None and self._used_shelf() is not None
        return replace(self._statistics, uses_disk=uses_disk)

    def _count(self, *, from_memory: int = 0, from_disk: int = 0, embedded: int = 0) -> None:
        past = self._statistics
        self._statistics = CacheStatistics(
            past.from_memory + from_memory, past.from_disk + from_disk, past.embedded + embedded
        )

    async def queries(self, texts: Sequence[str]) -> FloatMatrix:
        """`(n, d) float32`; not cached. The token vectors of the latest ones are remembered."""
        await self.open()
        if self.token_width is None:
            return await self._embed(texts, kind="query")
        vectors, tokens = await self._embed_tokens(texts, kind="query")
        for text, made in zip(texts, tokens, strict=True):
            self._questions[text] = made
            self._questions.move_to_end(text)
        while len(self._questions) > _QUESTIONS:
            self._questions.popitem(last=False)
        return vectors

    async def question_tokens(self, text: str) -> TokenVectors:
        """The token vectors of a question: those made when it was embedded, or made now."""
        if text not in self._questions:
            await self.queries([text])
        return self._questions[text]

    async def _embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        async def once() -> FloatMatrix:
            return await self._once(texts, lambda: self._opened().embed(texts, kind=kind))

        return await self._tried(once)

    async def _embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
        async def once() -> tuple[FloatMatrix, list[TokenVectors]]:
            tokens: list[TokenVectors] = []

            async def embedded() -> FloatMatrix:
                vectors, made = await self._opened().embed_tokens(texts, kind=kind)
                tokens.extend(made)
                return vectors

            vectors = await self._once(texts, embedded)
            if len(tokens) != len(texts):
                raise EmbedderError(
                    f"embedder {self._opened().identity} returned token vectors of {len(tokens)} texts for {len(texts)}"
                )
            return vectors, tokens

        return await self._tried(once)

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        """As often as `retries` says."""
        policy = self._retries
        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(policy.attempts),
            wait=tenacity.wait_random_exponential(multiplier=policy.first_wait_s, max=policy.longest_wait_s),
            retry=tenacity.retry_if_exception(lambda error: getattr(error, "retryable", False)),
            sleep=policy.sleep,
            before_sleep=_say,
            reraise=True,
        )
        return await attempts(call)

    async def _once(self, texts: Sequence[str], call: Callable[[], Awaitable[FloatMatrix]]) -> FloatMatrix:
        identity = self._opened().identity
        try:
            returned = await call()
        except VectorDatabaseError:
            raise
        except Exception as error:
            raise embedder_error(error, model=str(identity), count=len(texts)) from error
        return as_vectors(returned, count=len(texts), model=str(identity), dimension=identity.dimension)

    def _opened(self) -> Embedder:
        if self._embedder is None:
            raise EmbedderError("the embedder is not loaded; await open() first")
        return self._embedder

    async def close(self) -> None:
        """Close the model and its threads. May be called twice."""
        embedder, self._embedder = self._embedder, None
        if embedder is not None and self._owns_embedder:
            await embedder.close()
        await self._loader.close()
        if self._shelf is not None:
            await self._shelf.close()


# A model that is loaded, with its identity.
OpenedModel: TypeAlias = tuple[BatchedEmbedder, EmbeddingIdentity]


def _say(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    wait_s = state.next_action.sleep if state.next_action is not None else 0.0
    _log.warning(
        "embedder failed, trying again", attempt=state.attempt_number, wait_s=round(wait_s, 2), error=str(error)
    )
