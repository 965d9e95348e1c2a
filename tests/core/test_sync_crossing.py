"""What a caller of `vpa.sync` gives is read and called in the caller's thread, so that it may use the connection."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa import Record, sync
from vpa.kit.crossing import ASKED, JUDGING, TOLD

COUNT = 300


class Lazily(Mapping[str, Any]):
    """A mapping that asks the connection when it is read, as an ORM's row does."""

    def __init__(self, docs: Any) -> None:
        self._docs = docs
        self.threads: set[threading.Thread] = set()

    def __getitem__(self, key: str) -> Any:
        self.threads.add(threading.current_thread())
        return self._docs.count()

    def __iter__(self) -> Iterator[str]:
        return iter(["n"])

    def __len__(self) -> int:
        return 1


@pytest.fixture
def docs() -> Iterator[Any]:
    with sync.connect("mock://") as db:
        collection = db.create_collection("docs", dimension=2)
        collection.upsert([Record(f"r{n}", vector=[1, n], metadata={"n": n}) for n in range(COUNT)])
        yield collection


def _again(docs: Any) -> Iterator[Record]:
    for n in range(COUNT):
        [found] = docs.get([f"r{n}"])
        yield Record(f"again-{n}", vector=found.vector)


class Ids:
    """Iterable, and no iterator: what it gives is asked for each time."""

    def __init__(self, docs: Any) -> None:
        self._docs = docs

    def __iter__(self) -> Iterator[str]:
        return (record.id for record in self._docs.scan())


FORMS: dict[str, Callable[[Any], Any]] = {
    "upsert of a scan": lambda docs: docs.upsert(docs.scan()),
    "upsert of a generator that gets": lambda docs: docs.upsert(_again(docs)),
    "upsert that replaces what a generator names": lambda docs: docs.upsert(_again(docs), replacing={"n": {"$gte": 0}}),
    "delete of the ids of a scan": lambda docs: docs.delete(ids=(record.id for record in docs.scan())),
    "delete of an iterable that scans": lambda docs: docs.delete(ids=Ids(docs)),
    "update of a generator's ids": lambda docs: docs.update_metadata(
        ids=(record.id for record in docs.scan()), set={"a": 1}
    ),
    "search of a scan's vectors": lambda docs: len(
        docs.search_batch(vectors=(record.vector for record in docs.scan()), top_k=1)
    ),
    "get of a scan's ids": lambda docs: len(docs.get(record.id for record in docs.scan())),
    "audit of a scan": lambda docs: sync.audit(docs, docs.scan()).checked,
    "repair of a generator": lambda docs: sync.repair(docs, _again(docs)).checked,
}


@pytest.mark.parametrize("form", FORMS)
def test_an_iterable_may_use_the_connection_that_reads_it(docs: Any, form: str) -> None:
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(FORMS[form](docs)), daemon=True)
    thread.start()
    thread.join(30)
    assert answer == [COUNT]


def test_a_lazy_mapping_is_read_in_the_thread_of_the_caller(docs: Any) -> None:
    lazily = Lazily(docs)
    assert docs.update_metadata(ids=["r0"], set=lazily) == 1
    assert docs.upsert(iter([Record("new", vector=[1, 0], metadata=lazily)])) == 1
    assert docs.upsert([Record("new", vector=[1, 0], metadata=lazily)]) == 1
    assert docs.get(["new"])[0].metadata == {"n": COUNT + 1}
    assert docs.count(filter=Lazily(docs)) == 1
    assert lazily.threads == {threading.current_thread()}


