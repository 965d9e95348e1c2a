"""A mail message: its text, and its attachments as files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vpa.ingest.bounded import read_bytes
from vpa.ingest.contract import EmptyFileError, Item, SourceFile, UnreadableError
from vpa.ingest.encoding import looks_binary
from vpa.ingest.messages import items_of_message

# A header, or the line that a mailbox has before one.
_FIRST_LINE: Final = re.compile(rb"[!-9;-~]+:|From ")


def read(file: SourceFile) -> Iterator[Item]:
    """One document with the subject as title, then the attachments."""
    data = read_bytes(file)
    if not data.strip():
        raise EmptyFileError()
    # Some programs write the line of a mailbox, or a blank one, in front of the headers.
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if not _FIRST_LINE.match(data) and looks_binary(data):
        raise UnreadableError("is not a mail message, but a binary file of an unknown kind")
    yield from items_of_message(data, origin=file.name, title=file.title)
