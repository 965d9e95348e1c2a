"""Which files of the paths that were named are to be read: folders are searched, `.gitignore` and `.vpaignore` obeyed.

Hidden files and links that lead out of the folder are left alone unless asked for. Blocks: run it in a thread.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from vpa.ingest.contract import SourceNote, SourceProblem
from vpa.ingest.ignoring import (
    Ignore,
    UnreadIgnoreError,
    ignores_above,
    ignores_in,
    spec_of,
    unread,
    verdict,
    without_effect,
)

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# How bytes are written that are not UTF-8. What looks like it in a name gets its backslash written that way too.
_ESCAPED: Final = re.compile(rb"\\(x[0-9a-f]{2})")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# Folders of tools, which no person means when they name the folder above.
_NEVER: Final = frozenset({"__pycache__", "node_modules", "__MACOSX"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file: `path` as it is opened, `root` the folder that was named (of a file that was named itself its folder),
    and `inside` the way from there, readable whatever the bytes of its name are. `is_named`: it was named itself.
    """

    path: str
    root: str
    inside: str
    size: int
    mtime_ns: int
    ctime_ns: int
    is_named: bool = False
    is_link: bool = False


Item: TypeAlias = FoundFile | SourceProblem | SourceNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to search for. `include` and `exclude` are patterns as in `.gitignore`."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    hidden: bool = False
    links: bool = False
    ignore_files: bool = True
    # Folders and files of the program itself, such as the store.
    own: Sequence[str] = ()

    def __post_init__(self) -> None:
        for patterns in (self.include, self.exclude):
            spec_of(patterns)

    def passes_over(self, path: str, name: str, *, is_link: bool | None = None) -> bool:
        """Whether a file or folder is left out whatever the patterns say: hidden, a tool's, or the program's own."""
        if (name in _NEVER and self.ignore_files) or (name.startswith(".") and not self.hidden):
            return True
        # To follow every path step by step would cost more than all else here.
        is_perhaps = bool(self.own) and (os.path.islink(path) if is_link is None else is_link)
        for own in self.own:
            is_perhaps = is_perhaps or own.endswith(name)
        return is_perhaps and self.is_own(path)

    def is_own(self, path: str) -> bool:
        """Whether a path leads to, or into, what belongs to the program itself."""
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(own) for own in self.own)


def find_files(paths: Sequence[str | os.PathLike[str]], search: Search) -> Iterator[Item]:
    """Every file once, in the order of the paths and of names, however they are spelled; links after all others."""
    for pattern in without_effect([*search.include, *search.exclude]):
        yield SourceNote(pattern, "is a pattern that matches no file")
    seen: set[str] = set()
    for named in paths:
        folder, real_folder = "", ""
        for item in _find(os.fspath(named), search):
            if not isinstance(item, FoundFile):
                yield item
                continue
            above, _, name = item.path.rpartition(os.sep)
            if above != folder or not real_folder:
                folder, real_folder = above, os.path.realpath(above or os.sep)
            real = os.path.realpath(item.path) if item.is_link else os.path.join(real_folder, name)
            if real not in seen:
                seen.add(real)
                yield item


def readable(name: str) -> str:
    """A name from the file system as text: bytes that are not UTF-8 as `\\xff`. `raw` takes it back."""
    data = _ESCAPED.sub(rb"\\x5c\1", os.fsencode(name))
    return data.decode("utf-8", "backslashreplace")


def raw(name: str) -> str:
    """The name, as the file system has it, that is `readable` as this."""
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes.fromhex(match[1][1:].decode()), name.encode()))


def _find(named: str, search: Search) -> Iterator[Item]:
    path = os.path.abspath(named)
    shown = readable(named)
    try:
        status = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            yield SourceProblem(shown, f"is a link to {readable(os.readlink(path))}, which does not exist")
        else:
            yield SourceProblem(shown, _missing(named) if isinstance(error, FileNotFoundError) else _reason(error))
        return
    if search.is_own(path):
        yield SourceProblem(shown, "is where vpa keeps its own data, and was not read")
    elif stat.S_ISDIR(status.st_mode):
        walk = _Walk(path, search)
        yield from walk.run(status)
        if not walk.is_any:
            yield SourceProblem(shown, "holds no file that is to be read; hidden and ignored ones are left out")
    elif problem := _irregular(status):
        yield SourceProblem(shown, problem)
    else:
        folder = os.path.dirname(path)
        yield _file(path, folder, status, is_named=True, is_link=os.path.islink(path))


