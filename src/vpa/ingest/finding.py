"""Which files of the paths that were named are to be read: folders are searched, `.gitignore` and `.vpaignore` obeyed.

Hidden files and links that lead out of the folder are left alone unless asked for. Blocks: run it in a thread.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vpa.base.errors import ConfigurationError
from vpa.ingest.contract import SourceNote, SourceProblem

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_IGNORE_FILES: Final = (".gitignore", ".vpaignore")
_MOST_IGNORE_BYTES: Final = 1 << 20
# How bytes are written that are not UTF-8. What looks like it in a name gets its backslash written that way too.
_ESCAPED: Final = re.compile(rb"\\(x[0-9a-f]{2})")
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
            _spec(patterns)

    def passes_over(self, path: str, name: str) -> bool:
        """Whether a file or folder is left out whatever the patterns say: hidden, a tool's, or the program's own."""
        if name in _NEVER or (name.startswith(".") and not self.hidden):
            return True
        # To follow every path step by step would cost more than all else here.
        is_perhaps = any(os.path.basename(own) == name for own in self.own) or (bool(self.own) and os.path.islink(path))
        return is_perhaps and os.path.realpath(path) in self.own


def find_files(
    paths: Sequence[str | os.PathLike[str]], search: Search
) -> Iterator[FoundFile | SourceProblem | SourceNote]:
    """Every file once, in the order of the paths and of names, however they are spelled."""
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
            real = os.path.realpath(item.path) if os.path.islink(item.path) else os.path.join(real_folder, name)
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


def _find(named: str, search: Search) -> Iterator[FoundFile | SourceProblem | SourceNote]:
    path = os.path.abspath(named)
    shown = readable(named)
    try:
        status = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            yield SourceProblem(shown, f"is a link to {readable(os.readlink(path))}, which does not exist")
        else:
            yield SourceProblem(shown, "does not exist" if isinstance(error, FileNotFoundError) else _reason(error))
        return
    if stat.S_ISDIR(status.st_mode):
        walk = _Walk(path, search)
        yield from walk.run()
        if not walk.is_any:
            yield SourceProblem(shown, "holds no file that is to be read; hidden and ignored ones are left out")
    elif problem := _irregular(status):
        yield SourceProblem(shown, problem)
    else:
        folder = os.path.dirname(path)
        yield _file(path, folder, status, is_named=True)


def _file(path: str, root: str, status: os.stat_result, *, is_named: bool = False) -> FoundFile:
    inside = readable(os.path.relpath(path, root)).replace(os.sep, "/")
    return FoundFile(path, root, inside, status.st_size, status.st_mtime_ns, status.st_ctime_ns, is_named)


def _irregular(status: os.stat_result) -> str:
    """Why a file is not read; empty for a regular one. Reading a pipe may wait for ever."""
    return "" if stat.S_ISREG(status.st_mode) else "is not a regular file (a pipe, socket or device)"


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec | None:
    if not patterns:
        return None
    try:
        from pathspec import GitIgnoreSpec
    except ImportError:
        raise ConfigurationError("patterns for files need pathspec: pip install 'vpa[ingest]'") from None
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"no pattern for files among {list(patterns)!r}: {error}") from None


@dataclass(slots=True)
class _Walk:
    """One folder being searched, without recursion."""

    root: str
    search: Search
    is_any: bool = False
    _include: GitIgnoreSpec | None = field(init=False)
    _exclude: GitIgnoreSpec | None = field(init=False)
    _visited: set[tuple[int, int]] = field(default_factory=set)
    _specs: dict[str, list[tuple[str, GitIgnoreSpec]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._include = _spec(self.search.include)
        self._exclude = _spec(self.search.exclude)

    def run(self) -> Iterator[FoundFile | SourceProblem | SourceNote]:
        self._specs[self.root] = self._above() if self.search.ignore_files else []
        waiting = [self.root]
        while waiting:
            directory = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                yield SourceProblem(readable(directory), _reason(error))
                continue
            yield from self._note_ignores(directory)
            below: list[str] = []
            for entry in ordered:
                yield from self._entry(entry, directory, below)
            waiting += reversed(below)
            if directory != self.root:
                self._specs.pop(directory, None)

    def _entry(
        self, entry: os.DirEntry[str], directory: str, below: list[str]
    ) -> Iterator[FoundFile | SourceProblem | SourceNote]:
        inside = os.path.relpath(entry.path, self.root)
        shown = readable(entry.path)
        if self.search.passes_over(entry.path, entry.name):
            return
        try:
            is_folder, status = entry.is_dir(), entry.stat()
        except OSError as error:
            if not self._is_ignored(entry.path, inside):
                dangling = entry.is_symlink() and isinstance(error, FileNotFoundError)
                yield SourceProblem(shown, "is a link to what does not exist" if dangling else _reason(error))
            return
        if self._is_ignored(entry.path + "/" if is_folder else entry.path, inside + "/" if is_folder else inside):
            return
        if entry.is_symlink() and not is_folder and self._leads_inside(entry.path):
            return  # The file itself is found too, and has the better name.
        if entry.is_symlink() and not self.search.links:
            target = readable(os.path.realpath(entry.path))
            yield SourceNote(shown, f"is a link to {target} and was not followed; --links follows links")
        elif is_folder:
            if (status.st_dev, status.st_ino) not in self._visited:
                self._visited.add((status.st_dev, status.st_ino))
                self._specs[entry.path] = self._specs[directory]
                below.append(entry.path)
        elif self._include is not None and not self._include.match_file(inside):
            return
        elif problem := _irregular(status):
            self.is_any = True
            yield SourceProblem(shown, problem)
        else:
            self.is_any = True
            yield _file(entry.path, self.root, status)

    def _leads_inside(self, path: str) -> bool:
        """Whoever fills the folder must not choose what else of this machine is read."""
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def _is_ignored(self, path: str, inside: str) -> bool:
        if self._exclude is not None and self._exclude.match_file(inside):
            return True
        answer = False
        # The nearest file decides, as in git; a pattern with ! takes back what a file further up says.
        for base, spec in self._specs[os.path.dirname(path.rstrip("/"))]:
            check = spec.check_file(os.path.relpath(path, base) + ("/" if path.endswith("/") else ""))
            if check.include is not None:
                answer = check.include
        return answer

    def _note_ignores(self, directory: str) -> Iterator[SourceNote]:
        for name in _IGNORE_FILES if self.search.ignore_files else ():
            try:
                spec = _read_spec(os.path.join(directory, name))
            except ImportError:
                yield SourceNote(
                    readable(os.path.join(directory, name)), "was not read: pip install 'vpa[ingest]' for pathspec"
                )
                continue
            if spec is not None:
                self._specs[directory] = [*self._specs[directory], (directory, spec)]

    def _above(self) -> list[tuple[str, GitIgnoreSpec]]:
        """The `.gitignore` files of the repository that the folder lies in, from its top down."""
        specs: list[tuple[str, GitIgnoreSpec]] = []
        for parent in Path(self.root).parents if not os.path.exists(f"{self.root}/.git") else ():
            with suppress(ImportError):
                spec = _read_spec(str(parent / ".gitignore"))
                # Whoever names an ignored folder means it.
                if spec and not spec.match_file(os.path.relpath(self.root, parent) + "/"):
                    specs.insert(0, (str(parent), spec))
            if (parent / ".git").exists():
                return specs
        return []


def _read_spec(path: str) -> GitIgnoreSpec | None:
    try:
        if not os.path.isfile(path):
            return None
        from pathspec import GitIgnoreSpec

        with open(path, "rb") as file:
            return GitIgnoreSpec.from_lines(file.read(_MOST_IGNORE_BYTES).decode("utf-8", "replace").splitlines())
    except (OSError, ValueError):
        return None
