"""What is forgotten is gone: from searches, caches, histories, the ledger, and the files of the embedded store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import zipfile
from collections.abc import AsyncIterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from deployments import RunningStores
from vpa import errors
from vpa.base.arrays import FloatMatrix
from vpa.base.clock import SystemClock
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.contract import Embedder, Kind
from vpa.rag.intake.ledger import Ledger
from vpa.rag.intake.lock import alone

SCOPE = vpa.Scope()
SECRET = "xylographer"
LONG_TITLE = "The long and winding title of a document about people and what they said of one another in spring"


class Words(Embedder):
    """A vector for each text, with a revision, so that it is cached on disk, and token vectors."""

    identity = EmbeddingIdentity(name="words", dimension=8, revision="1")
    token_width = 8
    max_tokens = 60

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        return np.stack([_vector(text) for text in texts])

    async def embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
        made = []
        for text in texts:
            rows = np.stack([_vector(word) for word in text.split()])
            spans, at = [], 0
            for word in text.split():
                at = text.index(word, at)
                spans.append((at, at + len(word)))
            made.append(TokenVectors(rows, np.add.reduceat(rows, np.arange(0, len(rows), 16), axis=0), text, spans))
        return await self.embed(texts, kind=kind), made


def _vector(text: str) -> Any:
    seed = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
    row = np.random.default_rng(seed).standard_normal(8)
    return (row / np.linalg.norm(row)).astype(np.float32)


def system(path: Path | None = None, **settings: Any) -> vpa.EnhancedRAGSystem:
    config = DeploymentConfig(
        vector_db_path=None if path is None else str(path),
        ingest_processes=1,
        ingest_seconds=20,
        **{"rerank": "light", **settings},
    )
    return vpa.create_enhanced_rag_system(config, embedder=Words())


@pytest.fixture
async def rag() -> AsyncIterator[vpa.EnhancedRAGSystem]:
    async with system() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "notes"
    (root / "ann").mkdir(parents=True)
    (root / "ann" / "letter.txt").write_text(f"Dear Bob, the {SECRET} came to the house.\n")
    (root / "ann" / "diary.md").write_text(f"# Diary\n\nThe {SECRET} left again.\n")
    (root / "annals.txt").write_text("The history of the town.\n")
    rows = [{"id": f"row{n}", "text": f"Row {n} about ships.", "user_id": "bob" if n else "ann"} for n in range(3)]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with zipfile.ZipFile(root / "old.zip", "w") as archive:
        archive.writestr("a/first.txt", f"The {SECRET} in the archive.")
        archive.writestr("b/second.txt", "Nothing of note in the archive.")
    return root


async def ids(rag: vpa.EnhancedRAGSystem) -> list[str]:
    return [document.document_id for document in await rag.list_documents()]


async def ledger_of(rag: vpa.EnhancedRAGSystem) -> Ledger:
    ledger = Ledger(await rag.manager.collection("vpa-index"), SCOPE)
    await ledger.load()
    return ledger


def holding(directory: Path, text: str) -> list[str]:
    """Files below a directory in which the text stands."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return [path.name for path in paths if text.encode() in path.read_bytes()]


async def test_a_folder_goes_with_its_files_and_others_stay(rag: vpa.EnhancedRAGSystem, folder: Path) -> None:
    await rag.ingest(folder)
    report = await rag.forget(source="notes/ann/")
    assert (report.documents, report.chunks, report.files, report.notes) == (2, 2, 2, ())
    assert report.document_ids == ("notes/ann/diary.md", "notes/ann/letter.txt")
    assert await ids(rag) == ["notes/annals.txt", "notes/old.zip/a/first.txt", "notes/old.zip/b/second.txt"] + [
        f"row{n}" for n in range(3)
    ]
    assert sorted((await ledger_of(rag)).entries) == ["notes/annals.txt", "notes/old.zip", "notes/rows.jsonl"]
    assert (await rag.forget(source="notes/ann")).is_empty


@pytest.mark.parametrize(
    ("source", "gone", "files"),
    [
        ("notes/ann/letter.txt", ["notes/ann/letter.txt"], 1),
        ("notes/old.zip", ["notes/old.zip/a/first.txt", "notes/old.zip/b/second.txt"], 1),
        ("notes/old.zip/a/first.txt", ["notes/old.zip/a/first.txt"], 0),
        ("notes/old.zip/a", ["notes/old.zip/a/first.txt"], 0),
        ("notes/rows.jsonl", ["row0", "row1", "row2"], 1),
        ("notes/ann/letter", [], 0),
        ("letters", ["mine", "other"], 0),
    ],
)
async def test_a_source_is_a_file_what_lies_in_it_or_what_a_program_said(
    rag: vpa.EnhancedRAGSystem, folder: Path, source: str, gone: list[str], files: int
) -> None:
    await rag.ingest(folder)
    await rag.add_document(document_id="mine", content="A text.", metadata={"source": "letters"})
    await rag.add_document(document_id="other", content="Another text.", metadata={"source": "letters/of/ann"})
    before = await ids(rag)
    counted = await rag.forget(source=source, dry_run=True)
    assert await ids(rag) == before
    report = await rag.forget(source=source)
    assert (list(report.document_ids), report.files) == (gone, files)
    assert await ids(rag) == [name for name in before if name not in gone]
    assert counted == vpa.ForgetReport(**{**_fields(report), "is_dry_run": True})


