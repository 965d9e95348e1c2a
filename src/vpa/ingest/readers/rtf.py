"""Rich text (RTF): headings, paragraphs, tables as rows, footnotes, comments, text boxes, headers and footers, and what
the file says of itself. Hidden text, and what a tracked change deleted, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from vpa.ingest.bounded import broken_note
from vpa.ingest.cleaning import moment
from vpa.ingest.contract import EmptyFileError, Item, SourceFile, SourceNote, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.readers.rtf_groups import rich_text

_TIME: Final = "{yr}-{mo:0>2}-{dy:0>2}T{hr:0>2}:{min:0>2}"


def read(file: SourceFile) -> Iterator[Item]:
    """One document, and a note where bytes were broken; raises UnreadableError."""
    data = _bytes(file)
    with damage_named("an RTF file"):
        text = rich_text(data)
    parts = [*text.parts, *text.edges]
    heading = next((part.text for part in parts if part.kind == "heading"), "")
    metadata = {"author": text.facts.get("author", ""), "created": _created(text.facts)}
    yield from document(file, parts, title=text.facts.get("title", "") or heading, metadata=metadata, flags=text.flags)
    if broken := sum(part.text.count("\ufffd") for part in parts):
        yield SourceNote(file.name, broken_note(broken, text.encoding))


def _created(facts: Mapping[str, str]) -> datetime | None:
    numbers = {"hr": "0", "min": "0", **facts}
    return moment(_TIME.format(**numbers)) if {"yr", "mo", "dy"} <= facts.keys() else None


def _bytes(file: SourceFile) -> bytes:
    try:
        data = file.path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise EmptyFileError()
    if not data.lstrip()[:5] == b"{\\rtf":
        raise UnreadableError("is not RTF, whatever its ending says: give it the right ending")
    if not data.rstrip(b"\0 \r\n\t").endswith(b"}"):
        raise UnreadableError("is damaged: its end is missing; get it again, or open it and save it again")
    return data
