"""The same names without await, on one owner loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vpa
from vpa import Record, sync
from vpa.base import errors


def test_a_store_without_await(new_threads: Callable[[], list[str]]) -> None:
    with vpa.sync.connect("mock://") as db:
        docs = db.create_collection("docs", dimension=2, metric="cosine", exist_ok=True)
        assert (
            docs.upsert([vpa.sync.Record("a", vector=[1, 0], metadata={"n": 1}), vpa.Record("b", vector=[0, 1])]) == 2
        )
        hits = docs.search(vector=[1, 0.1], top_k=1, filter=vpa.sync.F("n") >= 1)
        assert hits.ids == ["a"]
        assert [record.id for record in docs.scan()] == ["a", "b"]
        assert [len(batch) for batch in docs.scan_batches(batch_size=1)] == [1, 1]
        assert next(iter(docs.scan())).id == "a"
        assert docs.explain({"n": 1})["complete"] is True
        assert docs.info.dimension == 2
        assert (docs.name, db.is_connected) == ("docs", True)
        assert db.collection("docs").count() == 2
        assert "sync" in repr(docs)
        with pytest.raises(TypeError):
            docs.search(vector=[1, 0], where={})
        with pytest.raises(errors.InvalidFilterError):
            docs.count(filter={"$foo": 1})
    assert new_threads() == []
    with pytest.raises(errors.ClosedError):
        docs.count()


def test_a_failed_connect_leaves_no_thread(tmp_path: Path, new_threads: Callable[[], list[str]]) -> None:
    with (
        vpa.sync.connect(f"mock://{tmp_path}"),
        pytest.raises(errors.StorageLockedError),
        vpa.sync.connect(f"mock://{tmp_path}"),
    ):
        pass
    assert new_threads() == []


def test_the_rag_system_without_await(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    with vpa.sync.create_enhanced_rag_system() as rag:
        rag.add_document(document_id="a", title="T", content="some words")
        assert [result.document_id for result in rag.search_knowledge("words")] == ["a"]
        assert rag.manager.count() == 1
        assert rag.get_system_stats()["initialized"] is True
    rag = vpa.sync.create_enhanced_rag_system()
    rag.initialize()
    rag.shutdown()
    manager = vpa.sync.create_vector_database_manager()
    assert manager.connect() is manager
    manager.close()


def test_signatures_and_docs_are_those_of_the_asynchronous_verbs() -> None:
    assert vpa.sync.Collection.search.__doc__ == vpa.Collection.search.__doc__
    public = {name for name in dir(vpa.Collection) if not name.startswith("_")}
    assert public <= set(dir(vpa.sync.Collection))
    with pytest.raises(AttributeError):
        _ = vpa.sync.nonsense


def test_facades_are_arguments_too() -> None:
    with vpa.sync.connect("mock://") as db:
        docs = db.create_collection("docs", dimension=2)
        docs.adopt_embedding(vpa.EmbeddingIdentity(name="m", dimension=2))
        assert db.collection("docs").info.embedding == vpa.EmbeddingIdentity(name="m", dimension=2)


def test_records_from_an_iterator_over_the_same_connection_are_copied() -> None:
    with sync.connect("mock://") as db:
        a = db.create_collection("aa", dimension=2)
        b = db.create_collection("bb", dimension=2)
        a.upsert([Record(f"r{n}", vector=[1, n]) for n in range(3)])
        assert b.upsert(a.scan()) == 3
        assert b.upsert(record for record in a.scan()) == 3
        assert b.delete(ids=(record.id for record in a.scan())) == 3


def test_closing_in_one_thread_ends_the_calls_of_the_others() -> None:
    slow = threading.Event()

    async def embed(texts: list[str]) -> list[list[float]]:
        if texts != ["dimension"]:  # Not what tells the dimension, when it is opened.
            slow.set()
            await asyncio.sleep(60)
        return [[1.0, 0.0] for _ in texts]

    rag = sync.create_enhanced_rag_system(embedder=embed)
    ended: list[BaseException] = []

    def add() -> None:
        try:
            rag.add_document(document_id="a", content="b")
        except errors.VectorDatabaseError as error:
            ended.append(error)

    with rag:
        adding = threading.Thread(target=add)
        adding.start()
        slow.wait(10)
    adding.join(10)
    assert not adding.is_alive()
    assert [type(error) for error in ended] == [errors.ClosedError]


def test_documents_are_read_no_faster_than_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    read = 0

    def documents() -> Iterator[dict[str, str]]:
        nonlocal read
        for number in range(3000):
            read += 1
            yield {"document_id": str(number), "content": f"text {number}"}

    seen: list[int] = []
    with sync.create_enhanced_rag_system() as rag:
        report = rag.add_documents(documents(), progress=lambda report: seen.append(read))
        assert report.documents == 3000
        assert seen[0] < 1000

        def stored() -> Iterator[dict[str, str]]:
            # It asks the connection that reads it.
            for one in rag.list_documents(limit=3):
                yield {"document_id": f"copy-{one.document_id}", "content": rag.get_document(one.document_id).content}
            raise ValueError("the source broke")

        with pytest.raises(ValueError, match="the source broke"):
            rag.add_documents(stored())
        docs = rag.manager.collection("vpa-index")
        count = docs.count()
        assert sync.audit(docs, (record for record in docs.scan())).checked == count


def test_a_reader_is_not_disturbed_by_drops(tmp_path: Path) -> None:
    stored, ended = threading.Event(), threading.Event()

    def churn() -> None:
        with sync.connect(f"mock://{tmp_path}") as db:
            db.create_collection("kept", dimension=2).upsert([Record("a", vector=[1, 0])])
            stored.set()
            while not ended.is_set():
                db.create_collection("passing", dimension=2).upsert([Record("a", vector=[1, 0])])
                db.drop_collection("passing")

    churning = threading.Thread(target=churn)
    churning.start()
    try:
        assert stored.wait(30)
        for _ in range(40):
            with sync.connect(f"mock://{tmp_path}", read_only=True) as reader:
                assert reader.collection("kept").count() == 1
                for _ in range(20):
                    assert "kept" in reader.get_statistics()["collections"]
    finally:
        ended.set()
        churning.join()
