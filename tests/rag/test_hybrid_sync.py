"""Searches without await: the caller's functions run in the caller's thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import vpa.sync
from vpa import errors
from vpa.config.settings import DeploymentConfig


@pytest.fixture
def rag() -> Iterator[Any]:
    config = DeploymentConfig(embedding_model="hashing")
    with vpa.sync.create_enhanced_rag_system(config) as system:
        for name in ("pump", "valve", "cats"):
            system.add_document(document_id=name, title=name, content=f"Of the {name}, and of oil.")  # type: ignore[attr-defined]
        yield system


def ids(results: Sequence[Any]) -> list[str]:
    return [result.document_id for result in results]


def test_functions_run_in_the_thread_of_the_caller_and_are_part_of_the_key(rag: Any) -> None:
    threads: list[int] = []

    def judge(question: str, texts: Sequence[str]) -> list[float]:
        threads.append(threading.get_ident())
        return [float("cats" in text) for text in texts]

    def rewrite(question: str) -> Iterator[str]:
        threads.append(threading.get_ident())
        yield "valve"

    class Model:
        def predict(self, question: str, texts: Sequence[str]) -> list[float]:
            return judge(question, texts)

    model = Model()
    for function in (judge, lambda question, texts: judge(question, texts), model.predict):
        results = rag.search_knowledge("oil pump", rerank=function, rerank_weight=1)
        assert ids(results)[0] == "cats"
        assert results[0].why.reranked == 1.0
    for function in (rewrite, lambda question: [*rewrite(question)]):
        assert ids(rag.search_knowledge("pump", mode="keyword", expand=function)) == ["pump", "valve"]
    assert threads == [threading.get_ident()] * 5
    rag.search_knowledge("oil pump", rerank=judge, rerank_weight=1)
    rag.search_knowledge("oil pump", rerank=model.predict, rerank_weight=1)
    rag.search_knowledge("pump", mode="keyword", expand=rewrite)
    assert len(threads) == 5


def test_a_function_may_search_itself(rag: Any) -> None:
    def judge(question: str, texts: Sequence[str]) -> list[float]:
        best = rag.search_knowledge("cats", top_k=1)[0].content
        return [float(text == best) for text in texts]

    def rewrite(question: str) -> list[str]:
        return ids(rag.search_knowledge("valve", mode="keyword"))

    assert ids(rag.search_knowledge("oil pump", rerank=judge, rerank_weight=1))[0] == "cats"
    assert set(ids(rag.search_knowledge("pump", mode="keyword", expand=rewrite))) == {"pump", "valve"}


def test_asynchronous_functions_objects_and_values_are_taken_too(rag: Any) -> None:
    async def judge(question: str, texts: Sequence[str]) -> list[float]:
        return [float("cats" in text) for text in texts]

    threads: set[int] = set()

    class Model:
        def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
            threads.add(threading.get_ident())
            return [float("cats" in text) for text in texts]

    def with_name(name: str, question: str, texts: Sequence[str]) -> list[float]:
        threads.add(threading.get_ident())
        return [float(name in text) for text in texts]

    for function in (judge, Model(), functools.partial(with_name, "cats")):
        assert ids(rag.search_knowledge("oil pump", rerank=function, rerank_weight=1))[0] == "cats"
    assert threads == {threading.get_ident()}
    with pytest.raises(errors.RerankerError, match="the reranker 'Model' failed with TypeError"):
        rag.search_knowledge("oil pump", rerank=Model)
    for expand in ({"pump": ["valve"]}, {"pump": iter(["valve"])}):
        assert ids(rag.search_knowledge("pump", mode="keyword", expand=expand)) == ["pump", "valve"]
    assert ids(rag.search_knowledge("pump", mode="keyword", expand="feedback"))[0] == "pump"


def test_what_functions_raise_is_told_as_with_await(rag: Any) -> None:
    def broken(*args: Any) -> list[Any]:
        raise KeyError("model")

    with pytest.raises(errors.RerankerError, match="the reranker 'broken' failed with KeyError: 'model'"):
        rag.search_knowledge("oil", rerank=broken)
    with pytest.raises(KeyError, match="model"):
        rag.search_knowledge("oil", expand=broken)
    with pytest.raises(errors.InvalidQueryError, match="rerank is 'none', 'light', a function"):
        rag.search_knowledge("oil", rerank=5)
    with pytest.raises(errors.RerankerError, match="shape"):
        rag.search_knowledge("oil", rerank=lambda question, texts: [])


def test_a_slow_function_leaves_the_order(rag: Any) -> None:
    waiting = threading.Event()

    def slow(question: str, texts: Sequence[str]) -> list[float]:
        # The caller's thread is this one: nothing ends its wait.
        waiting.wait(0.2)
        return [float("cats" in text) for text in texts]

    results = rag.search_knowledge("oil pump", rerank=slow, rerank_weight=1, rerank_seconds=0.01)
    assert ids(results) == ids(rag.search_knowledge("oil pump"))
    assert results[0].why.notes == ("the reranker 'slow' took longer than 0.01 s: the order is as it was",)


def test_threads_search_at_once_each_with_its_own_function(rag: Any) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        def judge(question: str, texts: Sequence[str]) -> list[float]:
            assert threading.get_ident() == thread
            return [float(name in text) for text in texts]

        thread = threading.get_ident()
        try:
            for _ in range(10):
                assert ids(rag.search_knowledge("oil", rerank=judge, rerank_weight=1, rerank_seconds=60))[0] == name
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("pump", "valve", "cats")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
