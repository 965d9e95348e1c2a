"""Files that were made to harm, or in another encoding: read, or named as a problem; the others are read."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import tracemalloc
from pathlib import Path

import pytest

from vpa.ingest.files import count_documents, read_files
from vpa.ingest.readers import lines
from vpa.ingest.source import SourceDocument, SourceProblem


def read(folder: Path) -> tuple[list[SourceDocument], list[str]]:
    items = list(read_files([str(folder)]))
    problems = [f"{Path(item.origin).name}: {item.message}" for item in items if isinstance(item, SourceProblem)]
    return [item for item in items if isinstance(item, SourceDocument)], problems


ROW = json.dumps({"id": "good", "text": "a text"})


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"id": "x", "text": "t", "metadata": ' + '{"a":' * 500 + "1" + "}" * 501,
        '{"id": "x", "text": "t", "n": ' + "9" * 1_000_000 + "}",
        '{"id": "x", "text": "t", "n": 1e999999}',
    ],
)
def test_a_hostile_line_does_not_stop_the_others(tmp_path: Path, line: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f"{line}\n{ROW}\n")
    documents, problems = read(tmp_path)
    assert "good" in [document.document_id for document in documents]
    assert len(documents) + len(problems) == 2
    assert all(problem.startswith("rows.jsonl:1: ") for problem in problems)


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_a_line_without_an_end_takes_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1 << 20)
    opened = {"": open, ".gz": gzip.open, ".xz": lzma.open}[ending]
    with opened(tmp_path / f"rows.jsonl{ending}", "wb") as file:
        for _ in range(64):
            file.write(b"[" * (1 << 20))
        file.write(f"\n{ROW}\n".encode())
    tracemalloc.start()
    documents, problems = read(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [document.document_id for document in documents] == ["good"]
    assert len(problems) == 1
    assert problems[0].startswith(f"rows.jsonl{ending}:1: is longer than")
    assert peak < 16 << 20
    assert count_documents([str(tmp_path)]) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_text_with_a_byte_order_mark_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"
    (tmp_path / "a.md").write_bytes((mark + "# Größe\r\n\r\nText über 語 𝔵").encode(encoding))
    rows = f'{mark}{{"id": "one", "text": "Größe 語 \u0a0d"}}\n\n{{"id": "two", "text": "𝔵"}}'
    (tmp_path / "b.jsonl").write_bytes(rows.encode(encoding))
    documents, problems = read(tmp_path)
    assert problems == []
    assert [(one.title, one.content[-1]) for one in documents] == [("Größe", "𝔵"), ("", "\u0a0d"), ("", "𝔵")]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_text_that_is_not_what_its_mark_says_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfea\x00\x00\xd8a")
    documents, problems = read(tmp_path)
    assert documents == []
    assert "is not UTF-16" in problems[0]


def test_a_link_out_of_the_folder_is_not_followed_unless_it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("a secret")
    (folder / "here.txt").write_text("a text")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "below" / "chain.txt").symlink_to("../out.txt")
    (folder / "below" / "inside.txt").symlink_to("../here.txt")
    (folder / "all").symlink_to(tmp_path, target_is_directory=True)
    documents, problems = read(folder)
    assert sorted(Path(document.document_id).name for document in documents) == ["here.txt", "inside.txt"]
    assert len(problems) == 2
    assert all("outside the folder" in problem for problem in problems)
    [named] = read_files([str(folder / "out.txt")])
    assert isinstance(named, SourceDocument)


def test_devices_and_sockets_are_problems(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "null.txt").symlink_to("/dev/null")
    documents, problems = read(tmp_path)
    assert documents == []
    assert problems == ["null.txt: is not a regular file", "pipe.jsonl: is not a regular file"]
