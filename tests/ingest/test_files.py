"""Files become documents and problems; each problem names its place, and both places where two are at odds."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import random
from pathlib import Path
from typing import Any

import pytest

from vpa.ingest.files import count_documents, read_files
from vpa.ingest.source import SourceDocument, SourceProblem


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*paths: str) -> tuple[list[str], list[str]]:
    items = list(read_files(paths))
    documents = [f"{one.origin}={one.document_id}" for one in items if isinstance(one, SourceDocument)]
    return documents, [str(one) for one in items if isinstance(one, SourceProblem)]


def test_an_id_that_occurs_twice_names_both_lines_and_which_was_kept(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"id": "x", "text": "1"}\n{"id": "y", "text": "2"}\n{"id": "x", "text": "3"}\n')
    (folder / "b.jsonl").write_text('{"id": 7, "text": "4"}\n{"id": "7", "text": "5"}\n{"id": "y", "text": "6"}\n')
    documents, problems = read("a.jsonl", "b.jsonl")
    assert documents == ["a.jsonl:1=x", "a.jsonl:2=y", "b.jsonl:1=7"]
    assert problems == [
        "a.jsonl:3: id 'x' is that of a.jsonl:1 already, which was kept",
        "b.jsonl:2: id '7' is that of b.jsonl:1 already, which was kept",
        "b.jsonl:3: id 'y' is that of a.jsonl:2 already, which was kept",
    ]


def test_a_key_that_occurs_twice_in_a_line_is_a_problem_of_that_line(folder: Path) -> None:
    (folder / "a.jsonl").write_text(
        '{"id": "x", "text": "1", "metadata": {"year": 1, "year": 2}}\n{"id": "y", "id": "z", "text": "2"}\n'
        '{"id": "w", "text": "3"}\n'
    )
    documents, problems = read("a.jsonl")
    assert documents == ["a.jsonl:3=w"]
    assert ["'year' occurs twice" in problems[0], "'id' occurs twice" in problems[1], len(problems)] == [True, True, 2]


def test_a_line_that_is_nested_too_deeply_does_not_stop_the_others(folder: Path) -> None:
    (folder / "a.jsonl").write_text("[" * 200_000 + '\n{"id": "w", "text": "3"}\n')
    documents, problems = read("a.jsonl")
    assert documents == ["a.jsonl:2=w"]
    assert problems == ["a.jsonl:1: cannot be read as JSON: it is nested too deeply"]


def test_blank_files_are_empty(folder: Path) -> None:
    for name, content in (("a.txt", b""), ("b.md", b" \r\n\t "), ("c.txt", b"\xef\xbb\xbf \n")):
        (folder / name).write_bytes(content)
    assert read("a.txt", "b.md", "c.txt") == ([], ["a.txt: is empty", "b.md: is empty", "c.txt: is empty"])


def test_pipes_and_links_that_lead_nowhere_are_problems_and_nothing_waits(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    (folder / "gone.txt").symlink_to("nowhere.txt")
    (folder / "real.txt").write_text("a text")
    (folder / "linked.txt").symlink_to("real.txt")
    items = list(read_files([str(folder)]))
    documents = [item.document_id for item in items if isinstance(item, SourceDocument)]
    problems = {Path(item.origin).name: item.message for item in items if isinstance(item, SourceProblem)}
    assert [Path(name).name for name in documents] == ["linked.txt", "real.txt"]
    assert problems == {
        "pipe.txt": "is not a regular file",
        "gone.txt": "is a link to nowhere.txt, which does not exist",
    }
    assert count_documents([str(folder)]) == 2
    [problem] = read_files([str(folder / "pipe.txt")])
    assert str(problem).endswith("pipe.txt: is not a regular file")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "text": "t", "metadata": {"year": 1}, "year": 2}, "has 'year' twice, beside metadata and in it"),
        ({"id": "a", "_id": "b", "text": "t"}, "has id and _id with different values"),
        ({"id": "a", "text": "t", "content": "u"}, "has content and text with different values"),
    ],
)
def test_two_values_for_one_thing_are_a_problem_of_that_line(folder: Path, row: dict[str, Any], message: str) -> None:
    same = {"id": "b", "_id": "b", "text": "t", "content": "t", "metadata": {"year": 1}, "year": 1}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(same) + "\n")
    problem, document = read_files([str(folder)])
    assert isinstance(problem, SourceProblem)
    assert message in problem.message
    assert isinstance(document, SourceDocument)
    assert document.metadata == {"year": 1}


@pytest.mark.parametrize("ending", [".gz", ".xz"])
@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_pack_is_a_problem_and_the_others_are_read(folder: Path, ending: str, seed: int) -> None:
    rows = "".join(json.dumps({"id": str(n), "text": f"text {n}"}) + "\n" for n in range(300)).encode()
    packed = bytearray(gzip.compress(rows) if ending == ".gz" else lzma.compress(rows))
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 5))):
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    (folder / f"bad.jsonl{ending}").write_bytes(packed)
    (folder / "good.txt").write_text("a text")
    items = list(read_files(["."]))
    assert "good.txt" in [Path(item.document_id).name for item in items if isinstance(item, SourceDocument)]
    assert count_documents(["."]) >= 1


@pytest.mark.parametrize("value", ["!!bool maybe", "!!timestamp soon", "!!int ''", "!!float x", "!!binary '%'"])
def test_front_matter_with_tags_that_do_not_fit_leaves_the_file_readable(folder: Path, value: str) -> None:
    (folder / "a.md").write_text(f"---\ntitle: x\ndraft: {value}\n---\n# The heading\n\ntext\n")
    [item] = read_files(["a.md"])
    assert isinstance(item, SourceDocument)
