"""Batches: prefixes, progress, retries, and nothing embedded twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vpa.base.errors import EmbedderError, EmbedderUnavailableError
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.embeddings.batched import BatchedEmbedder, Retries
from vpa.embeddings.blocking import BlockingEmbedder
from vpa.embeddings.cached import VectorCache


class Recording:
    """A model that notes what it is given, and fails as told."""

    identity = EmbeddingIdentity(name="recording", dimension=2, query_prefix="q: ", document_prefix="d: ")

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.failures: list[Exception] = []

    def encode(self, texts: Any) -> Any:
        self.calls.append(list(texts))
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        return np.asarray([[len(text), 1] for text in texts], dtype=np.float32)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def model() -> Recording:
    return Recording()


def batched(model: Recording, waits: list[float], *, batch_size: int = 2) -> BatchedEmbedder:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return BatchedEmbedder(lambda: BlockingEmbedder(model), batch_size=batch_size, retries=Retries(sleep=sleep))


async def test_batches_prefixes_and_progress(model: Recording, waits: list[float]) -> None:
    embedder = batched(model, waits)
    seen: list[tuple[int, int]] = []
    vectors = await embedder.documents(["a", "bb", "ccc"], progress=lambda done, total: seen.append((done, total)))
    assert vectors[:, 0].tolist() == [4, 5, 6]
    assert (await embedder.queries(["x"])).shape == (1, 2)
    assert model.calls == [["d: a", "d: bb"], ["d: ccc"], ["q: x"]]
    assert seen == [(2, 3), (3, 3)]
    assert (await embedder.documents([])).shape == (0, 2)
    await embedder.close()
    await embedder.close()


async def test_the_model_is_loaded_once() -> None:
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        return BlockingEmbedder(Recording())

    embedder = BatchedEmbedder(load, batch_size=2)
    with pytest.raises(EmbedderError, match="open"):
        embedder.count_tokens(["x"])
    await embedder.queries(["a"])
    await embedder.documents(["a"])
    assert loads == [1]
    await embedder.close()


async def test_equal_texts_and_texts_of_before_are_embedded_once(model: Recording, waits: list[float]) -> None:
    embedder = batched(model, waits, batch_size=10)
    first = await embedder.documents(["a", "bb", "a"])
    second = await embedder.documents(["bb", "ccc", "a"])
    assert first[:, 0].tolist() == [4, 5, 4]
    assert second[:, 0].tolist() == [5, 6, 4]
    assert model.calls == [["d: a", "d: bb"], ["d: ccc"]]
    await embedder.close()


async def test_a_call_that_failed_midway_continues_where_it_was(model: Recording, waits: list[float]) -> None:
    embedder = batched(model, waits)
    model.failures = [None, ValueError("bad text")]  # type: ignore[list-item]
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    with pytest.raises(EmbedderError, match="bad text"):
        await embedder.documents(texts)
    assert (await embedder.documents(texts))[:, 0].tolist() == [4, 5, 6, 7, 8]
    assert model.calls == [["d: a", "d: bb"], ["d: ccc", "d: dddd"], ["d: ccc", "d: dddd"], ["d: eeeee"]]
    assert waits == []
    await embedder.close()


async def test_what_may_pass_is_tried_again_and_then_raised(model: Recording, waits: list[float]) -> None:
    embedder = batched(model, waits)
    model.failures = [TimeoutError("slow"), ConnectionResetError("gone")]
    assert (await embedder.documents(["a"])).shape == (1, 2)
    assert len(waits) == 2
    model.failures = [TimeoutError("slow")] * 9
    with pytest.raises(EmbedderUnavailableError, match="slow"):
        await embedder.documents(["new"])
    assert len(model.failures) == 5
    await embedder.close()


def test_the_cache_is_bounded_and_keeps_its_own_rows() -> None:
    cache = VectorCache(max_bytes=1000)
    row = np.ones((1, 4), dtype=np.float32)
    cache.put(["a"], row)
    row[0] = 5
    kept = cache.get("a")
    assert kept is not None
    assert kept.tolist() == [1, 1, 1, 1]
    for number in range(10):
        cache.put([f"text {number}"], row)
    assert cache.get("a") is None
    assert cache.get("text 9") is not None


class WithTokens(BlockingEmbedder):
    """A token for each letter."""

    token_width = 3

    async def embed_tokens(self, texts: Any, *, kind: Any) -> Any:
        rows = [np.ones((len(text), 3), dtype=np.float32) for text in texts]
        tokens = [TokenVectors(one, one[:1], text, []) for one, text in zip(rows, texts, strict=True)]
        return await self.embed(texts, kind=kind), tokens


class Sink:
    def __init__(self, lacking: set[str]) -> None:
        self.lacking = lacking
        self.seen: list[tuple[str, int]] = []

    async def put(self, texts: Any, tokens: Any) -> None:
        self.seen += [(text, len(made.rows)) for text, made in zip(texts, tokens, strict=True)]


async def test_token_vectors_come_with_each_batch_and_what_lacks_them_is_embedded_again(model: Recording) -> None:
    embedder = BatchedEmbedder(lambda: WithTokens(model), batch_size=2)
    await embedder.documents(["a", "bb"])
    sink = Sink({"bb", "ccc"})
    vectors = await embedder.documents(["a", "bb", "ccc", "dddd", "ccc"], tokens=sink)
    assert vectors[:, 0].tolist() == [4, 5, 6, 7, 6]
    assert sink.seen == [("bb", 2), ("ccc", 3), ("dddd", 4)]
    assert model.calls[1:] == [["d: bb", "d: ccc"], ["d: dddd"]]
    await embedder.close()


async def test_the_tokens_of_a_question_are_those_made_with_its_vector(model: Recording) -> None:
    embedder = BatchedEmbedder(lambda: WithTokens(model), batch_size=2)
    await embedder.queries(["what"])
    assert len((await embedder.question_tokens("what")).rows) == 4
    assert len(model.calls) == 1
    assert len((await embedder.question_tokens("who")).rows) == 3
    assert len(model.calls) == 2
    for number in range(100):
        await embedder.queries([str(number)])
    await embedder.question_tokens("what")
    assert len(model.calls) == 103
    await embedder.close()


async def test_what_fails_is_tried_again_with_its_tokens(model: Recording, waits: list[float]) -> None:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    embedder = BatchedEmbedder(lambda: WithTokens(model), batch_size=2, retries=Retries(sleep=sleep))
    model.failures = [EmbedderUnavailableError("away")]
    sink = Sink(set())
    await embedder.documents(["a"], tokens=sink)
    assert (sink.seen, len(waits)) == ([("a", 1)], 1)
    await embedder.close()
