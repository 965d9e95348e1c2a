"""OpenDocument texts, slides and drawings (ODT, ODP, ODG, and their flat XML): headings, paragraphs, list items, tables
as rows, shapes, charts, comments, and slides by number.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote

from vpa.ingest.bounded import read_bytes
from vpa.ingest.cleaning import cleaned, squeezed
from vpa.ingest.contract import EmptyFileError, Item, Location, Part, SourceFile, UnreadableError
from vpa.ingest.documents import comment_text, damage_named, document
from vpa.ingest.readers.odt_styles import Styles, named_styles
from vpa.ingest.readers.office_properties import open_properties
from vpa.ingest.tables import table_parts
from vpa.ingest.zipped import member_bytes, opened_zip, refuse_entities, xml_tree

_ODF: Final = "urn:oasis:names:tc:opendocument:xmlns"
_TEXT: Final = f"{{{_ODF}:text:1.0}}"
_TABLE: Final = f"{{{_ODF}:table:1.0}}"
_DRAW: Final = f"{{{_ODF}:drawing:1.0}}"
_STYLE: Final = f"{{{_ODF}:style:1.0}}"
_PRESENTATION: Final = f"{{{_ODF}:presentation:1.0}}"
_OFFICE: Final = f"{{{_ODF}:office:1.0}}"
_XLINK: Final = "{http://www.w3.org/1999/xlink}"
_MATH: Final = "{http://www.w3.org/1998/Math/MathML}"
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_PARAGRAPHS: Final = (f"{_TEXT}p", f"{_TEXT}h")
_SKIPPED: Final = frozenset(
    {f"{_TEXT}tracked-changes", f"{_TEXT}note-citation", f"{_TEXT}ruby-text", f"{_OFFICE}forms", f"{_DC}creator"}
)
# What stands inside of a paragraph and has paragraphs of its own; so have the shapes.
_APART: Final = frozenset({f"{_TEXT}note", f"{_OFFICE}annotation"})
# The date, the footer and the number of a slide.
_FURNITURE: Final = frozenset({"header", "footer", "date-time", "page-number"})
# A run of spaces may claim any number, and a cell any number of columns.
_MOST_SPACES: Final = 100
_WIDEST: Final = 63


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    if file.format.startswith("f"):
        yield from _read_flat(file)
        return
    what = f"an {file.format.upper()} file"
    with opened_zip(file, what=what) as archive, damage_named(what):
        if "content.xml" not in archive.NameToInfo:
            raise UnreadableError(f"is not {what}: it holds no content.xml")
        if _is_encrypted(archive):
            raise UnreadableError("is encrypted: open it, save it without a password, and add that file")
        content, pages, facts = (_member_tree(archive, name) for name in ("content.xml", "styles.xml", "meta.xml"))
        yield from _items(file, content, pages=pages, facts=facts, objects=lambda name: _object(archive, name))


def _read_flat(file: SourceFile) -> Iterator[Item]:
    data = read_bytes(file)
    if not data:
        raise EmptyFileError()
    what = f"an {file.format.upper()} file"
    with damage_named(what):
        refuse_entities(data, file.name)
        root = xml_tree(data)
        if root.tag != f"{_OFFICE}document":
            raise UnreadableError(f"is not {what}, whatever its ending says: give it the right ending")
        yield from _items(file, root, pages=root, facts=root.find(f"{_OFFICE}meta"), objects=lambda name: None)


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    name = "META-INF/manifest.xml"
    return name in archive.NameToInfo and b"encryption-data" in member_bytes(archive, name)


def _member_tree(archive: zipfile.ZipFile, name: str) -> Any:
    """The tree of a member; None where it is missing."""
    return xml_tree(member_bytes(archive, name)) if name in archive.NameToInfo else None


def _object(archive: zipfile.ZipFile, name: str) -> Any:
    """The tree of an embedded object, such as a chart or a formula; None where it is missing or damaged."""
    try:
        return _member_tree(archive, posixpath.join(posixpath.normpath(unquote(name)), "content.xml"))
    except UnreadableError:
        return None


def _items(file: SourceFile, root: Any, *, pages: Any, facts: Any, objects: Callable[[str], Any]) -> Iterator[Item]:
    """The document of a tree of content. `pages` has its headers and footers, `objects` gives what it embeds."""
    content = _Content(root, pages, objects)
    parts = list(content.parts(counted="page" if file.format in ("odg", "fodg") else "slide"))
    if pages is not None:
        parts += _Content(pages, pages, objects).edges()
    metadata = open_properties(facts)
    heading = next((part.text for part in parts if part.kind == "heading"), "")
    title = metadata.pop("title", "") or heading
    yield from document(file, parts, title=title, metadata=metadata, flags=content.flags)


class _Content:
    """Turns a tree of content into parts."""

    def __init__(self, root: Any, pages: Any, objects: Callable[[str], Any]) -> None:
        self.flags: set[str] = set()
        self._root = root
        self._styles = Styles(root, named_styles(pages))
        self._objects = objects
        self._embeds: set[str] = set()

    def parts(self, *, counted: str) -> Iterator[Part]:
        """All parts of the body; `counted` is what its pages are called in a location."""
        body = self._root.find(f"{_OFFICE}body")
        if body is None:
            raise UnreadableError("is damaged: its content has no body")
        number = 0
        for holder in body:
            for block in holder:
                if block.tag == f"{_DRAW}page":
                    number += 1
                    yield from self._page(block, {counted: number})
                else:
                    yield from self._blocks(block, {})

    def edges(self) -> Iterator[Part]:
        """The headers and footers of the pages, each distinct one once."""
        seen: set[str] = set()
        for page in self._root.iter(f"{_STYLE}master-page"):
            for edge in page:
                name = edge.tag.removeprefix(_STYLE) if isinstance(edge.tag, str) else ""
                if not name.startswith(("header", "footer")) or edge.get(f"{_STYLE}display") == "false":
                    continue
                text = "\n".join(filter(None, (part.text for part in self._blocks(edge, {}))))
                # Numbers of pages alone say nothing.
                if any(map(str.isalpha, text)) and text not in seen:
                    seen.add(text)
                    yield Part(text)

    def _page(self, page: Any, at: Location) -> Iterator[Part]:
        """A slide's title first, then its other frames and its notes."""
        if self._styles.is_hidden_slide(page.get(f"{_DRAW}style-name")):
            self.flags.add("hidden_text")
        titles = [frame for frame in page if frame.get(f"{_PRESENTATION}class") == "title"]
        for frame in titles:
            if text := squeezed(" ".join(map(self._text, frame.iter(*_PARAGRAPHS)))):
                yield Part(text, "heading", at, level=1)
        for frame in page:
            if frame not in titles:
                yield from self._blocks(frame, at)

    def _blocks(self, element: Any, at: Location) -> Iterator[Part]:
        tag = element.tag
        if not isinstance(tag, str) or tag in _SKIPPED or element.get(f"{_PRESENTATION}class") in _FURNITURE:
            return
        if element.get(f"{_TEXT}display") == "none":
            self._hide(element)
        elif tag == f"{_TEXT}h":
            level = element.get(f"{_TEXT}outline-level", "1")
            yield Part(squeezed(self._text(element)), "heading", at, level=int(level) if level.isdecimal() else 1)
            yield from self._inside(element, at)
        elif tag == f"{_TEXT}p":
            yield Part(self._text(element).strip(), at=at)
            yield from self._inside(element, at)
        elif tag == f"{_TEXT}list" and at:
            # The bullets of one list on a slide belong together.
            lines = (self._text(paragraph).strip() for paragraph in element.iter(*_PARAGRAPHS))
            yield Part("\n".join(line for line in lines if line), at=at)
        elif tag == f"{_TABLE}table":
            header = element.find(f"{_TABLE}table-header-rows") is not None
            yield from table_parts(self._rows(element), at=at, header=header)
        elif tag == f"{_OFFICE}annotation":
            text = squeezed(" ".join(map(self._text, element.iter(*_PARAGRAPHS))))
            yield Part(comment_text(text, author=element.findtext(f"{_DC}creator")), at=at)
        elif tag == f"{_DRAW}object":
            yield from self._embedded(element, at)
        else:
            for inner in element:
                yield from self._blocks(inner, at)

    def _inside(self, element: Any, at: Location) -> Iterator[Part]:
        """The shapes, notes and comments that hang on a paragraph, at any depth of its spans."""
        for inner in element:
            if _is_apart(inner):
                yield from self._blocks(inner, at)
            elif inner.tag not in _SKIPPED:
                yield from self._inside(inner, at)

    def _embedded(self, element: Any, at: Location) -> Iterator[Part]:
        """The title, the labels and the values of a chart, and what a formula reads."""
        root = element[0] if len(element) else self._object(element.get(f"{_XLINK}href", ""))
        if root is not None and root.tag.startswith(_MATH):
            yield Part(squeezed(" ".join(_formula(root))), at=at)
        elif root is not None and (body := root.find(f"{_OFFICE}body")) is not None:
            yield from self._blocks(body, at)

    def _object(self, name: str) -> Any:
        """The tree of an embedded object, once: one may hold itself."""
        if name in self._embeds:
            return None
        self._embeds.add(name)
        return self._objects(name)

    def _rows(self, table: Any) -> Iterator[list[str]]:
        """The rows of a table without those of tables inside of its cells, which are text of the cells."""
        above: dict[int, tuple[str, int]] = {}
        for row in table.iter(f"{_TABLE}table-row"):
            if next(row.iterancestors(f"{_TABLE}table")) is table:
                yield self._cells(row, above)

    def _cells(self, row: Any, above: dict[int, tuple[str, int]]) -> list[str]:
        """The cells of a row; `above` has the text of those that go on in the next rows, and in how many."""
        texts: list[str] = []
        for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            text, left = above.pop(len(texts), ("", 0))
            if not left:
                text = " ".join(filter(None, self._cell(cell)))
                left = _number(cell, "number-rows-spanned")
            if left > 1:
                above[len(texts)] = (text, left - 1)
            texts += [text] * _number(cell, "number-columns-repeated")
        return texts

    def _cell(self, cell: Any) -> Iterator[str]:
        for block in cell:
            if block.tag == f"{_TABLE}table":
                yield from (" ".join(filter(None, row)) for row in self._rows(block))
            else:
                yield from (part.text for part in self._blocks(block, {}))

    def _text(self, element: Any) -> str:
        if any(field.get(f"{_TEXT}is-hidden") == "true" for field in element.iter(f"{_TEXT}hidden-paragraph")):
            self._hide(element)
            return ""
        texts: list[str] = []
        self._collect(element, texts)
        return cleaned("".join(texts))

    def _collect(self, element: Any, texts: list[str]) -> None:
        if self._styles.is_unseen(element) or element.tag == f"{_TEXT}hidden-text":
            self._hide(element)
            return
        texts.append(element.text or "")
        for inner in element:
            texts.append(_white(inner))
            if isinstance(inner.tag, str) and inner.tag not in _SKIPPED and not _is_apart(inner):
                self._collect(inner, texts)
            texts.append(inner.tail or "")

    def _hide(self, element: Any) -> None:
        if "".join(element.itertext()).strip():
            self.flags.add("hidden_text")


def _is_apart(element: Any) -> bool:
    """Whether an element inside of a paragraph has paragraphs of its own: a shape, a note, a comment."""
    return isinstance(element.tag, str) and (element.tag in _APART or element.tag.startswith(_DRAW))


def _number(cell: Any, name: str) -> int:
    """How many rows or columns a cell has."""
    number = cell.get(f"{_TABLE}{name}", "1")
    return max(min(int(number), _WIDEST), 1) if number.isdecimal() and len(number) < 6 else 1


def _formula(element: Any) -> Iterator[str]:
    """The signs of a formula without the source that it was made from."""
    for inner in element.iter("{*}mi", "{*}mn", "{*}mo", "{*}mtext"):
        yield inner.text or ""


def _white(element: Any) -> str:
    if element.tag == f"{_TEXT}s":
        count = element.get(f"{_TEXT}c", "1")
        return " " * min(int(count) if count.isdecimal() else 1, _MOST_SPACES)
    return {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}.get(element.tag, "")
