"""From paths to documents: finds files, picks the reader of each, keeps going over problems."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from vpa.ingest.readers.jsonl import UNREADABLE, read_jsonl_file
from vpa.ingest.readers.lines import read_lines
from vpa.ingest.readers.text import read_text_file
from vpa.ingest.source import Item, Reader, SourceProblem

READERS: Final[Mapping[str, Reader]] = {
    ".jsonl": read_jsonl_file,
    ".ndjson": read_jsonl_file,
    ".txt": read_text_file,
    ".md": read_text_file,
    ".markdown": read_text_file,
}
_PACKED: Final = (".gz", ".xz")


def reader_of(path: Path) -> Reader | None:
    """The reader for a file's ending; packed files only for JSON lines."""
    if path.suffix.lower() in _PACKED:
        inner = READERS.get(Path(path.stem).suffix.lower())
        return inner if inner is read_jsonl_file else None
    return READERS.get(path.suffix.lower())


def find_files(paths: Sequence[str]) -> Iterator[tuple[Path, str] | SourceProblem]:
    """`(path, name)` for each file; folders are searched for known endings, hidden names are passed over.

    The name is the path from the working directory, or the whole one where it leads elsewhere, however it was typed; a
    file that several paths lead to comes once.
    """
    seen: set[str] = set()
    for found in _find(paths):
        if isinstance(found, SourceProblem):
            yield found
        elif (name := _name(found)) not in seen:
            seen.add(name)
            yield found, name


def _name(path: Path) -> str:
    whole, here = Path(os.path.abspath(path)), Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()


def _find(paths: Sequence[str]) -> Iterator[Path | SourceProblem]:
    for given in paths:
        root = Path(given)
        if root.is_dir():
            yield from _inside(root)
        elif problem := _problem(root):
            yield SourceProblem(given, problem)
        elif reader_of(root) is None:
            yield SourceProblem(given, f"has an ending that no reader knows; known: {', '.join(sorted(READERS))}")
        else:
            yield root


def _problem(path: Path) -> str:
    """Why a file cannot be read at all; empty where it can. A pipe is not tried: reading one may wait for ever."""
    if path.is_file():
        return ""
    if path.exists():
        return "is not a regular file"
    return f"is a link to {path.readlink()}, which does not exist" if path.is_symlink() else "does not exist"


def _outside(path: Path, root: Path) -> str:
    """Why a link inside a folder is not followed; empty where it leads to a file of the same folder.

    Whoever fills the folder must not choose what else of this machine is read; a link that is named itself is followed.
    """
    if not path.is_symlink() or path.resolve().is_relative_to(root.resolve()):
        return ""
    return f"is a link to {path.resolve()}, outside the folder; name the file itself to add it"


def _inside(root: Path) -> Iterator[Path | SourceProblem]:
    found = False
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if hidden or reader_of(path) is None or path.is_dir():
            continue
        found = True
        if problem := _problem(path) or _outside(path, root):
            yield SourceProblem(path.as_posix(), problem)
        else:
            yield path
    if not found:
        yield SourceProblem(str(root), f"holds no file with a known ending ({', '.join(sorted(READERS))})")


def passed_over(paths: Sequence[str]) -> dict[str, int]:
    """How many files of folders are left out since no reader knows their ending, by ending; hidden ones not counted."""
    strange = {
        _name(path): path.suffix.lower() or path.name
        for root in map(Path, paths)
        if root.is_dir()
        for path in root.rglob("*")
        if path.is_file()
        and reader_of(path) is None
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    return dict(sorted(Counter(strange.values()).items()))


def read_files(paths: Sequence[str]) -> Iterator[Item]:
    """Every document and every problem, in order; of documents with one id the first, and a problem for each other."""
    origins: dict[str, str] = {}
    for item in _read_all(paths):
        if isinstance(item, SourceProblem):
            yield item
        elif item.document_id in origins:
            kept = origins[item.document_id]
            yield SourceProblem(item.origin, f"id {item.document_id!r} is that of {kept} already, which was kept")
        else:
            origins[item.document_id] = item.origin
            yield item


def _read_all(paths: Sequence[str]) -> Iterator[Item]:
    for found in find_files(paths):
        if isinstance(found, SourceProblem):
            yield found
            continue
        path, name = found
        reader = reader_of(path)
        if reader is not None:
            yield from reader(path, name=name)


def count_documents(paths: Sequence[str]) -> int:
    """About how many documents there are, for a progress bar: lines of JSON, or one a file."""
    total = 0
    for found in find_files(paths):
        if isinstance(found, SourceProblem):
            continue
        try:
            total += sum(1 for _ in read_lines(found[0])) if reader_of(found[0]) is read_jsonl_file else 1
        except (*UNREADABLE, ValueError):
            total += 1
    return total
