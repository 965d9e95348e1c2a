"""Source code and configuration: the text as it is, cut later where its language allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from vpa.ingest.bounded import read_text
from vpa.ingest.contract import Item, SourceDocument, SourceFile
from vpa.ingest.formats import FORMATS


def read(file: SourceFile) -> Iterator[Item]:
    """One document; its title is the file's name with the ending."""
    whole = read_text(file)
    yield from whole.notes
    known = FORMATS.get(file.format)
    yield SourceDocument(
        title=PurePosixPath(file.name).name or file.title,
        content=whole.text,
        format=known.cut_as if known else "text",
        origin=file.name,
    )
