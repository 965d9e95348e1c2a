"""Slides (PPTX, PPTM): of each its title as a heading, its text, its tables as rows and its notes, with its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from vpa.ingest.cleaning import aware, cleaned, squeezed
from vpa.ingest.contract import Item, Location, Part, SourceFile
from vpa.ingest.documents import damage_named, document
from vpa.ingest.readers.office_properties import own_author
from vpa.ingest.tables import table_parts
from vpa.ingest.zipped import opened_zip

# Groups of shapes inside of groups.
_DEEPEST: Final = 20


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    with opened_zip(file, what="a PPTX file"), damage_named("a PPTX file"):
        yield from _items(file)


def _items(file: SourceFile) -> Iterator[Item]:
    import pptx

    opened = pptx.Presentation(str(file.path))
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
            yield from _shape_parts(shape, at, depth=0)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield from _paragraphs(slide.notes_slide.notes_text_frame, at)


def _shape_parts(shape: Any, at: Location, *, depth: int) -> Iterator[Part]:
    if hasattr(shape, "shapes"):
        if depth < _DEEPEST:
            for inner in shape.shapes:
                yield from _shape_parts(inner, at, depth=depth + 1)
    elif getattr(shape, "has_table", False):
        rows = [[cell.text_frame.text for cell in row.cells] for row in shape.table.rows]
        yield from table_parts(rows, at=at, header=bool(shape.table.first_row))
    elif shape.has_text_frame and not _is_furniture(shape):
        yield from _paragraphs(shape.text_frame, at)


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
