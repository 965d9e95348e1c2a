"""Reads files that tests make, by the table of formats, and takes documents apart."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vpa.ingest.contract import Item, Limits, SourceDocument, SourceFile, UnreadableError
from vpa.ingest.formats import FORMATS, format_of_name


def read(path: Path, *, limits: Limits | None = None, ocr_languages: str = "eng") -> list[Item]:
    """Everything that the reader of a file's ending yields."""
    name = format_of_name(path.name)
    file = SourceFile(
        path=path, name=path.name, format=name, title=path.stem, limits=limits or Limits(), ocr_languages=ocr_languages
    )
    return list(FORMATS[name].load()(file))


def read_bytes(folder: Path, name: str, data: bytes, *, limits: Limits | None = None) -> list[Item]:
    """The same of bytes."""
    path = folder / name
    path.write_bytes(data)
    return read(path, limits=limits)


def only(items: list[Item]) -> SourceDocument:
    """The document, where there is nothing else."""
    (document,) = items
    assert isinstance(document, SourceDocument)
    return document


def texts(document: SourceDocument, *kinds: str) -> list[str]:
    """The texts of a document's spans, or of those of some kinds."""
    return [document.content[s.start : s.end] for s in document.spans if not kinds or s.kind in kinds]


def places(document: SourceDocument) -> list[tuple[str, Mapping[str, Any]]]:
    """The text of each span with where it stands."""
    return [(document.content[s.start : s.end], s.at) for s in document.spans]


def refusal(folder: Path, name: str, data: bytes, *, limits: Limits | None = None) -> str:
    """Why a file cannot be read."""
    with pytest.raises(UnreadableError) as caught:
        read_bytes(folder, name, data, limits=limits)
    return str(caught.value)


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    """A ZIP file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def changed(data: bytes, members: Mapping[str, bytes | str]) -> bytes:
    """A ZIP file with other bytes in some members."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return zipped({name: archive.read(name) for name in archive.namelist()} | dict(members))