def _fields(report: vpa.ForgetReport) -> dict[str, Any]:
    return {**report.to_json(), "document_ids": report.document_ids, "notes": report.notes}


async def test_a_filter_takes_documents_whole_and_the_file_stays_known(
    rag: vpa.EnhancedRAGSystem, folder: Path
) -> None:
    await rag.ingest(folder)
    long = " ".join(f"Word{n} is a word." for n in range(400))
    await rag.add_document(document_id="long", title=LONG_TITLE, content=long, metadata={"user_id": "ann"})
    chunks = (await rag.get_document("long")).chunk_count
    assert chunks > 5
    report = await rag.forget(metadata={"user_id": "ann"})
    assert (report.document_ids, report.chunks, report.files) == (("long", "row0"), chunks + 1, 0)
    # Each vector is in memory; the titles that were shortened to fit the window are no obstacle.
    assert (report.embeddings, report.token_vectors) == (chunks + 1, chunks + 1)
    assert "notes/rows.jsonl" in (await ledger_of(rag)).entries
    assert (await rag.ingest(folder)).documents == 0
    assert "row0" not in await ids(rag)


async def test_a_file_that_still_exists_comes_back_unless_it_is_ignored(
    rag: vpa.EnhancedRAGSystem, folder: Path
) -> None:
    await rag.ingest(folder)
    await rag.forget(source="notes")
    ledger = await ledger_of(rag)
    assert (await ids(rag), ledger.entries, ledger.roots) == ([], {}, {})
    (folder / ".vpaignore").write_text("ann/\n")
    assert (await rag.ingest(folder)).documents == 6
    (folder / ".vpaignore").unlink()
    assert (await rag.ingest(folder)).documents == 2


