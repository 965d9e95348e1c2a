"""How many cells the sheets of a spreadsheet span, before a library allocates them.

One value in the last cell of a sheet makes calamine ask for 512 GB, and the process is aborted: no exception, no
message. XLSB and XLS are not looked at: XLS ends at 65,536 rows and 256 columns.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpa.ingest.zipped import member_bytes, xml_tree

_ROW: Final = re.compile(rb'<(?:\w+:)?row [^>]*?\br="(\d{1,9})"')
_COLUMN: Final = re.compile(rb'<(?:\w+:)?c [^>]*?\br="([A-Za-z]{1,3})\d')
# Cells and rows that do not say where they stand are counted one after the other.
_UNPLACED: Final = re.compile(rb'<(?:\w+:)?(?:c|row)(?:\s+(?!r=")[\w:]+="[^"]*")*\s*/?>')
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CHUNK: Final = 1 << 20
# A tag is shorter than this: what may be cut off at the end of a chunk.
_TAG: Final = 1 << 10


def spans_of_xlsx(archive: zipfile.ZipFile) -> dict[str, int]:
    """By name of a sheet, how many cells lie between its first and its last used row and column."""
    relations = _relations(archive)
    spans = {}
    for sheet in xml_tree(member_bytes(archive, "xl/workbook.xml")).iter("{*}sheet"):
        member = relations.get(sheet.get(_RELATION, ""), "")
        if member in archive.NameToInfo:
            spans[sheet.get("name", "")] = _span(archive, member)
    return spans


def _relations(archive: zipfile.ZipFile) -> Mapping[str, str]:
    tree = xml_tree(member_bytes(archive, "xl/_rels/workbook.xml.rels"))
    targets = {relation.get("Id", ""): relation.get("Target", "") for relation in tree.iter("{*}Relationship")}
    return {name: posixpath.normpath(posixpath.join("/xl", target)).lstrip("/") for name, target in targets.items()}


def _span(archive: zipfile.ZipFile, member: str) -> int:
    first, last, width, unplaced = 0, 0, 0, 0
    for text in _chunks(archive, member):
        if rows := [int(number) for number in _ROW.findall(text)]:
            first = min(first or rows[0], *rows)
            last = max(last, *rows)
        width = max([width, *map(_column, set(_COLUMN.findall(text)))])
        unplaced += sum(1 for _ in _UNPLACED.finditer(text))
    # Rows without a number may be as many as the tags, and so may be columns: together they are at most all of these.
    height = (last - first + 1 if last else 0) + unplaced
    return height * max(width, min(unplaced, 1 << 14))


def _chunks(archive: zipfile.ZipFile, member: str) -> Iterator[bytes]:
    """The bytes in pieces that end with a whole tag."""
    rest = b""
    with archive.open(member) as stream:
        while data := stream.read(_CHUNK):
            data = rest + data
            end = data.rfind(b"<", max(0, len(data) - _TAG))
            end = end if end > 0 else len(data)
            yield data[:end]
            rest = data[end:]
    yield rest


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def spans_of_ods(archive: zipfile.ZipFile) -> dict[str, int]:
    """The same of an OpenDocument spreadsheet, whose rows and cells may be repeated."""
    tree = xml_tree(member_bytes(archive, "content.xml"))
    return {table.get(f"{_TABLE}name", ""): _repeated_span(table) for table in tree.iter(f"{_TABLE}table")}


def _repeated_span(table: Any) -> int:
    height, used, width = 0, 0, 0
    for row in table.iter(f"{_TABLE}table-row"):
        height += _times(row, "rows")
        column = 0
        for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            column += _times(cell, "columns")
            if len(cell):
                used, width = height, max(width, column)
    return used * width


def _times(element: Any, what: str) -> int:
    number = element.get(f"{_TABLE}number-{what}-repeated", "1")
    return int(number) if number.isdecimal() and len(number) < 10 else 1
