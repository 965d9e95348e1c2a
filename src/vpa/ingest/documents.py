"""What the readers of documents share: the document that parts make, within the limit of text, and errors of libraries
in words for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import (
    EmptyFileError,
    Item,
    Part,
    SourceDocument,
    SourceFile,
    SourceProblem,
    UnreadableError,
    assembled,
)


class Bounded:
    """Parts up to the limit of text of a file. `cut` says whether any were left out."""

    def __init__(self, parts: Iterable[Part], file: SourceFile) -> None:
        self._parts = parts
        self._left = file.limits.text_bytes
        self.cut = False

    def __iter__(self) -> Iterator[Part]:
        for part in self._parts:
            self._left -= len(part.text) if part.text.isascii() else len(part.text.encode())
            if self._left < 0:
                self.cut = True
                return
            yield part


def document(
    file: SourceFile,
    parts: Iterable[Part],
    *,
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
    flags: Iterable[str] = (),
) -> Iterator[Item]:
    """The document of a file, and a problem where it holds more text than it may.

    Raises UnreadableError where no part has any text. Empty values of `metadata` are left out.
    """
    bounded = Bounded(parts, file)
    content, spans = assembled(bounded)
    if not content and not bounded.cut:
        raise EmptyFileError("holds no text")
    if content:
        yield SourceDocument(
            title=title or file.title,
            content=content,
            metadata={key: value for key, value in (metadata or {}).items() if value},
            origin=file.name,
            spans=spans,
            flags=tuple(sorted(set(flags))),
        )
    if bounded.cut:
        yield too_much_text(file)


def too_much_text(file: SourceFile) -> SourceProblem:
    """The problem of a file whose text was cut."""
    size = file.limits.text_bytes / (1 << 20)
    return SourceProblem(
        file.name,
        f"holds more than {size:g} MB of text: the rest was left out; split the file, or raise VPA_INGEST_TEXT_MB",
    )


def comment_text(text: str, *, author: str | None) -> str:
    """A remark that hangs on a text, with who made it; empty where it says nothing."""
    name = squeezed(author or "")
    return f"Comment by {name}: {text}" if name and text else f"Comment: {text}" if text else ""


@contextmanager
def damage_named(what: str) -> Iterator[None]:
    """Turns whatever a library raises for broken input into UnreadableError; `what` is the format, "a PDF"."""
    try:
        yield
    except (UnreadableError, ImportError, NameError):
        raise
    except MemoryError as error:
        raise UnreadableError("needs more memory than it may have: split it, or raise VPA_INGEST_MEMORY_MB") from error
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadableError(
            f"is damaged, or not {what} ({reason}): open it in its own program and save it again"
        ) from error
