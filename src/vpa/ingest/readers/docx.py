"""Word documents (DOCX, DOCM, DOTX): headings, paragraphs, list items, tables as rows, and what hangs on them: text
boxes, footnotes, comments, charts.

Hidden text, and white text, is left out and flagged. Macros and linked files are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from vpa.ingest.cleaning import aware, cleaned, squeezed
from vpa.ingest.contract import Item, Part, SourceFile, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.readers.docx_asides import Asides
from vpa.ingest.readers.office_properties import own_author
from vpa.ingest.tables import table_parts
from vpa.ingest.zipped import opened_zip

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_ON: Final = frozenset({"", "1", "true", "on"})
_STYLES: Final = (f"{_W}rStyle", f"{_W}pStyle", f"{_W}tblStyle")
# Stands among the names of styles for the background of all pages.
_PAGE: Final = "\0page"
_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_TYPES: Final = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
)
# What the library says where a file says nothing.
_PROGRAM_TITLE: Final = "Word Document"
_LEVEL: Final = re.compile(r"heading (\d)", re.IGNORECASE)
# Tables inside of cells inside of tables: deeper ones are read as text.
_DEEPEST: Final = 8
# Word has at most 63 columns.
_WIDEST: Final = 63


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    with opened_zip(file, what="a DOCX file"), damage_named("a DOCX file"):
        yield from _items(file)


def _opened(file: SourceFile) -> Any:
    """The document. The library knows templates and files with macros, which differ in a name, only when told."""
    from docx.opc.part import PartFactory
    from docx.package import Package
    from docx.parts.document import DocumentPart

    PartFactory.part_type_for.update(dict.fromkeys(_TYPES, DocumentPart))
    part = Package.open(str(file.path)).main_document_part
    if not isinstance(part, DocumentPart):
        raise UnreadableError(f"is damaged, or not a DOCX file: its content is {part.content_type[:80]!r}")
    return part.document


def _items(file: SourceFile) -> Iterator[Item]:
    opened = _opened(file)
    body = _Body(_shaded_styles(opened))
    parts = list(body.parts(opened))
    properties = opened.core_properties
    title = squeezed(properties.title or "").removeprefix(_PROGRAM_TITLE) or body.title or _first_heading(parts)
    metadata = {
        "author": own_author(properties.author or ""),
        "created": aware(properties.created) if properties.created else None,
        "language": squeezed(properties.language or ""),
    }
    yield from document(file, parts, title=title, metadata=metadata, flags=body.flags)


def _first_heading(parts: list[Part]) -> str:
    return next((part.text for part in parts if part.kind == "heading"), "")


class _Body:
    """Turns the elements of one document into parts. `title` is the text of its first paragraph of the style Title."""

    def __init__(self, shaded: frozenset[str]) -> None:
        self.flags: set[str] = set()
        self._shaded = shaded
        self.title = ""

    def parts(self, opened: Any) -> Iterator[Part]:
        self._asides = Asides(opened, self._text)
        yield from self._blocks(opened.element.body, opened, depth=0)
        yield from self._asides.rest()
        yield from self._asides.edges()

    def _blocks(self, holder: Any, opened: Any, *, depth: int) -> Iterator[Part]:
        """Paragraphs and tables, also those inside of content controls, without the table of contents."""
        from docx.text.paragraph import Paragraph

        for block in holder.iterchildren(f"{_W}p", f"{_W}tbl", f"{_W}sdt", f"{_W}customXml"):
            if block.tag == f"{_W}tbl":
                yield from table_parts(self._rows(block, depth=1))
                yield from self._boxes(block)
                yield from self._asides.of_block(block)
            elif block.tag == f"{_W}customXml":
                if depth < _DEEPEST:
                    yield from self._blocks(block, opened, depth=depth + 1)
            elif block.tag == f"{_W}sdt":
                content = block.find(f"{_W}sdtContent")
                if content is not None and depth < _DEEPEST and not _is_contents(block):
                    yield from self._blocks(content, opened, depth=depth + 1)
            else:
                if text := self._text(block).strip():
                    yield self._paragraph(Paragraph(block, opened._body), text)
                yield from self._boxes(block)
                yield from self._asides.of_block(block)

    def _boxes(self, block: Any) -> Iterator[Part]:
        """Text boxes that hang on a paragraph or in a table; Word writes each twice, for programs old and new."""
        for box in block.iter(f"{_W}txbxContent"):
            if next(box.iterancestors(f"{_MC}Fallback"), None) is None:
                own = (inner for inner in box.iter(f"{_W}p") if next(inner.iterancestors(f"{_W}txbxContent")) is box)
                yield Part("\n".join(filter(None, (self._text(paragraph).strip() for paragraph in own))))

    def _paragraph(self, block: Any, text: str) -> Part:
        style = _style_name(block)
        if style == "Title":
            self.title = self.title or squeezed(text)
            return Part(squeezed(text), "heading", level=1)
        level = _level(block, style)
        return Part(squeezed(text), "heading", level=level) if level else Part(text)

    def _rows(self, table: Any, *, depth: int) -> Iterator[list[str]]:
        """The rows of a table; a cell that goes on from the one above has its text."""
        above: dict[int, str] = {}
        for row in table.iterchildren(f"{_W}tr"):
            texts: list[str] = []
            for cell in row.iter(f"{_W}tc"):
                if _row_of(cell) is not row:
                    continue
                text = above.get(len(texts), "") if _goes_on(cell) else self._cell(cell, depth=depth)
                above[len(texts)] = text
                texts += [text, *[""] * (_width(cell) - 1)]
            yield texts

    def _cell(self, cell: Any, *, depth: int) -> str:
        texts = []
        for block in cell.iterchildren():
            if block.tag == f"{_W}p":
                texts.append(self._text(block))
            elif block.tag == f"{_W}tbl" and depth < _DEEPEST:
                texts += [" ".join(row) for row in self._rows(block, depth=depth + 1)]
            elif block.tag in (f"{_W}sdt", f"{_W}tbl"):
                texts += map(self._text, block.iter(f"{_W}p"))
        return " ".join(texts)

    def _text(self, paragraph: Any) -> str:
        """The text that a reader of the page sees: insertions yes, deletions and hidden runs no."""
        texts = []
        boxed = next(paragraph.iter(f"{_W}txbxContent"), None) is not None
        for element in paragraph.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr", f"{_W}noBreakHyphen", f"{_MATH}t"):
            run = element.getparent()
            if run is None or run.tag not in (f"{_W}r", f"{_MATH}r") or (boxed and _paragraph_of(run) is not paragraph):
                continue
            text = _TEXTS.get(element.tag) or element.text or ""
            if _is_hidden(run, self._shaded):
                if text.strip():
                    self.flags.add("hidden_text")
            else:
                texts.append(text)
        return cleaned("".join(texts))


_TEXTS: Final = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def _is_contents(control: Any) -> bool:
    gallery = control.find(f"{_W}sdtPr/{_W}docPartObj/{_W}docPartGallery")
    return gallery is not None and gallery.get(f"{_W}val") == "Table of Contents"


def _goes_on(cell: Any) -> bool:
    merge = cell.find(f"{_W}tcPr/{_W}vMerge")
    return merge is not None and merge.get(f"{_W}val", "continue") == "continue"


def _width(cell: Any) -> int:
    """How many columns a cell spans."""
    span = cell.find(f"{_W}tcPr/{_W}gridSpan")
    value = span.get(f"{_W}val", "1") if span is not None else "1"
    return min(max(int(value), 1), _WIDEST) if value.isdecimal() and len(value) < 6 else 1


def _paragraph_of(run: Any) -> Any:
    return next(run.iterancestors(f"{_W}p"), None)


def _row_of(cell: Any) -> Any:
    parent = cell.getparent()
    while parent is not None and parent.tag != f"{_W}tr":
        parent = parent.getparent()
    return parent


def _is_hidden(run: Any, shaded: frozenset[str]) -> bool:
    properties = run.find(f"{_W}rPr")
    if properties is None:
        return False
    vanish = properties.find(f"{_W}vanish")
    if vanish is not None and vanish.get(f"{_W}val", "") in _ON:
        return True
    color = properties.find(f"{_W}color")
    if color is None or color.get(f"{_W}val", "").lower() != "ffffff":
        return False
    # White on a dark background is a design, not a trick.
    return not _is_shaded(run, shaded)


def _is_shaded(run: Any, shaded: frozenset[str]) -> bool:
    """Whether the background of a run may not be white; `shaded` are the styles that have one of their own."""
    if _PAGE in shaded:
        return True
    for holder in (run, *run.iterancestors(f"{_W}p", f"{_W}tc", f"{_W}tbl")):
        for properties in holder.iterchildren(f"{_W}rPr", f"{_W}pPr", f"{_W}tcPr", f"{_W}tblPr"):
            if _has_shading(properties) or properties.find(f"{_W}highlight") is not None:
                return True
            if any(style.get(f"{_W}val") in shaded for style in properties.iterchildren(*_STYLES)):
                return True
    return any(True for _ in run.iterancestors(f"{_W}txbxContent"))


def _shaded_styles(opened: Any) -> frozenset[str]:
    """Ids of the styles with a background for all or a part, such as the first row of a table; `_PAGE` where the pages
    have one.
    """
    styles = {style.get(f"{_W}styleId", ""): style for style in opened.styles.element.iterchildren(f"{_W}style")}
    shaded = {name for name, style in styles.items() if any(map(_has_shading, style.iter()))}
    based = {name: style.find(f"{_W}basedOn") for name, style in styles.items()}
    for name in styles:
        seen, here = {name}, based[name]
        while here is not None and (above := here.get(f"{_W}val", "")) not in seen:
            if above in shaded:
                shaded.add(name)
            seen.add(above)
            here = based.get(above)
    background = opened.element.find(f"{_W}background")
    if background is not None and background.get(f"{_W}color", "auto").lower() not in ("auto", "ffffff"):
        shaded.add(_PAGE)
    return frozenset(shaded)


def _has_shading(properties: Any) -> bool:
    shading = properties.find(f"{_W}shd")
    if shading is None:
        return False
    # A color of the theme is written beside a fill that may be "auto"; a pattern has a color of its own.
    fills = (shading.get(f"{_W}fill", "auto").lower(), shading.get(f"{_W}themeFill", "auto").lower())
    pattern = shading.get(f"{_W}val", "clear")
    return any(fill not in ("auto", "ffffff", "background1", "light1") for fill in fills) or pattern not in (
        "clear",
        "nil",
    )


def _style_name(block: Any) -> str:
    style = block.style
    return (style.name or "") if style is not None else ""


def _level(block: Any, style: str) -> int:
    """The level of a heading, from 1, of the style's name or of the outline; 0 for other paragraphs."""
    if named := _LEVEL.match(style):
        return int(named[1])
    outline = block._p.find(f"{_W}pPr/{_W}outlineLvl")
    value = outline.get(f"{_W}val", "9") if outline is not None else "9"
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0
