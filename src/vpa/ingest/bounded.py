"""Reading text files in bounded memory, and keeping what a reader makes of them within the limits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vpa.ingest.contract import EmptyFileError, Limits, Part, SourceFile, SourceNote, UnreadableError
from vpa.ingest.encoding import decode, looks_binary

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_MB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file, and what a person should know of how it was decoded."""

    text: str
    notes: tuple[SourceNote, ...] = ()


def read_bytes(file: SourceFile) -> bytes:
    """All bytes of a file that is text; raises UnreadableError for one above `limits.text_bytes`, which is not read."""
    limit = file.limits.text_bytes
    try:
        with file.path.open("rb") as opened:
            # Asking for more than there is would reserve memory for it.
            data = opened.read(min(limit, os.fstat(opened.fileno()).st_size) + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > limit:
        raise too_long(limit)
    return data


def read_text(file: SourceFile, *, declared: str = "") -> FileText:
    """The text of a file, with a note where bytes of it were broken; raises UnreadableError for an empty one, a binary
    one, and one with a line longer than `MAX_LINE_BYTES`.
    """
    data = read_bytes(file)
    if looks_binary(data):
        raise UnreadableError("is a binary file, not text: give it the ending of its format")
    decoded = decode(data, declared=declared)
    check_lines(decoded.text)
    if not decoded.text.strip():
        raise EmptyFileError()
    if not decoded.broken:
        return FileText(decoded.text)
    return FileText(decoded.text, (SourceNote(file.name, broken_note(decoded.broken, decoded.encoding)),))


def broken_note(broken: int, encoding: str) -> str:
    """What a person should know of bytes that could not be decoded."""
    places = "1 place" if broken == 1 else f"{broken} places"
    return f"has {places} that cannot be read as {encoding.upper()}, shown as \ufffd: convert the file to UTF-8"


def check_lines(text: str) -> None:
    """Raises UnreadableError for a line longer than `MAX_LINE_BYTES` characters."""
    start = 0
    while len(text) - start > MAX_LINE_BYTES:
        end = start + MAX_LINE_BYTES + 1
        start = max(text.rfind("\n", start, end), text.rfind("\r", start, end)) + 1
        if not start or start <= end - MAX_LINE_BYTES - 1:
            raise UnreadableError(f"has a line longer than {MAX_LINE_BYTES // _MB} MB: split it")


def too_long(text_bytes: int) -> UnreadableError:
    """The error for more text than the limit."""
    size = f"{text_bytes // _MB} MB" if text_bytes >= _MB else f"{text_bytes} bytes"
    return UnreadableError(f"is longer than {size}: split it, or raise VPA_INGEST_TEXT_MB")


def within(parts: Iterable[Part], limits: Limits) -> Iterator[Part]:
    """The parts, as long as they are within `limits.text_bytes`; then raises UnreadableError.

    Readers that repeat a header or a path make more text than the file has.
    """
    size = 0
    for part in parts:
        # Most text is ASCII or nearly; the limit need not be exact.
        size += len(part.text) + 2
        if size > limits.text_bytes:
            raise too_long(limits.text_bytes)
        yield part
