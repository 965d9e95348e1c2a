"""HTML pages: their main text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vpa.ingest.bounded import read_bytes
from vpa.ingest.contract import EmptyFileError, Item, SourceFile, SourceNote, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.encoding import decode, looks_binary
from vpa.ingest.markup import parts_of_html

# Browsers look for it in the first 1,024 bytes; pages with long comments have it later.
_DECLARED: Final = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})|<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{2,40})""",
    re.IGNORECASE,
)
_BEGINNING: Final = 4096
_BINARY: Final = (b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x7fELF", b"\x1f\x8b")


def read(file: SourceFile) -> Iterator[Item]:
    """One document, and a note where bytes were broken; raises UnreadableError."""
    data = read_bytes(file)
    if not data:
        raise EmptyFileError()
    if data.startswith(_BINARY) or looks_binary(data):
        raise UnreadableError("is not HTML, whatever its ending says: give it the right ending")
    decoded = decode(data, declared=declared_encoding(data))
    with damage_named("HTML"):
        page = parts_of_html(decoded.text)
        yield from document(file, page.parts, title=page.title, metadata=page.metadata, flags=page.flags)
    if decoded.broken:
        yield SourceNote(
            file.name,
            f"has {decoded.broken} bytes that are not {decoded.encoding}: they were replaced; save it as UTF-8",
        )


def declared_encoding(data: bytes) -> str:
    """The encoding that a page names in its beginning; empty where it names none."""
    named = _DECLARED.search(data[:_BEGINNING])
    return (named[1] or named[2]).decode("ascii", "replace") if named else ""
