"""An embedder that fails midway: what was stored is said, what may pass is retried, nothing is paid twice."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.core.enhanced_rag import EnhancedRAGSystem
from vpa.embeddings.batched import BatchedEmbedder, Retries
from vpa.rag.options import RagOptions
from vpa.stores.config import VectorDatabaseConfig


class Failing:
    """A model of others that fails on some texts, or for a while, and counts what it embeds."""

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.bad: str | None = None
        self.away = 0
        self.threads: set[int] = set()

    def __call__(self, texts: list[str]) -> Any:
        self.threads.add(threading.get_ident())
        if self.away:
            self.away -= 1
            raise ConnectionResetError("gone")
        if self.bad is not None and any(self.bad in text for text in texts):
            raise ValueError("cannot embed that")
        self.embedded += texts
        rows = [np.random.default_rng(abs(hash(text))).standard_normal(16) for text in texts]
        return np.asarray(rows, dtype=np.float32)


@pytest.fixture
def model() -> Failing:
    return Failing()


@pytest.fixture
async def manager() -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(VectorDatabaseConfig()) as made:
        yield made


def system(model: Failing, manager: VectorDatabaseManager) -> EnhancedRAGSystem:
    async def sleep(seconds: float) -> None:
        del seconds

    embedder = BatchedEmbedder(lambda: model, batch_size=16, retries=Retries(sleep=sleep))
    return EnhancedRAGSystem(manager, embedder, options=RagOptions(chunk_size=100, chunk_overlap=0), owns_manager=False)


def documents(count: int) -> list[dict[str, Any]]:
    # 40 chunks each, so that a group of 64 is two documents.
    return [
        {
            "document_id": f"d{number:02d}",
            "content": "\n\n".join(f"of d{number:02d}, paragraph {n}: " + "word " * 15 for n in range(40)),
        }
        for number in range(count)
    ]


async def test_the_error_says_what_was_stored_and_a_second_call_continues(
    model: Failing, manager: VectorDatabaseManager
) -> None:
    given = documents(10)
    async with system(model, manager) as rag:
        model.bad = "of d07"
        with pytest.raises(errors.EmbedderError, match=r"cannot embed that.*before that \d documents") as caught:
            await rag.add_documents(given, concurrency=1)
        stored = len(await rag.list_documents())
        assert 2 <= stored <= 6
        assert f"before that {stored} documents ({40 * stored} chunks)" in str(caught.value)
    embedded = len(model.embedded)
    model.bad = None
    # A system of its own, as in another process: what it knows it has from the store.
    async with system(model, manager) as rag:
        model.embedded.clear()
        report = await rag.add_documents(given)
        assert (report.documents, report.chunks, report.reused) == (10, 400, 40 * stored)
        assert len(model.embedded) <= 400 - 40 * stored + 1
        assert embedded >= 40 * stored
        for one in given:
            assert (await rag.get_document(one["document_id"])).content == one["content"]


async def test_collected_errors_are_those_of_the_guilty_documents(
    model: Failing, manager: VectorDatabaseManager
) -> None:
    async with system(model, manager) as rag:
        model.bad = "of d03"
        report = await rag.add_documents(documents(6), collect_errors=True)
        assert report.documents == 5
        assert list(report.failed) == ["d03"]
        assert "cannot embed that" in report.failed["d03"]
        assert [one.document_id for one in await rag.list_documents()] == ["d00", "d01", "d02", "d04", "d05"]


async def test_a_model_that_comes_back_is_waited_for(model: Failing, manager: VectorDatabaseManager) -> None:
    async with system(model, manager) as rag:
        model.away = 2
        assert (await rag.add_documents(documents(2))).documents == 2


async def test_a_model_that_stays_away_fails_the_group(model: Failing, manager: VectorDatabaseManager) -> None:
    async with system(model, manager) as rag:
        model.away = 10**6
        report = await rag.add_documents(documents(2), collect_errors=True)
        assert (report.documents, sorted(report.failed)) == (0, ["d00", "d01"])
        # Four attempts for the group, none for each document alone.
        assert 10**6 - model.away == 4
        with pytest.raises(errors.EmbedderUnavailableError, match="0 documents"):
            await rag.add_documents(documents(2))


async def test_only_changed_chunks_are_embedded(model: Failing, manager: VectorDatabaseManager) -> None:
    [document] = documents(1)
    async with system(model, manager) as rag:
        await rag.add_document(**document)
    async with system(model, manager) as rag:
        model.embedded.clear()
        content = document["content"].replace("paragraph 7:", "chapter 7:")
        await rag.update_document("d00", content=content, metadata={"changed": True})
        assert [text.strip()[:18] for text in model.embedded if text != "dimension"] == ["of d00, chapter 7:"]
        stats = (await rag.get_system_stats())["document_statistics"]
        assert (stats["chunks_embedded"], stats["chunks_reused"]) == (1, 39)
        model.embedded.clear()
        await rag.update_document("d00", title="A title stands before every chunk")
        assert len(model.embedded) == 40


async def test_a_document_twice_in_one_call_names_both(model: Failing, manager: VectorDatabaseManager) -> None:
    [one] = documents(1)
    async with system(model, manager) as rag:
        with pytest.raises(errors.InvalidRecordError, match="as number 1 and as number 2; number 1 is"):
            await rag.add_documents([one, one])


async def test_cutting_and_embedding_run_off_the_loop(
    model: Failing, manager: VectorDatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()

    def watch(module: str, name: str) -> None:
        import importlib

        target = importlib.import_module(module)
        real = getattr(target, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            threads.add(threading.get_ident())
            return real(*arguments, **options)

        monkeypatch.setattr(target, name, watched)

    for module, name in (
        ("vpa.rag.ingest", "cut"),
        ("vpa.rag.ingest", "to_batch"),
        ("vpa.rag.reading", "to_document"),
        ("vpa.rag.reading", "to_summary"),
    ):
        watch(module, name)
    async with system(model, manager) as rag:
        await rag.add_document(**documents(1)[0])
        await rag.get_document("d00")
        await rag.update_document("d00", metadata={"a": 1})
        await rag.list_documents()
    assert threads
    assert threading.get_ident() not in threads | model.threads