@pytest.fixture
def rag(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    with sync.create_enhanced_rag_system() as system:
        yield system


def test_documents_may_be_made_of_what_the_connection_finds(rag: Any) -> None:
    rag.add_document(document_id="first", content="some words")

    def found() -> Iterator[dict[str, str]]:
        for number in range(COUNT):
            [result] = rag.search_knowledge("words", top_k=1)
            yield {"document_id": str(number), "content": result.content}

    assert rag.add_documents(found()).documents == COUNT
    lazily = Lazily(rag.manager)
    rag.add_document(document_id="lazy", content="some", metadata=lazily)
    assert lazily.threads == {threading.current_thread()}


def test_what_was_read_before_a_source_broke_comes_first(rag: Any) -> None:
    def broken() -> Iterator[dict[str, str]]:
        yield {"document_id": "", "content": "no name"}
        raise ValueError("the source broke")

    with pytest.raises(vpa.errors.InvalidRecordError):
        rag.add_documents(broken())
    with pytest.raises(ValueError, match="the source broke"):
        rag.add_documents(broken(), collect_errors=True)


def test_progress_is_told_in_the_thread_of_the_caller_and_may_use_the_connection(rag: Any, tmp_path: Path) -> None:
    threads: set[threading.Thread] = set()
    counts: list[int] = []

    def told(*_: Any) -> None:
        threads.add(threading.current_thread())
        counts.append(rag.manager.count())

    rag.add_documents([{"document_id": str(n), "content": f"text {n}"} for n in range(COUNT)], progress=told)
    assert counts[-1] == COUNT
    assert len(counts) >= 3
    seen = len(counts)
    manager = rag.manager
    sync.migrate(
        manager, manager, collection="vpa-index", to_collection="copy", state_directory=str(tmp_path), progress=told
    )
    sync.check(manager.collection("copy"), progress=told)
    assert len(counts) > seen + 1
    assert threads == {threading.current_thread()}


def test_an_error_of_a_callback_ends_the_work_and_is_raised(rag: Any) -> None:
    def told(_: Any) -> None:
        raise LookupError("enough")

    def many() -> Iterator[dict[str, str]]:
        for number in range(100_000):
            yield {"document_id": str(number), "content": "text"}

    with pytest.raises(LookupError, match="enough") as raised:
        rag.add_documents(many(), progress=told)
    assert "records were written before" in "".join(raised.value.__notes__)
    assert 0 < rag.manager.count() < 10_000


def test_a_function_that_embeds_runs_in_the_thread_of_the_caller() -> None:
    threads: set[threading.Thread] = set()

    def embed(texts: list[str]) -> list[list[float]]:
        threads.add(threading.current_thread())
        return [[float(len(text)), 1.0 + cache.count()] for text in texts]

    with sync.connect("mock://") as db:
        cache = db.create_collection("cache", dimension=2)
        for embedder in (embed, sync.as_embedder(embed, name="mine")):
            with sync.create_enhanced_rag_system(embedder=embedder) as rag:
                rag.add_documents([{"document_id": str(n), "content": "text " * n} for n in range(1, 9)])
                assert len(rag.search_knowledge("text")) == 5
    assert threads == {threading.current_thread()}


def test_a_system_over_a_connection_shares_its_loop_and_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    with sync.connect("mock://") as db:
        with sync.create_enhanced_rag_system(manager=db) as rag:
            rag.add_document(document_id="a", content="some words")
        assert db.count() == 1


def _calls() -> dict[str, Any]:
    calls = {name: getattr(vpa, name) for name in vpa.__all__ if inspect.iscoroutinefunction(getattr(vpa, name))}
    for kind in (vpa.Collection, vpa.VectorDatabaseManager, vpa.EnhancedRAGSystem):
        calls |= dict(inspect.getmembers(kind, inspect.iscoroutinefunction))
    return calls


def test_every_parameter_that_takes_a_function_is_known_to_the_crossing() -> None:
    names = {
        name
        for call in _calls().values()
        for name, annotation in inspect.get_annotations(inspect.unwrap(call)).items()
        if name != "return" and ("Callable" in str(annotation) or "Progress" in str(annotation))
    }
    assert names <= TOLD | ASKED | JUDGING


def _takes_async_iterators(call: Any) -> bool:
    annotations = " ".join(str(one) for one in inspect.get_annotations(inspect.unwrap(call)).values())
    return "Source" in annotations or AsyncIterable.__name__ in annotations


def test_whatever_takes_an_asynchronous_source_streams_a_synchronous_one() -> None:
    assert {name for name, call in _calls().items() if _takes_async_iterators(call)} == set(sync._STREAMING)


@pytest.mark.parametrize("form", ["progress", "source"])
def test_a_callback_may_call_what_the_call_around_it_holds(form: str) -> None:
    """The documents that are being added are locked until the caller's thread has embedded them."""

    def embed(texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]

    documents = [{"document_id": f"d{n}", "content": f"text {n}"} for n in range(300)]
    with vpa.sync.create_enhanced_rag_system(manager=vpa.sync.connect("mock://"), embedder=embed) as rag:

        def deleting(report: Any) -> None:
            for number in range(0, 300, 10):
                rag.delete_document(f"d{number}")

        def source() -> Any:
            for number, document in enumerate(documents):
                if number % 50 == 49:
                    rag.delete_document(f"d{number - 1}")
                yield document

        if form == "progress":
            rag.add_documents(documents, progress=deleting)
        else:
            rag.add_documents(source())
        assert len(rag.list_documents()) <= 300


def test_what_a_callback_raises_is_raised_by_the_call_that_it_belongs_to() -> None:
    with vpa.sync.create_enhanced_rag_system(manager=vpa.sync.connect("mock://"), embedder="hashing") as rag:

        def failing(report: Any) -> None:
            rag.list_documents()
            raise KeyError("progress")

        with pytest.raises(KeyError, match="progress"):
            rag.add_documents([{"document_id": "x", "content": "y"}], progress=failing)
        assert [one.document_id for one in rag.list_documents()] in (["x"], [])
