"""What changed between two runs: files that are deleted or only out of sight, renamed, broken, or read better now."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.config.settings import DeploymentConfig
from vpa.rag.intake import flow
from vpa.rag.intake.ledger import Entry, Ledger

SCOPE = vpa.Scope()


@pytest.fixture
async def rag() -> AsyncIterator[vpa.EnhancedRAGSystem]:
    config = DeploymentConfig(embedding_model="hashing", ingest_processes=1, ingest_seconds=20)
    async with vpa.create_enhanced_rag_system(config) as system:
        yield system


async def ids(rag: vpa.EnhancedRAGSystem) -> list[str]:
    return [document.document_id for document in await rag.list_documents()]


def lines(path: Path, *items: str) -> None:
    """A JSONL file; an item without a text is a broken line."""
    path.write_text(
        "".join((json.dumps({"id": i, "text": f"text of {i} about tides"}) if i else "{broken") + "\n" for i in items)
    )


async def test_names_that_are_not_utf8_are_files_too(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    odd = os.fsdecode(b"caf\xe9.txt")
    (docs / odd).write_text("The harbour café.")
    (docs / r"caf\xe9.txt").write_text("Another one, whose name looks like it.")
    await rag.ingest(docs)
    assert await ids(rag) == [r"docs/caf\x5cxe9.txt", r"docs/caf\xe9.txt"]
    report = await rag.ingest(docs, sync=True)
    assert (report.unchanged, report.removed) == (2, 0)
    shutil.copyfile(docs / odd, docs / "copy.txt")
    report = await rag.ingest(docs, sync=True)
    assert (report.moved, report.removed) == (0, 0)
    assert len(await ids(rag)) == 3
    (docs / odd).rename(docs / "new.txt")
    report = await rag.ingest(docs, sync=True)
    assert (report.moved, report.removed) == (1, 0)


async def test_a_folder_that_is_empty_now_keeps_its_documents(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "disk" / "deep").mkdir(parents=True)
    (docs / "here.txt").write_text("The harbour.")
    (docs / "disk" / "deep" / "far.txt").write_text("The ships.")
    (docs / "disk" / "near.txt").write_text("The boats.")
    await rag.ingest(docs)
    shutil.move(docs / "disk", tmp_path / "away")
    (docs / "disk").mkdir()
    (docs / "copy.txt").write_text("The ships.")
    report = await rag.ingest(docs, sync=True)
    assert (report.removed, report.moved) == (0, 0)
    assert "its files (2) were not removed, as it may be a disk" in str(report.notes)
    assert len(await ids(rag)) == 4
    (docs / "disk").rmdir()
    report = await rag.ingest(docs, sync=True)
    assert sorted(report.removed_files) == ["docs/disk/deep/far.txt", "docs/disk/near.txt"]


async def test_a_folder_takes_the_name_of_one_out_of_sight_only_with_all_its_files(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path
) -> None:
    disk, home = tmp_path / "usb" / "docs", tmp_path / "home" / "docs"
    disk.mkdir(parents=True)
    for number in range(4):
        (disk / f"f{number}.txt").write_text(f"Text {number}.")
    await rag.ingest(disk)
    shutil.copytree(disk, home)
    (home / "f3.txt").unlink()
    shutil.rmtree(disk)
    report = await rag.ingest(home, sync=True)
    assert report.removed == 0
    assert await ids(rag) == [*(f"docs/f{n}.txt" for n in range(4)), *(f"home/docs/f{n}.txt" for n in range(3))]


async def test_ids_of_a_file_that_is_deleted_are_free(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    lines(docs / "old.jsonl", "p1", "p2", "p4")
    await rag.ingest(docs)
    (docs / "old.jsonl").unlink()
    lines(docs / "new.jsonl", "p1", "p2", "p3")
    foreseen = await rag.ingest(docs, sync=True, dry_run=True)
    report = await rag.ingest(docs, sync=True)
    assert report.failed == foreseen.failed == []
    assert (report.documents, report.reused) == (foreseen.documents, foreseen.reused)
    assert {d.document_id: d.file for d in await rag.list_documents()} == {f"p{n}": "docs/new.jsonl" for n in (1, 2, 3)}
    report = await rag.ingest(docs, sync=True)
    assert (report.unchanged, report.failed) == (1, [])


async def test_what_left_a_file_goes_although_something_else_in_it_is_broken(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    lines(docs / "rows.jsonl", "p1", "p2", "")
    await rag.ingest(docs)
    lines(docs / "rows.jsonl", "p1", "")
    await rag.ingest(docs)
    assert await ids(rag) == ["p1"]
    # One more line is broken: it may be the one that p1 was.
    lines(docs / "rows.jsonl", "", "", "p3")
    await rag.ingest(docs)
    assert await ids(rag) == ["p1", "p3"]


async def test_of_an_archive_what_is_broken_stays_and_what_was_taken_out_goes(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path
) -> None:
    archive = tmp_path / "all.zip"

    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ann.txt", "Ann was born by the sea.")
        file.writestr("book.json", json.dumps({"title": "The book of tides", "text": "Water rises and falls."}))
        file.writestr("bob.txt", "Bob sails.")
    await rag.ingest(archive)
    assert await ids(rag) == ["all.zip/ann.txt", "all.zip/bob.txt", "all.zip/book.json"]
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("book.json", '{"title": ')
        file.writestr("bob.txt", "Bob sails.")
    report = await rag.ingest(archive)
    assert len(report.failed) == 1
    assert await ids(rag) == ["all.zip/bob.txt", "all.zip/book.json"]


async def test_a_deleted_document_comes_back_while_another_file_has_too_many(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    lines(docs / "rows.jsonl", *(f"p{n}" for n in range(5)))
    (docs / "b.txt").write_text("The boats.")
    await rag.ingest(docs)
    lines(docs / "rows.jsonl", "p0", "")
    await rag.ingest(docs)
    await rag.delete_document("docs/b.txt")
    await rag.ingest(docs)
    assert "docs/b.txt" in await ids(rag)


async def test_a_crash_while_the_ledger_grows_brings_nothing_back(
    rag: vpa.EnhancedRAGSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rag.add_documents([{"document_id": "any", "content": "any"}])
    ledger = Ledger(await rag._of(None), SCOPE)
    for number in range(121):
        ledger.put(Entry(name=f"docs/f{number}", size=1, mtime_ns=1))
    await ledger.save()
    ledger.remove("docs/f0")
    for number in range(20):
        ledger.put(Entry(name=f"docs/g{number}", size=1, mtime_ns=1))

    async def broken(*_: Any, **__: Any) -> int:
        raise ConnectionError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.collection), "delete", broken)
        with pytest.raises(ConnectionError):
            await ledger.save()
    again = Ledger(ledger.collection, SCOPE)
    await again.load()
    assert again.entries == ledger.entries
    await again.save()
    last = Ledger(ledger.collection, SCOPE)
    await last.load()
    assert last.entries == ledger.entries


async def test_a_dry_run_knows_of_moves_and_of_texts_that_are_stored(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("The harbour and its ships.")
    lines(docs / "rows.jsonl", *(f"p{n}" for n in range(50)))
    await rag.ingest(docs)
    (docs / "a.txt").rename(docs / "b.txt")
    lines(docs / "rows.jsonl", *(f"p{n}" for n in range(51)))
    foreseen = await rag.ingest(docs, sync=True, dry_run=True)
    assert foreseen.characters < 100
    report = await rag.ingest(docs, sync=True)
    for name in ("moved", "removed", "documents", "chunks", "reused", "unchanged", "removed_files"):
        assert getattr(foreseen, name) == getattr(report, name), name
    assert (report.moved, report.removed, report.reused) == (1, 0, 50)


async def test_what_could_be_read_in_part_is_told_again_and_tried_again_when_asked(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("The harbour and its ships.")
    take = flow.Flow._take

    async def with_note(self: Any, file: Any, frame: Any, documents: Any) -> None:
        if frame["kind"] == "document":
            note = {"kind": "note", "origin": "a.txt", "message": "page 2 is a picture", "is_mendable": True}
            await take(self, file, note, documents)
        await take(self, file, frame, documents)

    with monkeypatch.context() as patch:
        patch.setattr(flow.Flow, "_take", with_note)
        report = await rag.ingest(tmp_path / "a.txt")
    assert [str(note) for note in report.notes] == ["a.txt: page 2 is a picture"]
    report = await rag.ingest(tmp_path / "a.txt")
    assert report.unchanged == 1
    assert str(report.notes[0]) == "a.txt: page 2 is a picture (as before; --retry tries it again)"
    report = await rag.ingest(tmp_path / "a.txt", retry=True)
    assert (report.documents, report.notes) == (1, [])
    report = await rag.ingest(tmp_path / "a.txt")
    assert (report.unchanged, report.notes) == (1, [])


async def test_everything_is_read_again_where_that_is_asked_for(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The harbour and its ships.")
    await rag.ingest(tmp_path / "a.txt")
    report = await rag.ingest(tmp_path / "a.txt", again=True, metadata={"project": "tides"})
    assert (report.documents, report.reused, report.unchanged) == (1, 1, 0)
    assert (await rag.get_document("a.txt")).metadata["project"] == "tides"
    with pytest.raises(vpa.ConfigurationError, match="choose one"):
        await rag.ingest(tmp_path / "a.txt", again=True, retry=True)
    with pytest.raises(vpa.ConfigurationError, match="names source"):
        await rag.ingest(tmp_path / "a.txt", metadata={"source": "me"})
    with pytest.raises(vpa.InvalidRecordError):
        await rag.ingest(tmp_path / "a.txt", metadata={"x": object()})


async def test_a_path_of_what_was_ingested_is_forgotten_too(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    for name in ("a.txt", "deep/b.txt", "deep/c.txt"):
        (docs / name).write_text(f"The text of {name}.")
    await rag.ingest(docs)
    monkeypatch.chdir(tmp_path)
    assert (await rag.forget(source="./docs/deep/b.txt")).documents == 1
    assert (await rag.forget(source=str(docs / "deep"))).documents == 1
    assert (await rag.forget(source=str(tmp_path / "other"))).is_empty
    assert await ids(rag) == ["docs/a.txt"]


async def test_a_misspelled_option_names_the_one_that_is_meant(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="include"):
        await rag.ingest(tmp_path, inclde=["*.md"])  # type: ignore[call-arg]


async def test_what_is_found_through_a_link_is_called_by_it(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    config, outside = tmp_path / "cfg", tmp_path / "outside"
    (config / "..2024_01" / "sub").mkdir(parents=True)
    outside.mkdir()
    (config / "..2024_01" / "guide.md").write_text("The guide.")
    (config / "..2024_01" / "sub" / "deep.md").write_text("Deep in it.")
    (outside / "x.md").write_text("Somewhere else.")
    (config / "..data").symlink_to("..2024_01")
    (config / "guide.md").symlink_to("..data/guide.md")
    (config / "sub").symlink_to("..data/sub", target_is_directory=True)
    (config / "far").symlink_to(outside, target_is_directory=True)
    await rag.ingest(config, links=True)
    assert await ids(rag) == ["cfg/far/x.md", "cfg/guide.md", "cfg/sub/deep.md"]
    report = await rag.ingest(config, links=True, sync=True)
    assert (report.unchanged, report.removed) == (3, 0)
