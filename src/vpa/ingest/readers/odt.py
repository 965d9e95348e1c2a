"""OpenDocument texts and slides (ODT, ODP): headings, paragraphs, list items, tables as rows, and slides by number."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, Final

from vpa.ingest.cleaning import cleaned, moment, squeezed
from vpa.ingest.contract import Item, Location, Part, SourceFile, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.tables import table_parts
from vpa.ingest.zipped import member_bytes, opened_zip, xml_tree

_ODF: Final = "urn:oasis:names:tc:opendocument:xmlns"
_TEXT: Final = f"{{{_ODF}:text:1.0}}"
_TABLE: Final = f"{{{_ODF}:table:1.0}}"
_DRAW: Final = f"{{{_ODF}:drawing:1.0}}"
_STYLE: Final = f"{{{_ODF}:style:1.0}}"
_FO: Final = f"{{{_ODF}:xsl-fo-compatible:1.0}}"
_PRESENTATION: Final = f"{{{_ODF}:presentation:1.0}}"
_OFFICE: Final = f"{{{_ODF}:office:1.0}}"
_SKIPPED: Final = frozenset(
    {f"{_TEXT}tracked-changes", f"{_TEXT}note-citation", f"{_TEXT}ruby-text", f"{_OFFICE}annotation", f"{_OFFICE}forms"}
)
_STYLE_NAMES: Final = (f"{_TEXT}style-name", f"{_TABLE}style-name", f"{_DRAW}style-name", f"{_PRESENTATION}style-name")
# A run of spaces may claim any number.
_MOST_SPACES: Final = 100


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    what = f"an {file.format.upper()} file"
    with opened_zip(file, what=what) as archive, damage_named(what):
        if "content.xml" not in archive.NameToInfo:
            raise UnreadableError(f"is not {what}: it holds no content.xml")
        if _is_encrypted(archive):
            raise UnreadableError("is encrypted: open it, save it without a password, and add that file")
        root = xml_tree(member_bytes(archive, "content.xml"))
        content = _Content(root)
        parts = list(content.parts())
        facts = _facts(archive)
        heading = next((part.text for part in parts if part.kind == "heading"), "")
        title = facts.pop("title", "") or heading
        yield from document(file, parts, title=title, metadata=facts, flags=content.flags)


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    name = "META-INF/manifest.xml"
    return name in archive.NameToInfo and b"encryption-data" in member_bytes(archive, name)


def _facts(archive: zipfile.ZipFile) -> dict[str, Any]:
    """What meta.xml says, which may be missing."""
    if "meta.xml" not in archive.NameToInfo:
        return {}
    texts: dict[str, str] = {}
    for element in xml_tree(member_bytes(archive, "meta.xml")).iter("{*}*"):
        texts.setdefault(element.tag.rpartition("}")[2], squeezed(element.text or ""))
    return {
        "title": texts.get("title", ""),
        "author": texts.get("initial-creator") or texts.get("creator", ""),
        "created": moment(texts.get("creation-date") or texts.get("date", "")),
        "language": texts.get("language", ""),
    }


class _Content:
    """Turns the tree of content.xml into parts."""

    def __init__(self, root: Any) -> None:
        self.flags: set[str] = set()
        self._root = root
        styles = {style.get(f"{_STYLE}name", ""): style for style in root.iter(f"{_STYLE}style")}
        self._hidden = frozenset(name for name, style in styles.items() if _is_hidden(style))
        self._white = frozenset(name for name, style in styles.items() if _is_white(style))
        self._colored = frozenset(name for name, style in styles.items() if _has_background(style))
        # The background of slides stands elsewhere, and is dark as often as not.
        self._has_pages = next(root.iter(f"{_DRAW}page"), None) is not None

    def parts(self) -> Iterator[Part]:
        body = self._root.find(f"{_OFFICE}body")
        if body is None:
            raise UnreadableError("is damaged: its content has no body")
        slides = 0
        for holder in body:
            for block in holder:
                if block.tag == f"{_DRAW}page":
                    slides += 1
                    yield from self._slide(block, {"slide": slides})
                else:
                    yield from self._blocks(block, {})

    def _slide(self, page: Any, at: Location) -> Iterator[Part]:
        """A slide's title first, then its other frames and its notes."""
        titles = [frame for frame in page if frame.get(f"{_PRESENTATION}class") == "title"]
        for frame in titles:
            if text := squeezed(" ".join(map(self._text, frame.iter(f"{_TEXT}p", f"{_TEXT}h")))):
                yield Part(text, "heading", at, level=1)
        for frame in page:
            if frame not in titles:
                yield from self._blocks(frame, at)

    def _blocks(self, element: Any, at: Location) -> Iterator[Part]:
        tag = element.tag
        if not isinstance(tag, str) or tag in _SKIPPED:
            return
        if tag == f"{_TEXT}h":
            level = element.get(f"{_TEXT}outline-level", "1")
            yield Part(squeezed(self._text(element)), "heading", at, level=int(level) if level.isdecimal() else 1)
        elif tag == f"{_TEXT}p":
            yield Part(self._text(element).strip(), at=at)
            yield from self._inside(element, at)
        elif tag == f"{_TEXT}list" and at:
            # The bullets of one list on a slide belong together.
            lines = (self._text(paragraph).strip() for paragraph in element.iter(f"{_TEXT}p", f"{_TEXT}h"))
            yield Part("\n".join(line for line in lines if line), at=at)
        elif tag == f"{_TABLE}table":
            named = element.find(f"{_TABLE}table-header-rows") is not None
            yield from table_parts(self._rows(element), at=at, header=named)
        else:
            for inner in element:
                yield from self._blocks(inner, at)

    def _inside(self, paragraph: Any, at: Location) -> Iterator[Part]:
        """Text boxes and notes that hang on a paragraph."""
        for inner in paragraph.iter(f"{_DRAW}text-box", f"{_TEXT}note-body"):
            for block in inner:
                yield from self._blocks(block, at)

    def _rows(self, table: Any) -> Iterator[list[str]]:
        for row in table.iter(f"{_TABLE}table-row"):
            cells = row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
            yield [" ".join(map(self._text, cell.iter(f"{_TEXT}p", f"{_TEXT}h"))) for cell in cells]

    def _text(self, element: Any) -> str:
        texts: list[str] = []
        self._collect(element, texts)
        return cleaned("".join(texts))

    def _collect(self, element: Any, texts: list[str]) -> None:
        if self._is_unseen(element):
            if "".join(element.itertext()).strip():
                self.flags.add("hidden_text")
            return
        texts.append(element.text or "")
        for inner in element:
            texts.append(_blank(inner))
            if isinstance(inner.tag, str) and inner.tag not in _SKIPPED and not _is_apart(inner):
                self._collect(inner, texts)
            texts.append(inner.tail or "")

    def _is_unseen(self, element: Any) -> bool:
        """Whether an element is hidden, or white where nothing around it has a background."""
        name = element.get(f"{_TEXT}style-name")
        if name in self._hidden or element.tag == f"{_TEXT}hidden-text":
            return True
        if name not in self._white or self._has_pages:
            return False
        around = (element, *element.iterancestors())
        return not any(holder.get(key) in self._colored for holder in around for key in _STYLE_NAMES)