async def test_entries_of_files_that_failed_go_with_their_source(rag: vpa.EnhancedRAGSystem, folder: Path) -> None:
    (folder / "ann" / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    assert (await rag.ingest(folder)).failed
    assert (await rag.forget(source="notes/ann/bad.pdf")).files == 1
    assert "notes/ann/bad.pdf" not in (await ledger_of(rag)).entries


async def test_words_and_remembered_answers_are_gone(rag: vpa.EnhancedRAGSystem, folder: Path) -> None:
    await rag.ingest(folder)
    assert len(await rag.search_knowledge(SECRET, mode="keyword")) == 3
    await rag.search_knowledge("ships")
    report = await rag.forget(source="notes/ann")
    assert report.cached_answers == 2
    assert len(rag._cache) == 0
    assert len(await rag.search_knowledge(SECRET, mode="keyword")) == 1
    await rag.forget(source="notes/old.zip")
    assert await rag.search_knowledge(SECRET, mode="keyword") == []


async def test_an_answer_that_a_forget_overtakes_is_not_remembered(rag: vpa.EnhancedRAGSystem, folder: Path) -> None:
    await rag.ingest(folder)
    collection = await rag.manager.collection("vpa-index")

    def overtaken(query: str, texts: Sequence[str]) -> list[float]:
        collection._binding.generation += 1
        return [1.0] * len(texts)

    assert await rag.search_knowledge(SECRET, rerank=overtaken)
    assert len(rag._cache) == 0


async def test_a_user_takes_the_history_along(rag: vpa.EnhancedRAGSystem) -> None:
    await rag.add_document(document_id="d", content="Text of Ann.", metadata={"user_id": "ann"})
    for user in ("ann", "ann", "bob", "eve"):
        await rag.search_knowledge("text", user_id=user)
    assert (await rag.forget(user_id="eve", dry_run=True)).searches == 1
    report = await rag.forget(user_id="eve")
    assert (report.searches, report.documents, report.cached_answers, report.is_empty) == (1, 0, 1, False)
    assert (await rag.forget(metadata={"user_id": {"$in": ["eve", "x"]}})).searches == 0
    report = await rag.forget(metadata={"user_id": "ann"}, user_id="bob")
    assert (report.searches, report.documents) == (3, 1)
    assert [await rag.get_search_history(user) for user in ("ann", "bob", "eve")] == [[], [], []]
    assert not rag._embedder._questions


async def test_both_name_documents_that_match_both(rag: vpa.EnhancedRAGSystem, folder: Path) -> None:
    await rag.ingest(folder)
    report = await rag.forget(source="notes", metadata={"user_id": "ann"})
    assert report.document_ids == ("row0",)
    assert len((await ledger_of(rag)).entries) == 5


async def test_records_that_are_no_documents_go_too(rag: vpa.EnhancedRAGSystem) -> None:
    collection = await rag.manager.collection("vpa-index")
    await collection.upsert(
        [vpa.Record(name, vector=_vector(name), text="t", metadata={"user_id": name}) for name in ("ann", "bob")]
    )
    report = await rag.forget(metadata={"user_id": "ann"})
    assert (report.documents, report.records, report.is_empty) == (0, 1, False)
    assert [record.id async for record in collection.scan()] == ["bob"]


async def test_versions_that_a_crash_left_go_too(rag: vpa.EnhancedRAGSystem) -> None:
    await rag.add_document(document_id="d", content=f"The old {SECRET}.", metadata={"user_id": "ann"})
    collection = await rag.manager.collection("vpa-index")
    old = [record async for record in collection.scan()]
    await rag.update_document("d", content="The new text.")
    await collection.upsert(old)
    assert await collection.count() == 2
    report = await rag.forget(metadata={"user_id": "ann"})
    assert (report.documents, report.chunks, await collection.count()) == (1, 2, 0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, errors.InvalidQueryError, "needs a source"),
        ({"source": ""}, errors.InvalidQueryError, "not empty"),
        ({"source": "/"}, errors.InvalidQueryError, "not empty"),
        ({"user_id": 3}, errors.InvalidQueryError, "user_id of forget"),
        ({"metadata": {}}, errors.InvalidFilterError, "matches every document"),
        ({"metadata": {"$or": [{"a": 1}, {}]}, "source": "x"}, errors.InvalidFilterError, "matches every document"),
        ({"source": "x", "collection": "nope"}, errors.CollectionNotFoundError, "nope"),
    ],
)
async def test_what_is_refused(
    rag: vpa.EnhancedRAGSystem, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await rag.forget(**options)


async def test_an_ingest_that_runs_keeps_it_out(rag: vpa.EnhancedRAGSystem, folder: Path) -> None:
    await rag.ingest(folder)
    async with alone(await ledger_of(rag), SystemClock()):
        with pytest.raises(errors.StorageLockedError):
            await rag.forget(source="notes")
        assert (await rag.forget(source="notes", dry_run=True)).documents == 8
        assert (await rag.forget(user_id="ann")).is_empty
    assert (await rag.forget(source="notes")).documents == 8


async def test_updates_meanwhile_are_whole(rag: vpa.EnhancedRAGSystem) -> None:
    """A document that is updated while its source is forgotten is there whole, or not at all."""
    names = [f"d{n}" for n in range(20)]
    await rag.add_documents(
        {"document_id": name, "content": "Old text. " * 300, "metadata": {"source": "s"}} for name in names
    )

    async def update(name: str) -> None:
        try:
            await rag.update_document(name, content="New text. " * 300, metadata={"source": "kept"})
        except errors.DocumentNotFoundError:
            pass

    report, *_ = await asyncio.gather(rag.forget(source="s"), *map(update, names))
    left = await ids(rag)
    assert len(left) + report.documents == len(names)
    for name in left:
        assert (await rag.get_document(name)).content == "New text. " * 300


async def test_scopes_and_collections_are_apart(rag: vpa.EnhancedRAGSystem) -> None:
    places: list[dict[str, Any]] = [{}, {"scope": vpa.Scope("acme")}, {"collection": "others"}]
    for place in places:
        await rag.add_document(document_id="d", content="Text.", metadata={"source": "s"}, **place)
    assert (await rag.forget(source="s", scope=vpa.Scope("acme"))).documents == 1
    assert (await rag.forget(source="s", collection="others")).documents == 1
    assert await ids(rag) == ["d"]


# On disk


async def test_no_byte_of_the_text_is_left_on_the_disk(tmp_path: Path, folder: Path) -> None:
    store = tmp_path / "store"
    async with system(store) as rag:
        await rag.ingest(folder)
        await rag.search_knowledge(SECRET, mode="keyword")
    assert holding(store, SECRET)
    async with system(store) as rag:
        report = await rag.forget(source="notes")
        assert (report.documents, report.embeddings, report.token_vectors, report.notes) == (8, 8, 8, ())
        assert holding(store, SECRET) == []
        assert holding(store, "notes/ann") == []
    assert holding(store, SECRET) == []
    async with system(store) as rag:
        assert await rag.search_knowledge(SECRET, mode="keyword") == []
        await rag.add_document(document_id="d", content="Another text.")
        assert len(await rag.search_knowledge("another", mode="keyword")) == 1


async def test_what_was_deleted_before_leaves_the_disk_too(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with system(store) as rag:
        await rag.add_document(document_id="d", content=f"The {SECRET}.", metadata={"source": "s"})
        await rag.delete_document("d")
        assert holding(store, SECRET)
        assert (await rag.forget(source="s")).is_empty
        assert holding(store, SECRET) == []


async def test_a_store_that_cannot_be_rewritten_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(collection: Any) -> None:
        raise errors.StorageFullError("no room")

    async with system(tmp_path / "store") as rag:
        await rag.add_document(document_id="d", content="Text.", metadata={"source": "s"})
        monkeypatch.setattr("vpa.client.collection.Collection.optimize", full)
        report = await rag.forget(source="s")
        assert (report.documents, await ids(rag)) == (1, [])
        assert "still hold them" in report.notes[0]


def test_the_synchronous_system_forgets_too() -> None:
    with vpa.sync.create_enhanced_rag_system(embedder="hashing") as rag:
        rag.add_document(document_id="d", content="Text.", metadata={"source": "s"})
        assert rag.forget(source="s").documents == 1


async def test_it_leaves_the_disk_while_others_are_written(tmp_path: Path, folder: Path) -> None:
    store = tmp_path / "store"
    async with system(store) as rag:
        await rag.ingest(folder)
        # A snapshot, and a log behind it.
        await (await rag.manager.collection("vpa-index")).optimize()
        await rag.update_document("notes/ann/letter.txt", content=f"The {SECRET} again.")

        async def write() -> None:
            for n in range(40):
                await rag.add_document(document_id=f"n{n % 5}", content=f"Note number {n}.")

        async def forget() -> None:
            await rag.forget(source="notes/ann")
            await rag.forget(metadata=vpa.F("source").starts_with("notes/old"))

        await asyncio.gather(forget(), write())
        assert holding(store, SECRET) == []
        assert {f"n{n}" for n in range(5)} <= set(await ids(rag))
    assert holding(store, SECRET) == []


async def test_cached_vectors_leave_their_files(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with system(store) as rag:
        await rag.add_documents(
            {"document_id": f"d{n}", "title": LONG_TITLE, "content": f"Text number {n}.", "metadata": {"n": n}}
            for n in range(50)
        )
    files = [store / "embeddings.sqlite", store / "token-vectors.sqlite"]
    before = [dict(sqlite3.connect(path).execute(f"SELECT key, value FROM {table}")) for path, table in _tables(files)]
    assert [len(rows) for rows in before] == [50, 50]
    async with system(store) as rag:
        report = await rag.forget(metadata={"n": {"$lt": 20}})
        # Nothing of them is in memory, as another process embedded them.
        assert (report.embeddings, report.token_vectors) == (20, 20)
        after = [
            dict(sqlite3.connect(path).execute(f"SELECT key, value FROM {table}")) for path, table in _tables(files)
        ]
        for was, now in zip(before, after, strict=True):
            assert len(now) == 30
            for key in was.keys() - now.keys():
                for path in store.glob("*.sqlite*"):
                    assert was[key] not in path.read_bytes()
                    assert key not in path.read_bytes()


def _tables(files: Sequence[Path]) -> list[tuple[Path, str]]:
    result = []
    for path in files:
        names = [row[0] for row in sqlite3.connect(path).execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        result.append((path, next(name for name in names if name not in ("total", "sqlite_sequence"))))
    return result


async def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with system(store) as rag:
        await rag.add_document(document_id="d", content="Text.", metadata={"source": "s"})
    (store / "embeddings.sqlite").write_bytes(b"damaged " * 100)
    async with system(store) as rag:
        report = await rag.forget(source="s")
    assert report.documents == 1
    [note] = report.notes
    assert "embeddings.sqlite cannot be used" in note
    assert "delete that file" in note


# Other stores


@pytest.mark.parametrize("name", ["qdrant local mode", "chromadb in process"])
async def test_another_store_forgets_as_well(stores: RunningStores, name: str, folder: Path) -> None:
    config = DeploymentConfig(rerank="light", ingest_processes=1)
    async with (
        vpa.VectorDatabaseManager(stores.config(name)) as manager,
        vpa.create_enhanced_rag_system(config, manager=manager, embedder=Words()) as rag,
    ):
        await rag.ingest(folder)
        report = await rag.forget(source="notes/ann")
        assert (report.documents, report.files, len(report.notes)) == (2, 2, 1)
        assert "store's own files" in report.notes[0]
        assert len(await rag.search_knowledge(SECRET, mode="keyword")) == 1
        assert (await rag.forget(metadata={"user_id": "ann"})).document_ids == ("row0",)
        assert (await rag.forget(source="notes")).documents == 5
        assert await ids(rag) == []
