"""What is said of files: a harmless remark makes no failure, and what belongs to the program is not read."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import vpa


@pytest.fixture
async def rag() -> AsyncIterator[vpa.EnhancedRAGSystem]:
    async with vpa.create_enhanced_rag_system(embedder="hashing") as system:
        yield system


def archive(path: Path, contents: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in contents.items():
            opened.writestr(name, content)


async def test_an_empty_file_in_an_archive_that_was_named_is_no_failure(
    rag: vpa.EnhancedRAGSystem, tmp_path: Path
) -> None:
    archive(tmp_path / "a.zip", {"p/__init__.py": b"", "readme.md": b"The tides of the sea."})
    report = await rag.ingest(tmp_path / "a.zip")
    assert (report.documents, report.failed) == (1, [])
    assert [str(note) for note in report.notes] == ["a.zip/p/__init__.py: is empty"]
    (tmp_path / "empty.txt").touch()
    assert [str(remark) for remark in (await rag.ingest(tmp_path / "empty.txt")).failed] == ["empty.txt: is empty"]


async def test_many_remarks_are_counted_as_what_they_are(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    contents = {"readme.md": b"The tides of the sea."}
    contents |= {f"{number}.txt": b"" for number in range(102)}
    contents |= {f"{number}.mp3": b"ID3\x04\0\0\0\0\0\0" for number in range(103)}
    archive(tmp_path / "a.zip", contents)
    report = await rag.ingest(tmp_path)
    assert (report.documents, report.failed, len(report.skipped)) == (1, [], 100)
    assert [str(note) for note in report.notes[100:]] == [
        f"{tmp_path.name}/a.zip: has 2 more notes beside the 100 that were named",
        f"{tmp_path.name}/a.zip: has 3 more files of unknown kinds beside the 100 that were named",
    ]
    assert (await rag.ingest(tmp_path)).unchanged == 1
    (tmp_path / "bad.jsonl").write_text("\n".join(["{broken"] * 105 + ['{"text": "The moon."}']))
    report = await rag.ingest(tmp_path)
    assert len(report.failed) == 101
    assert str(report.failed[-1]).endswith("bad.jsonl: has 5 more problems beside the 100 that were named")


async def test_files_of_the_program_are_neither_read_nor_watched(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The tides of the sea.")
    (tmp_path / "report.json").write_text('{"text": "The first report."}')
    rag.own_files = [tmp_path / "report.json"]
    watching = rag.watch(tmp_path)
    assert (await anext(watching)).files == 1
    waiting = asyncio.ensure_future(anext(watching))
    (tmp_path / "report.json").write_text('{"text": "Another report."}')
    (tmp_path / "b.txt").write_text("The moon draws the water.")
    report = await asyncio.wait_for(waiting, 30)
    assert (report.files, report.documents) == (2, 1)
    await watching.aclose()
