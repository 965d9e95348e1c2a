"""Whatever makes vectors of texts is an embedder; what returns something else is named, with what was expected."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from vpa.base.errors import EmbedderError, EmbedderUnavailableError
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.adapt import as_embedder
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.contract import Embedder
from vpa.embeddings.hashing import HashingEmbedder

TEXTS = ["a", "bcd"]


def lists(texts: list[str]) -> list[list[float]]:
    assert isinstance(texts, list)
    return [[len(text), 1.0, 2.0] for text in texts]


def arrays(texts: list[str]) -> np.ndarray:
    return np.asarray(lists(texts))


def rows(texts: list[str]) -> list[np.ndarray]:
    return list(arrays(texts))


def yielded(texts: list[str]) -> Iterator[list[float]]:
    yield from lists(texts)


async def awaited(texts: list[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return lists(texts)


class Called:
    def __call__(self, texts: list[str]) -> list[list[float]]:
        return lists(texts)


class AwaitedCalled:
    async def __call__(self, texts: list[str]) -> list[list[float]]:
        return lists(texts)


class Tensor:
    """What torch returns: no array before it is detached and moved."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self._values


class Encoding:
    """A model of sentence-transformers as it was before options."""

    def encode(self, texts: list[str]) -> Tensor:
        return Tensor(arrays(texts))