def _is_apart(element: Any) -> bool:
    """Whether an element inside of a paragraph has paragraphs of its own."""
    return element.tag in (f"{_TEXT}note", f"{_DRAW}frame", f"{_DRAW}custom-shape")


def _blank(element: Any) -> str:
    if element.tag == f"{_TEXT}s":
        count = element.get(f"{_TEXT}c", "1")
        return " " * min(int(count) if count.isdecimal() else 1, _MOST_SPACES)
    return {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}.get(element.tag, "")


def _is_hidden(style: Any) -> bool:
    return any(inner.get(f"{_TEXT}display") == "none" for inner in style.iter(f"{_STYLE}text-properties"))


def _is_white(style: Any) -> bool:
    colors = (inner.get(f"{_FO}color", "").lower() for inner in style.iter(f"{_STYLE}text-properties"))
    return "#ffffff" in colors


def _has_background(style: Any) -> bool:
    for inner in style:
        fill = inner.get(f"{_DRAW}fill-color", "#ffffff") if inner.get(f"{_DRAW}fill", "solid") != "none" else "#ffffff"
        colors = {inner.get(f"{_FO}background-color", "transparent").lower(), fill.lower()}
        if colors - {"transparent", "#ffffff"} or inner.get(f"{_DRAW}fill") in ("gradient", "bitmap", "hatch"):
            return True
    return False
