"""Which files of a folder are read: ignore files, patterns, hidden names, links, pipes, and every file once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.ingest.contract import SourceNote, SourceProblem
from vpa.ingest.finding import FoundFile, Search, find_files


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"The text of {name}.")


def names(root: Path, *paths: Any, **search: Any) -> list[str]:
    items = find_files(paths or [root], Search(**search))
    return [item.inside for item in items if isinstance(item, FoundFile)]


def remarks(root: Path, **search: Any) -> list[tuple[type, str]]:
    items = find_files([root], Search(**search))
    return [
        (type(item), f"{Path(item.origin).name}: {item.message}") for item in items if not isinstance(item, FoundFile)
    ]


def test_files_come_in_the_order_of_their_names_and_folders_after_files(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/z.txt", "a/b/c.txt", "c.md")
    assert names(tmp_path) == ["b.txt", "c.md", "a/z.txt", "a/b/c.txt"]


def test_hidden_files_and_folders_of_tools_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", ".b.txt", ".git/c.txt", "node_modules/d.txt", "__pycache__/e.txt")
    assert names(tmp_path) == ["a.txt"]
    assert names(tmp_path, hidden=True) == [".b.txt", "a.txt", ".git/c.txt"]


def test_ignore_files_are_obeyed_as_git_does(tmp_path: Path) -> None:
    write(tmp_path, "a.log", "keep.log", "b.txt", "build/c.txt", "deep/d.log", "deep/build/e.txt", "deep/f.tmp")
    (tmp_path / ".gitignore").write_text("*.log\n/build/\n!keep.log\n")
    (tmp_path / "deep" / ".vpaignore").write_text("*.tmp\n!d.log\n")
    assert names(tmp_path) == ["b.txt", "keep.log", "deep/d.log", "deep/build/e.txt"]
    assert len(names(tmp_path, ignore_files=False)) == 7


def test_the_ignore_files_of_the_repository_around_count(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.txt", "docs/b.log", ".git/HEAD")
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert names(tmp_path, tmp_path / "docs") == ["a.txt"]
    os.rename(tmp_path / ".git", tmp_path / "git")
    assert names(tmp_path, tmp_path / "docs") == ["a.txt", "b.log"]


def test_patterns_choose(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.md", "deep/c.md", "deep/d.txt")
    assert names(tmp_path, include=["*.md"]) == ["b.md", "deep/c.md"]
    assert names(tmp_path, exclude=["deep/"]) == ["a.txt", "b.md"]
    assert names(tmp_path, include=["*.md"], exclude=["/b.*"]) == ["deep/c.md"]
    with pytest.raises(vpa.ConfigurationError, match="no pattern for files among"):
        Search(include=[3])  # type: ignore[list-item]


def test_a_file_comes_once_however_it_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "deep/b.txt")
    (tmp_path / "again.txt").symlink_to("a.txt")
    paths = [tmp_path / "a.txt", tmp_path, tmp_path / "deep" / ".." / "deep", str(tmp_path)]
    assert names(tmp_path, *paths) == ["a.txt", "deep/b.txt"]


def test_links_out_of_the_folder_are_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "folder/a.txt", "secret.txt", "other/b.txt")
    folder = tmp_path / "folder"
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "all").symlink_to(tmp_path / "other", target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert names(folder) == ["a.txt"]
    assert [kind for kind, _ in remarks(folder)] == [SourceNote] * 3
    assert all("--links" in text for _, text in remarks(folder))
    assert names(folder, links=True) == ["a.txt", "out.txt", "all/b.txt"]
    assert names(folder, folder / "out.txt") == ["out.txt"]


def test_pipes_sockets_and_dangling_links_are_named_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "null.txt").symlink_to("/dev/null")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    assert remarks(tmp_path, links=True) == [
        (SourceProblem, "gone.txt: is a link to what does not exist"),
        (SourceProblem, "null.txt: is not a regular file (a pipe, socket or device)"),
        (SourceProblem, "pipe.jsonl: is not a regular file (a pipe, socket or device)"),
    ]
    [problem] = find_files([tmp_path / "pipe.jsonl"], Search())
    assert isinstance(problem, SourceProblem)


def test_what_does_not_exist_or_is_empty_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    said = [str(item) for item in find_files([tmp_path / name for name in ("empty", "missing", "dangling")], Search())]
    assert "holds no file that is to be read" in said[0]
    assert said[1].endswith("missing: does not exist")
    assert said[2].endswith("is a link to nowhere, which does not exist")


def test_names_that_are_not_utf8_can_be_read_and_shown(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(path)).write_text("coffee")
    [file] = find_files([tmp_path], Search())
    assert isinstance(file, FoundFile)
    assert file.inside == "caf\\xe9.txt"
    assert Path(file.path).read_text() == "coffee"