class LangChain(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return lists(texts)

    def embed_query(self, text: str) -> list[float]:
        return lists([text])[0]


class AsyncLangChain(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        pytest.fail("the coroutine was not used")

    def embed_query(self, text: str) -> list[float]:
        pytest.fail("the coroutine was not used")

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return lists(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return lists([text])[0]


class OnlyAsync:
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return lists(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return lists([text])[0]


class LlamaIndex:
    model_name = "llama"

    def __call__(self, nodes: list[Any]) -> list[Any]:
        raise AttributeError("'str' object has no attribute 'get_content'")

    def get_text_embedding_batch(self, texts: list[str]) -> list[list[float]]:
        return lists(texts)

    def get_query_embedding(self, query: str) -> list[float]:
        return lists([query])[0]


class Lookalike:
    """The contract without its base class, as vpa's own embedders were written before it was asynchronous."""

    identity = EmbeddingIdentity(name="lookalike", dimension=3)
    is_lexical = False

    def embed(self, texts: list[str]) -> np.ndarray:
        return arrays(texts)


class AsyncLookalike(Lookalike):
    async def embed(self, texts: list[str], *, kind: str) -> np.ndarray:
        assert kind in ("document", "query")
        return arrays(texts)


SHAPES: list[Any] = [
    lists,
    arrays,
    rows,
    yielded,
    awaited,
    Called(),
    AwaitedCalled(),
    functools.partial(lists),
    functools.partial(awaited),
    Encoding(),
    LangChain(),
    AsyncLangChain(),
    OnlyAsync(),
    LlamaIndex(),
    Lookalike(),
    AsyncLookalike(),
    lambda texts: awaited(texts),
]


@pytest.mark.parametrize("model", SHAPES, ids=lambda model: getattr(model, "__name__", type(model).__name__))
async def test_models_of_all_shapes_are_embedders(model: Any) -> None:
    embedder = as_embedder(model, name="mine")
    assert (await embedder.open()).dimension == 3
    for kind in ("document", "query"):
        vectors = await embedder.embed(TEXTS, kind=kind)  # type: ignore[arg-type]
        assert vectors.dtype == np.float32
        assert vectors.tolist() == lists(TEXTS)
    await embedder.close()
    await embedder.close()


async def test_a_model_of_langchain_is_one() -> None:
    embedder = as_embedder(DeterministicFakeEmbedding(size=7))
    assert (await embedder.open()).dimension == 7
    assert (await embedder.embed(TEXTS, kind="document")).shape == (2, 7)
    await embedder.close()


def test_an_embedder_is_taken_as_it_is_and_names_come_from_the_model() -> None:
    hashing = HashingEmbedder()
    assert as_embedder(hashing) is hashing
    assert as_embedder(LlamaIndex()).identity.name == "llama"
    assert as_embedder(lists).identity.name.endswith("test_foreign.lists")
    assert as_embedder(lists, name="mine").identity.name == "mine"


@pytest.mark.parametrize("model", [None, 5, object(), [1.0], HashingEmbedder])
def test_what_is_no_embedder_is_refused_with_what_is(model: Any) -> None:
    with pytest.raises(EmbedderError, match=r"accepted is an Embedder, a name, a callable|pass an instance"):
        as_embedder(model)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "NoneType"),
        ([1.0, 2.0], "a list of 2"),
        (5, "int"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        ([[1.0, 2.0], [1.0]], "rectangular"),
        ([["a"], ["b"]], "real numbers"),
        ([[], []], r"shape \(2, 0\)"),
        ([[1.0, float("nan")], [1.0, 2.0]], "row 0"),
        ([[1.0, 2.0], [1.0, 1e60]], "row 1"),
        (np.zeros((2, 3, 4)), r"\(2, 3, 4\)"),
        ({"data": []}, "dict"),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_wrong_shape_is_named_with_what_was_expected(returned: Any, said: str, asynchronous: bool) -> None:
    async def later(texts: list[str]) -> Any:
        return returned

    embedder = BatchedEmbedder(lambda: later if asynchronous else (lambda texts: returned), batch_size=8)
    with pytest.raises(EmbedderError, match=rf"(?s)returned.*{said}.*|{said}") as caught:
        await as_embedder(later, name="mine").embed(TEXTS, kind="document")
    assert "expected 2 rows" in str(caught.value)
    with pytest.raises(EmbedderError, match="expected"):
        await embedder.documents(TEXTS)
    await embedder.close()


async def test_another_dimension_than_at_first_is_refused() -> None:
    calls = iter([3, 4])
    embedder = as_embedder(lambda texts: np.ones((len(texts), next(calls))), name="mine")
    await embedder.open()
    with pytest.raises(EmbedderError, match=r"shape \(2, 4\).*2 rows of 3"):
        await embedder.embed(TEXTS, kind="query")
    await embedder.close()


async def test_a_blocking_model_never_runs_on_the_loop() -> None:
    threads: set[int] = set()

    def watched(texts: list[str]) -> list[list[float]]:
        threads.add(threading.get_ident())
        return lists(texts)

    embedder = BatchedEmbedder(lambda: watched, batch_size=1)
    await embedder.documents(TEXTS)
    await embedder.queries(TEXTS)
    assert threads
    assert threading.get_ident() not in threads
    await embedder.close()


class Busy(Exception):
    status_code = 429


class APIConnectionError(Exception):
    pass


class Refused(Exception):
    status_code = 401


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Busy("slow down"), EmbedderUnavailableError),
        (APIConnectionError("reset"), EmbedderUnavailableError),
        (TimeoutError(), EmbedderUnavailableError),
        (ConnectionResetError("reset"), EmbedderUnavailableError),
        (Refused("key"), EmbedderError),
        (AttributeError("x"), EmbedderError),
    ],
)
async def test_what_a_model_raises_becomes_our_error_and_may_pass_or_not(raised: Exception, kind: type) -> None:
    def fails(texts: list[str]) -> Any:
        raise raised

    with pytest.raises(EmbedderError, match="failed on 2 texts") as caught:
        await as_embedder(fails).embed(TEXTS, kind="document")
    assert type(caught.value) is kind
    assert type(caught.value.__cause__) is type(raised)


class Minimal(Embedder):
    """All that an implementer must write."""

    identity = EmbeddingIdentity(name="minimal", dimension=3)

    async def embed(self, texts: Any, *, kind: Any) -> Any:
        return arrays(list(texts)).astype(np.float32)


async def test_an_embedder_is_a_name_and_a_coroutine() -> None:
    embedder = Minimal()
    assert await embedder.open() == embedder.identity
    assert (embedder.is_lexical, embedder.max_tokens) == (False, None)
    with pytest.raises(NotImplementedError):
        embedder.count_tokens(["x"])
    await embedder.close()
