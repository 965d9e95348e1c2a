"""What stands beside the cells of a spreadsheet: comments, text boxes, titles of charts, and properties of the file."""

from __future__ import annotations

import posixpath
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import Part, UnreadableError
from vpa.ingest.documents import comment_text
from vpa.ingest.readers.office_graphics import chart_titles
from vpa.ingest.readers.office_properties import core_properties, open_properties
from vpa.ingest.zipped import member_bytes, xml_tree

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_C: Final = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_XDR: Final = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_DRAW: Final = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_LARGEST: Final = 10


@dataclass(slots=True)
class Asides:
    """By the name of a sheet, rows with the text that hangs on them; `facts` is what the file says of itself."""

    texts: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[str, Any] = field(default_factory=dict)

    def among(self, parts: Iterable[Part], sheet: str, name: str) -> Iterator[Part]:
        """The parts of a sheet, each aside behind its row; `name` is what the sheet is called in a location."""
        waiting = sorted(self.texts.get(sheet, ()), key=lambda aside: aside[0])[::-1]
        for part in parts:
            while waiting and waiting[-1][0] < part.at["row"]:
                yield _aside(name, waiting.pop())
            yield part
        yield from (_aside(name, aside) for aside in reversed(waiting))


def _aside(name: str, aside: tuple[int, str]) -> Part:
    return Part(aside[1], at={"sheet": name, "row": aside[0]})


def asides_of_xlsx(archive: zipfile.ZipFile) -> Asides:
    """Those of a workbook; what is damaged is left out, as the cells can be read without it."""
    asides = Asides(facts=core_properties(_tree(archive, "docProps/core.xml")))
    workbook = _tree(archive, "xl/workbook.xml")
    sheets = _related(archive, "xl/workbook.xml")
    people = {
        person.get("id"): person.get("displayName")
        for kind, member in sheets.values()
        if kind == "person"
        for person in _elements(_tree(archive, member), "person")
    }
    for sheet in _elements(workbook, "sheet"):
        _, member = sheets.get(sheet.get(f"{_R}id"), ("", ""))
        related = dict(_related(archive, member).values())
        texts = asides.texts[sheet.get("name", "")]
        if "threadedComment" in related:
            texts += _threads(_tree(archive, related["threadedComment"]), people)
        elif "comments" in related:
            texts += _comments(_tree(archive, related["comments"]))
        if "drawing" in related:
            texts += _drawn(archive, related["drawing"])
    return asides


def _tree(archive: zipfile.ZipFile, member: str) -> Any:
    try:
        return xml_tree(member_bytes(archive, member)) if member in archive.NameToInfo else None
    except UnreadableError:
        return None


def _elements(tree: Any, name: str) -> Iterator[Any]:
    return iter(tree.iter(f"{{*}}{name}") if tree is not None else ())


def _related(archive: zipfile.ZipFile, member: str) -> dict[str, tuple[str, str]]:
    """By its id, the kind and the member of all that a member refers to."""
    folder, name = posixpath.split(member)
    tree = _tree(archive, f"{folder}/_rels/{name}.rels")
    return {
        relation.get("Id", ""): (
            relation.get("Type", "").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, relation.get("Target", ""))).lstrip("/"),
        )
        for relation in _elements(tree, "Relationship")
        if relation.get("TargetMode") != "External"
    }


def _comments(tree: Any) -> Iterator[tuple[int, str]]:
    authors = [author.text for author in _elements(tree, "author")]
    for comment in _elements(tree, "comment"):
        number = comment.get("authorId", "")
        author = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else None
        # What helps to pronounce a text is no part of it.
        texts = (t.text or "" for t in comment.iter("{*}t") if not t.getparent().tag.endswith("}rPh"))
        yield _row(comment.get("ref", "")), comment_text(squeezed("".join(texts)), author=author)


def _threads(tree: Any, people: dict[Any, Any]) -> Iterator[tuple[int, str]]:
    for comment in _elements(tree, "threadedComment"):
        text = squeezed(" ".join(text.text or "" for text in comment.iter("{*}text")))
        yield _row(comment.get("ref", "")), comment_text(text, author=people.get(comment.get("personId")))


def _row(reference: str) -> int:
    digits = reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz$")
    return int(digits) if digits.isdecimal() and len(digits) < _LARGEST else 1


def _drawn(archive: zipfile.ZipFile, member: str) -> Iterator[tuple[int, str]]:
    """Text boxes, and the titles of charts, whose values are in the cells."""
    related = _related(archive, member)
    tree = _tree(archive, member)
    for anchor in tree if tree is not None else ():
        row = anchor.findtext(f"{_XDR}from/{_XDR}row") or ""
        number = int(row) + 1 if row.isdecimal() and len(row) < _LARGEST else 1
        for body in anchor.iter(f"{_XDR}txBody"):
            lines = (squeezed("".join(t.text or "" for t in line.iter(f"{_A}t"))) for line in body.iter(f"{_A}p"))
            yield number, "\n".join(filter(None, lines))
        for chart in anchor.iter(f"{_C}chart"):
            _, target = related.get(chart.get(f"{_R}id"), ("", ""))
            plot = _tree(archive, target)
            if plot is not None:
                yield number, chart_titles(plot)


def asides_of_ods(archive: zipfile.ZipFile) -> Asides:
    """The same of an OpenDocument spreadsheet."""
    asides = Asides(facts=open_properties(_tree(archive, "meta.xml")))
    for table in _elements(_tree(archive, "content.xml"), "table"):
        if table.tag == f"{_TABLE}table":
            asides.texts[table.get(f"{_TABLE}name", "")] += _open_texts(table)
    return asides


def _open_texts(table: Any) -> Iterator[tuple[int, str]]:
    for shapes in table.iterchildren(f"{_TABLE}shapes"):
        yield from ((1, _open_text(shape)) for shape in shapes if shape.tag != f"{_DRAW}frame" or _has_box(shape))
    number = 1
    for row in table.iter(f"{_TABLE}table-row"):
        for note in row.iter(f"{_OFFICE}annotation"):
            yield number, comment_text(_open_text(note), author=note.findtext(f"{_DC}creator"))
        for cell in row.iterchildren(f"{_TABLE}table-cell"):
            yield from ((number, _open_text(shape)) for shape in cell if str(shape.tag).startswith(_DRAW))
        repeated = row.get(f"{_TABLE}number-rows-repeated", "1")
        number += int(repeated) if repeated.isdecimal() and len(repeated) < _LARGEST else 1


def _has_box(frame: Any) -> bool:
    return frame.find(f"{_DRAW}text-box") is not None


def _open_text(element: Any) -> str:
    lines = (squeezed("".join(line.itertext())) for line in element.iter(f"{_TEXT}p", f"{_TEXT}h"))
    return " ".join(filter(None, lines))