def _missing(named: str) -> str:
    if _URL.match(named):
        return "is a URL, which is not read: download it, and name the file"
    return "does not exist"


def _file(path: str, root: str, status: os.stat_result, *, is_named: bool = False, is_link: bool = False) -> FoundFile:
    inside = readable(_inside(path, root)).replace(os.sep, "/")
    return FoundFile(path, root, inside, status.st_size, status.st_mtime_ns, status.st_ctime_ns, is_named, is_link)


def _inside(path: str, root: str) -> str:
    """The way from a folder to what was found in it."""
    start = root if root.endswith(os.sep) else root + os.sep
    return path[len(start) :] if path.startswith(start) else os.path.relpath(path, root)


def _irregular(status: os.stat_result) -> str:
    """Why a file is not read; empty for a regular one. Reading a pipe may wait for ever."""
    return "" if stat.S_ISREG(status.st_mode) else "is not a regular file (a pipe, socket or device)"


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


@dataclass(slots=True)
class _Walk:
    """One folder being searched, without recursion."""

    root: str
    search: Search
    is_any: bool = False
    _real_root: str = field(init=False)
    _include: GitIgnoreSpec | None = field(init=False)
    _exclude: GitIgnoreSpec | None = field(init=False)
    _visited: set[tuple[int, int]] = field(default_factory=set)
    _ignores: dict[str, list[Ignore]] = field(default_factory=dict)
    # Links to what lies in the folder, looked at when all else of it is known.
    _links: deque[str] = field(default_factory=deque)
    # By directory that a link leads to, its patterns; None for one that is left out.
    _targets: dict[str, list[Ignore] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._real_root = os.path.realpath(self.root)
        self._include = spec_of(self.search.include)
        self._exclude = spec_of(self.search.exclude)

    def run(self, status: os.stat_result) -> Iterator[Item]:
        self._visited.add((status.st_dev, status.st_ino))
        try:
            yield from self._start()
        except UnreadIgnoreError as error:
            self.is_any = True
            yield unread(readable(self.root), error)
            return
        waiting = [self.root]
        while waiting or self._links:
            if waiting:
                yield from self._directory(waiting.pop(), waiting)
            else:
                yield from self._link(self._links.popleft(), waiting)

    def _start(self) -> Iterator[Item]:
        self._ignores[self.root] = []
        if self.search.ignore_files:
            yield from self._obey(self.root, ignores_above(self.root))

    def _directory(self, directory: str, waiting: list[str]) -> Iterator[Item]:
        try:
            with os.scandir(directory) as entries:
                ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
            if self.search.ignore_files:
                yield from self._obey(directory, ignores_in(directory))
        except (OSError, UnreadIgnoreError) as error:
            self.is_any = True
            shown = readable(directory)
            yield unread(shown, error) if isinstance(error, UnreadIgnoreError) else SourceProblem(shown, _reason(error))
            return
        below: list[str] = []
        for entry in ordered:
            yield from self._entry(entry, directory, below)
        waiting += reversed(below)
        if directory != self.root:
            self._ignores.pop(directory, None)

    def _obey(self, directory: str, said: Iterator[Ignore | SourceNote]) -> Iterator[SourceNote]:
        for item in said:
            if isinstance(item, SourceNote):
                yield item
            else:
                self._ignores[directory] = [*self._ignores[directory], item]

    def _entry(self, entry: os.DirEntry[str], directory: str, below: list[str]) -> Iterator[Item]:
        shown, ignores = readable(entry.path), self._ignores[directory]
        if self.search.passes_over(entry.path, entry.name, is_link=entry.is_symlink()):
            return
        try:
            is_folder, status = entry.is_dir(), entry.stat()
        except OSError as error:
            if not self._verdict(entry.path, ignores, is_folder=False):
                dangling = entry.is_symlink() and isinstance(error, FileNotFoundError)
                yield SourceProblem(shown, "is a link to what does not exist" if dangling else _reason(error))
            return
        if self._verdict(entry.path, ignores, is_folder=is_folder):
            return
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if Path(real).is_relative_to(self._real_root):
                self._links.append(entry.path)
                self._ignores[entry.path] = ignores
                return
            # Whoever fills the folder must not choose what else of this machine is read.
            if not self.search.links:
                yield SourceNote(shown, f"is a link to {readable(real)} and was not followed; --links follows links")
                return
        if not is_folder:
            yield from self._file(entry.path, status, is_link=entry.is_symlink())
        elif (status.st_dev, status.st_ino) not in self._visited:
            self._visited.add((status.st_dev, status.st_ino))
            self._ignores[entry.path] = ignores
            below.append(entry.path)

    def _link(self, path: str, waiting: list[str]) -> Iterator[Item]:
        """A link to what lies in the folder. A target that was found itself has the better name; one that is hidden is
        read under the name of the link, as Kubernetes and git-annex mean it. One that a pattern leaves out stays out,
        unless a pattern with `!` takes the link in.
        """
        ignores, real = self._ignores.pop(path), os.path.realpath(path)
        try:
            status = os.stat(path)
        except OSError as error:
            yield SourceProblem(readable(path), _reason(error))
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        is_meant = self.search.ignore_files and verdict(path, ignores, is_folder=is_folder) is False
        if is_folder and Path(os.path.realpath(os.path.dirname(path))).is_relative_to(real):
            yield SourceNote(readable(path), "is a link to a folder that it lies in, and was not followed")
            return
        if is_folder and (status.st_dev, status.st_ino) in self._visited:
            return
        if not is_meant and self._is_left_out(real, is_folder=is_folder):
            target = readable(os.path.relpath(real, self._real_root))
            yield SourceNote(readable(path), f"is a link to {target}, which is left out, and was not followed")
        elif is_folder:
            self._visited.add((status.st_dev, status.st_ino))
            self._ignores[path] = ignores
            waiting.append(path)
        else:
            yield from self._file(path, status, is_link=True)

    def _is_left_out(self, real: str, *, is_folder: bool) -> bool:
        """Whether a pattern, or the name of a tool's folder, leaves out what a link leads to."""
        place = os.path.join(self.root, os.path.relpath(real, self._real_root))
        ignores = self._ignores_at(os.path.dirname(place))
        return ignores is None or self._leaves_out(place, ignores, is_folder=is_folder)

    def _ignores_at(self, directory: str) -> list[Ignore] | None:
        """The patterns that hold in a directory, also in one that is not searched; None where it is left out."""
        place, ignores = self.root, self._ignores[self.root]
        for part in Path(os.path.relpath(directory, self.root)).parts:
            place = os.path.join(place, part)
            if place not in self._targets:
                is_out = self._leaves_out(place, ignores, is_folder=True)
                self._targets[place] = None if is_out else self._with_own(place, ignores)
            below = self._targets[place]
            if below is None:
                return None
            ignores = below
        return ignores

    def _with_own(self, directory: str, above: list[Ignore]) -> list[Ignore] | None:
        if not self.search.ignore_files:
            return above
        try:
            return [*above, *(item for item in ignores_in(directory) if isinstance(item, Ignore))]
        except UnreadIgnoreError:
            return None

    def _leaves_out(self, path: str, ignores: list[Ignore], *, is_folder: bool) -> bool:
        is_tool = os.path.basename(path) in _NEVER and self.search.ignore_files
        return is_tool or self._verdict(path, ignores, is_folder=is_folder)

    def _file(self, path: str, status: os.stat_result, *, is_link: bool) -> Iterator[Item]:
        if self._include is not None and not self._include.match_file(_inside(path, self.root)):
            return
        self.is_any = True
        problem = _irregular(status)
        yield SourceProblem(readable(path), problem) if problem else _file(path, self.root, status, is_link=is_link)

    def _verdict(self, path: str, ignores: list[Ignore], *, is_folder: bool) -> bool:
        """Whether patterns leave a path out."""
        inside = _inside(path, self.root) + ("/" if is_folder else "")
        if self._exclude is not None and self._exclude.match_file(inside):
            return True
        return bool(verdict(path, ignores, is_folder=is_folder))
