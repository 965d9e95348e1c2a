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


def test_vpaignore_counts_from_above_with_a_repository_and_without(tmp_path: Path) -> None:
    write(tmp_path, "docs/sub/a.md", "docs/sub/secret.md", "docs/sub/deep/b.tmp", "docs/sub/deep/secret.md")
    (tmp_path / "docs" / ".vpaignore").write_text("secret.md\nsub/\n")
    (tmp_path / ".vpaignore").write_text("*.tmp\n")
    # sub/ was named, so it is meant; what else the file says counts.
    assert names(tmp_path, tmp_path / "docs" / "sub") == ["a.md"]
    assert names(tmp_path, tmp_path / "docs" / "sub" / "deep") == []
    (tmp_path / "docs" / ".git").mkdir()
    # As git does, a repository looks no further than its top.
    assert names(tmp_path, tmp_path / "docs" / "sub") == ["a.md", "deep/b.tmp"]
    (tmp_path / "docs" / "sub" / ".git").mkdir()
    assert len(names(tmp_path, tmp_path / "docs" / "sub")) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_ignore_files_are_read_in_the_encodings_of_editors(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, "a.md", "secret.md")
    name = "caf\xe9.md"
    Path(
        os.fsdecode(os.fsencode(tmp_path) + b"/" + name.encode("latin-1" if encoding == "latin-1" else "utf-8"))
    ).touch()
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    (tmp_path / ".vpaignore").write_bytes(mark + f"secret.md\r\n{name}\r\n".encode(encoding))
    assert names(tmp_path) == ["a.md"]


def test_a_line_that_is_no_pattern_costs_itself(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "secret.md")
    (tmp_path / ".vpaignore").write_text("!\n[z-a]\nsecret.md\n")
    assert names(tmp_path) == ["a.md"]
    [(kind, text)] = remarks(tmp_path)
    assert kind is SourceNote
    assert "holds what is no pattern: '!', '[z-a]'; its other lines count" in text


def test_a_folder_whose_ignore_file_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "deep/secret.md")
    (tmp_path / "deep" / ".vpaignore").write_bytes(b"#" * ((1 << 20) + 1))
    assert names(tmp_path) == ["a.md"]
    [(kind, text)] = remarks(tmp_path)
    assert kind is SourceProblem
    assert "is larger than 1 MB; what it keeps out is not known" in text
    assert names(tmp_path, tmp_path / "deep") == []
    (tmp_path / "deep" / "below").mkdir()
    write(tmp_path, "deep/below/b.md")
    assert names(tmp_path, tmp_path / "deep" / "below") == []
    assert names(tmp_path, ignore_files=False) == ["a.md", "deep/secret.md", "deep/below/b.md"]


