"""Slides (PPTX, PPTM, POTX, PPSX): of each its title as a heading, its text, its tables as rows, its charts, diagrams,
notes and comments, with its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from vpa.ingest.cleaning import aware, cleaned, squeezed
from vpa.ingest.contract import Item, Location, Part, SourceFile, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.readers.office_graphics import graphic_parts
from vpa.ingest.readers.office_properties import own_author
from vpa.ingest.readers.pptx_comments import slide_comments
from vpa.ingest.tables import table_parts
from vpa.ingest.zipped import opened_zip

_TYPES: Final = (
    "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
)
_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_TEXTS: Final = (f"{_A}t", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t")
# Groups of shapes inside of groups.
_DEEPEST: Final = 20


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    with opened_zip(file, what="a PPTX file"), damage_named("a PPTX file"):
        yield from _items(file)


def _opened(file: SourceFile) -> Any:
    """The presentation. The library knows templates and shows, which differ in a name, only when told."""
    from pptx.opc.package import PartFactory
    from pptx.package import Package
    from pptx.parts.presentation import PresentationPart

    PartFactory.part_type_for.update(dict.fromkeys(_TYPES, PresentationPart))
    part = Package.open(str(file.path)).presentation_part
    if not isinstance(part, PresentationPart):
        raise UnreadableError("is damaged, or not a PPTX file: it holds no presentation")
    return part.presentation


def _items(file: SourceFile) -> Iterator[Item]:
    opened = _opened(file)
    parts: list[Part] = []
    flags = set()
    for number, slide in enumerate(opened.slides, 1):
        parts += _slide_parts(slide, {"slide": number})
        if slide._element.get("show") in ("0", "false"):
            flags.add("hidden_text")
    properties = opened.core_properties
    title = _own_title(squeezed(properties.title or "")) or next((p.text for p in parts if p.kind == "heading"), "")
    metadata = {
        "author": own_author(properties.author or ""),
        "created": aware(properties.created) if properties.created else None,
        "language": squeezed(properties.language or ""),
    }
    yield from document(file, parts, title=title, metadata=metadata, flags=flags)


def _own_title(title: str) -> str:
    """The title in the properties, but for the one that programs put there."""
    return "" if title.lower() in ("powerpoint presentation", "presentation", "untitled") else title


def _slide_parts(slide: Any, at: Location) -> Iterator[Part]:
    heading = slide.shapes.title
    # The place of a title may hold a picture.
    if heading is not None and heading.has_text_frame and (text := squeezed(heading.text_frame.text)):
        yield Part(text, "heading", at, level=1)
    for shape in slide.shapes:
        if heading is None or shape.shape_id != heading.shape_id:
            yield from _shape_parts(shape, slide, at, depth=0)
    yield from _alternatives(slide, at)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame, at)
    yield from slide_comments(slide.part, at)


def _shape_parts(shape: Any, slide: Any, at: Location, *, depth: int) -> Iterator[Part]:
    if hasattr(shape, "shapes"):
        if depth < _DEEPEST:
            for inner in shape.shapes:
                yield from _shape_parts(inner, slide, at, depth=depth + 1)
    elif getattr(shape, "has_table", False):
        rows = [[cell.text_frame.text for cell in row.cells] for row in shape.table.rows]
        yield from table_parts(rows, at=at, header=bool(shape.table.first_row))
    elif not shape.has_text_frame:
        yield from graphic_parts(shape._element, lambda name: slide.part.related_part(name).blob, at=at)
    elif not _is_furniture(shape):
        yield from _paragraphs(shape.text_frame, at)


def _alternatives(slide: Any, at: Location) -> Iterator[Part]:
    """Shapes that are written twice, for programs old and new, such as those with formulas."""
    for both in slide.shapes._spTree.iter(f"{_MC}AlternateContent"):
        for form in both.iterchildren(f"{_MC}Choice", f"{_MC}Fallback"):
            lines = ("".join(text.text or "" for text in line.iter(*_TEXTS)) for line in form.iter(f"{_A}p"))
            if text := "\n".join(filter(None, map(squeezed, lines))):
                yield Part(text, at=at)
                break


def _is_furniture(shape: Any) -> bool:
    """Whether a shape holds the date, the footer or the number of a slide."""
    if not shape.is_placeholder:
        return False
    from pptx.enum.shapes import PP_PLACEHOLDER

    furniture = (PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER)
    return shape.placeholder_format.type in furniture


def _paragraphs(frame: Any, at: Location) -> Iterator[Part]:
    """The paragraphs of one shape as one part: bullets belong together."""
    lines = [cleaned(paragraph.text).strip() for paragraph in frame.paragraphs]
    yield Part("\n".join(line for line in lines if line), at=at)
