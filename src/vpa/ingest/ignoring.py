"""Patterns that leave files out: those of `.gitignore` and `.vpaignore`, and those that a caller names."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from vpa.base.errors import ConfigurationError
from vpa.ingest.contract import SourceNote, SourceProblem

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

GITIGNORE: Final = ".gitignore"
VPAIGNORE: Final = ".vpaignore"
_MOST_BYTES: Final = 1 << 20
# Windows PowerShell writes UTF-16 where its output is sent to a file.
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Ignore(NamedTuple):
    """Patterns, and the directory that they are relative to."""

    base: str
    spec: GitIgnoreSpec


class UnreadIgnoreError(Exception):
    """An ignore file exists and cannot be obeyed; the text says why."""


def spec_of(patterns: Sequence[str]) -> GitIgnoreSpec | None:
    """Patterns that a caller names; None for none of them. Raises ConfigurationError."""
    if not patterns:
        return None
    try:
        from pathspec import GitIgnoreSpec
    except ImportError:
        raise ConfigurationError("patterns for files need pathspec: pip install 'vpa[ingest]'") from None
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (AttributeError, TypeError, ValueError, re.error) as error:
        raise ConfigurationError(f"no pattern for files among {list(patterns)!r}: {error}") from None


def without_effect(patterns: Sequence[str]) -> list[str]:
    """The patterns that match no name at all, such as `[` without its `]`, as git understands them."""
    specs = ((pattern, spec_of([pattern])) for pattern in patterns)
    return [pattern for pattern, spec in specs if spec and all(part.include is None for part in spec.patterns)]


def verdict(path: str, ignores: Sequence[Ignore], *, is_folder: bool) -> bool | None:
    """Whether ignore files leave a path out; False where a pattern with `!` takes it in, None where none names it.

    The nearest file decides, as in git.
    """
    answer = None
    for base, spec in ignores:
        check = spec.check_file(os.path.relpath(path, base) + ("/" if is_folder else ""))
        if check.include is not None:
            answer = check.include
    return answer


def ignores_in(directory: str) -> Iterator[Ignore | SourceNote]:
    """What the ignore files of a directory say. Raises UnreadIgnoreError."""
    for name in (GITIGNORE, VPAIGNORE):
        yield from _read(os.path.join(directory, name))


def ignores_above(root: str) -> Iterator[Ignore | SourceNote]:
    """What the ignore files above a named folder say of what is in it, from the top down. Raises UnreadIgnoreError.

    In a repository these are both files up to its top. Elsewhere git has no say, and `.vpaignore` counts up to the root
    of the file system. Whoever names an ignored folder means it: patterns that leave out the folder itself are dropped.
    """
    parents, names = _above(root)
    for parent in reversed(parents):
        for name in names:
            for item in _read(os.path.join(parent, name)):
                yield item if isinstance(item, SourceNote) else _but_for(root, item)


def _above(root: str) -> tuple[list[str], tuple[str, ...]]:
    """The directories above a folder whose ignore files count, from the nearest on, and the names of those files."""
    places = [root, *map(str, Path(root).parents)]
    top = next((number for number, place in enumerate(places) if os.path.exists(os.path.join(place, ".git"))), None)
    return (places[1:], (VPAIGNORE,)) if top is None else (places[1 : top + 1], (GITIGNORE, VPAIGNORE))


def _but_for(root: str, ignore: Ignore) -> Ignore:
    from pathspec import GitIgnoreSpec

    inside = os.path.relpath(root, ignore.base) + "/"
    patterns = [pattern for pattern in ignore.spec.patterns if not (pattern.include and pattern.match_file(inside))]
    return Ignore(ignore.base, GitIgnoreSpec(patterns))


def _read(path: str) -> Iterator[Ignore | SourceNote]:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    try:
        if not os.path.isfile(path):
            return
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UnreadIgnoreError(f"{shown} cannot be read ({error.strerror or error})") from error
    if len(data) > _MOST_BYTES:
        raise UnreadIgnoreError(f"{shown} is larger than {_MOST_BYTES >> 20} MB")
    try:
        from pathspec import GitIgnoreSpec
    except ImportError:
        yield SourceNote(shown, "was not read: pip install 'vpa[ingest]' for pathspec")
        return
    lines, wrong = [], []
    for line in _text(data).splitlines():
        try:
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error):
            wrong.append(line)
        else:
            lines.append(line)
    if wrong:
        yield SourceNote(shown, f"holds what is no pattern: {', '.join(map(repr, wrong[:3]))}; its other lines count")
    yield Ignore(os.path.dirname(path), GitIgnoreSpec.from_lines(lines))


def _text(data: bytes) -> str:
    """Names that are not UTF-8 as the file system gives them, so that patterns meet them."""
    if data.startswith(_UTF16):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "surrogateescape")


def unread(directory: str, error: UnreadIgnoreError) -> SourceProblem:
    """Why a folder is left out whose ignore file is not known: what it keeps out must not be read."""
    return SourceProblem(directory, f"was left out: {error}; what it keeps out is not known")