def test_patterns_choose(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.md", "deep/c.md", "deep/d.txt")
    assert names(tmp_path, include=["*.md"]) == ["b.md", "deep/c.md"]
    assert names(tmp_path, exclude=["deep/"]) == ["a.txt", "b.md"]
    assert names(tmp_path, include=["*.md"], exclude=["/b.*"]) == ["deep/c.md"]
    with pytest.raises(vpa.ConfigurationError, match="no pattern for files among"):
        Search(include=[3])  # type: ignore[list-item]


def test_patterns_that_match_no_name_are_told(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    assert [text for _, text in remarks(tmp_path, exclude=["[", "*.tmp", "#x"])] == [
        "[: is a pattern that matches no file",
        "#x: is a pattern that matches no file",
    ]
    with pytest.raises(vpa.ConfigurationError, match="no pattern for files among"):
        Search(exclude=["[z-a]"])


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
    said = remarks(folder)
    assert [kind for kind, _ in said] == [SourceNote] * 3
    assert ["--links" in text for _, text in said].count(True) == 2
    assert "a folder that it lies in" in said[-1][1]
    assert names(folder, links=True) == ["a.txt", "out.txt", "all/b.txt"]
    assert names(folder, folder / "out.txt") == ["out.txt"]


def test_a_link_stands_for_what_is_found_only_through_it(tmp_path: Path) -> None:
    # As Kubernetes mounts a ConfigMap, and git-annex keeps large files.
    write(tmp_path, "..2024_01/guide.md", "..2024_01/sub/deep.md", ".git/annex/objects/a1/tides", "plain.md")
    (tmp_path / "..data").symlink_to("..2024_01")
    (tmp_path / "guide.md").symlink_to("..data/guide.md")
    (tmp_path / "again.md").symlink_to("..data/guide.md")
    (tmp_path / "sub").symlink_to("..data/sub", target_is_directory=True)
    (tmp_path / "tides.pdf").symlink_to(".git/annex/objects/a1/tides")
    (tmp_path / "plain-too.md").symlink_to("plain.md")
    (tmp_path / "..2024_01" / "sub" / "up").symlink_to("..", target_is_directory=True)
    expected = ["plain.md", "again.md", "sub/deep.md", "tides.pdf"]
    assert names(tmp_path) == expected
    assert names(tmp_path, links=True) == expected
    assert names(tmp_path, exclude=["sub"], include=["*.md"]) == ["plain.md", "again.md"]
    said = ["up: is a link to a folder that it lies in, and was not followed"]
    assert [text for _, text in remarks(tmp_path)] == said


def test_a_link_to_what_is_ignored_is_read_only_where_a_pattern_takes_it_in(tmp_path: Path) -> None:
    write(tmp_path, "drafts/v7.md", "secret.md", ".hidden/.vpaignore", ".hidden/a.md", "node_modules/x/b.md", "c.md")
    (tmp_path / ".hidden" / ".vpaignore").write_text("a.md\n")
    (tmp_path / ".vpaignore").write_text("drafts/\nsecret.md\n!final.md\n")
    targets = {"final": "drafts/v7", "open": "secret", "a": ".hidden/a", "b": "node_modules/x/b", "early": "drafts/v7"}
    for name, target in targets.items():
        (tmp_path / f"{name}.md").symlink_to(f"{target}.md")
    (tmp_path / "all").symlink_to("drafts", target_is_directory=True)
    assert names(tmp_path) == ["c.md", "final.md"]
    said = remarks(tmp_path)
    assert len(said) == 5
    assert (SourceNote, "open.md: is a link to secret.md, which is left out, and was not followed") in said
    expected = ["c.md", "node_modules/x/b.md"]
    assert names(tmp_path, ignore_files=False, exclude=["secret.md", "/a.md", "drafts"]) == expected


def test_what_belongs_to_the_program_is_not_read_however_it_is_named(tmp_path: Path) -> None:
    write(tmp_path, "data/store.json", "notes/a.md")
    (tmp_path / "notes" / "store.json").symlink_to(tmp_path / "data" / "store.json")
    (tmp_path / "notes" / "store").symlink_to(tmp_path / "data", target_is_directory=True)
    own = [str(tmp_path / "data")]
    assert names(tmp_path, own=own, links=True) == ["notes/a.md"]
    for path in ("data", "data/store.json", "notes/store"):
        [problem] = find_files([tmp_path / path], Search(own=own))
        assert isinstance(problem, SourceProblem)
        assert problem.message == "is where vpa keeps its own data, and was not read"


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


def test_a_url_is_told_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("https://example.org/a.pdf", "s3://store/a.txt", "file:///tmp/a.txt"):
        [problem] = find_files([url], Search())
        assert str(problem) == f"{url}: is a URL, which is not read: download it, and name the file"
    write(tmp_path, "https:/example.org/a.pdf")
    assert names(tmp_path, "https://example.org/a.pdf") == ["a.pdf"]


def test_names_that_are_not_utf8_can_be_read_and_shown(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(path)).write_text("coffee")
    [file] = find_files([tmp_path], Search())
    assert isinstance(file, FoundFile)
    assert file.inside == "caf\\xe9.txt"
    assert Path(file.path).read_text() == "coffee"
