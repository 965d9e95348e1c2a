"""Spreadsheets of OpenDocument as flat XML (FODS), packed as the library wants them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from vpa.ingest.bounded import read_bytes
from vpa.ingest.contract import EmptyFileError, SourceFile, UnreadableError
from vpa.ingest.zipped import refuse_entities, xml_tree

_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_MANIFEST: Final = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'


@contextmanager
def packed(file: SourceFile) -> Iterator[SourceFile]:
    """The same spreadsheet as an ODS file, while it is read; raises UnreadableError."""
    from lxml import etree

    data = read_bytes(file)
    if not data:
        raise EmptyFileError()
    refuse_entities(data, file.name)
    root = xml_tree(data)
    if root.tag != f"{_OFFICE}document":
        raise UnreadableError("is not a spreadsheet, whatever its ending says: give it the right ending")
    _remove_indents(root)
    facts = root.find(f"{_OFFICE}meta")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sheets.ods"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            archive.writestr("content.xml", etree.tostring(root))
            archive.writestr("META-INF/manifest.xml", _MANIFEST)
            if facts is not None:
                archive.writestr("meta.xml", etree.tostring(facts))
        yield replace(file, path=path, format="ods")


def _remove_indents(root: Any) -> None:
    """Flat files are indented, and the library takes blanks between two cells for damage."""
    for element in root.iter(f"{_TABLE}*", f"{_OFFICE}*"):
        element.text = (element.text or "").strip() or None
        for inner in element:
            inner.tail = (inner.tail or "").strip() or None
