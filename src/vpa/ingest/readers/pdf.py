"""PDF: paragraphs in the order of reading, each with its page. Pages that are pictures go through OCR.

PDFium is not thread-safe: one process reads one file at a time. Encrypted files are read where no password is needed.
"""

from __future__ import annotations

import gc
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from vpa.ingest.cleaning import moment, squeezed
from vpa.ingest.contract import EmptyFileError, Item, Part, SourceFile, SourceNote, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.readers.office_properties import own_author
from vpa.ingest.readers.pdf_annotations import annotation_parts
from vpa.ingest.readers.pdf_furniture import without_furniture
from vpa.ingest.readers.pdf_lines import PageReader
from vpa.ingest.readers.pdf_paragraphs import Outline, Paragraphs, body_size, heading_key
from vpa.ingest.readers.pdf_scans import Scans, has_picture, numbered
from vpa.ingest.readers.pdf_words import is_garbled

_MARK: Final = b"%PDF-"
_MARK_DEPTH: Final = 1024
_PASSWORD_ERROR: Final = 4
_OUTLINE_ENTRIES: Final = 10_000
# Fewer entries are no table of contents.
_FEWEST_ENTRIES: Final = 3
# Headers and footers that a note names, and how much of each.
_NAMED: Final = 5
_SHOWN: Final = 60
_PROGRAM_TITLE: Final = re.compile(
    r"\(?(?:untitled|anonymous|unspecified)\b.*"
    r"|microsoft (?:word|powerpoint|excel) - .*|powerpoint presentation|slide 1|document\d*|title|.{0,2}"
    r"|[a-z]:\\.*|.*\.(?:docx?|wpd|dvi|tex|indd|qxd|pdf|rtf|odt|pptx?|xlsx?|html?|p65|fm)",
    re.IGNORECASE,
)


def read(file: SourceFile) -> Iterator[Item]:
    """One document, and a note on pages that could not be read; raises UnreadableError."""
    _check_beginning(file.path)
    opened = _opened(file.path)
    with opened, damage_named("a PDF"):
        yield from _items(file, opened)


def _check_beginning(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            beginning = stream.read(_MARK_DEPTH)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if not beginning:
        raise EmptyFileError()
    if _MARK not in beginning:
        raise UnreadableError("is not a PDF, whatever its ending says: give it the right ending")


def _opened(path: Path) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower():
            raise UnreadableError(
                "is encrypted: remove the password first (qpdf --decrypt --password=… in.pdf out.pdf)"
            ) from error
        raise UnreadableError("is damaged: get it again, or repair it (qpdf in.pdf out.pdf)") from error


@dataclass(frozen=True, slots=True)
class _Content:
    """What the text of all pages makes. `blank` pages have none, `broken` ones cannot be loaded; both count from 0."""

    pages: int
    parts: list[Part]
    title: str
    flags: set[str]
    blank: list[int]
    broken: list[int]
    # Lines that repeat on pages and were left out.
    repeated: tuple[str, ...]
    # Pages, from 0, with notes or fields.
    annotated: list[int]


def _content(opened: Any) -> _Content:
    reader = PageReader(opened)
    loaded = [reader.lines(index) for index in range(len(opened))]
    if not loaded:
        raise UnreadableError("is damaged: it has no pages")
    pages = [lines or [] for lines in loaded]
    body = body_size(pages)
    text = without_furniture(pages, body=body)
    paragraphs = Paragraphs(text.pages, _outline(opened), body=body)
    return _Content(
        pages=len(loaded),
        parts=list(paragraphs.parts()),
        title=paragraphs.title(),
        flags={"garbled_text" for lines in pages if lines and is_garbled([line.text for line in lines])},
        blank=[index for index, lines in enumerate(loaded) if lines == []],
        broken=[index for index, lines in enumerate(loaded) if lines is None],
        repeated=text.repeated,
        annotated=reader.annotated,
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Lines by the ten thousand would start the cyclic garbage collector again and again: a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _items(file: SourceFile, opened: Any) -> Iterator[Item]:
    with _uncollected():
        content = _content(opened)
    parts = content.parts
    pictures = [index for index in content.blank if has_picture(opened[index], drawn=not parts)]
    scans = Scans(file, opened)
    if pictures:
        parts = sorted([*parts, *scans.parts(pictures, alone=not parts)], key=lambda part: part.at["page"])
    # Sorting keeps what stands on a page behind its text.
    parts = sorted([*parts, *annotation_parts(opened, content.annotated)], key=lambda part: part.at["page"])
    metadata = opened.get_metadata_dict()
    yield from document(
        file,
        parts,
        title=_own_title(metadata.get("Title", "")) or content.title,
        metadata={
            "author": own_author(metadata.get("Author", "")),
            "created": moment(metadata.get("CreationDate", "")),
            "pages": content.pages,
        },
        flags=content.flags | scans.flags,
    )
    if content.repeated:
        yield SourceNote(file.name, _left_out(content.repeated))
    if content.broken:
        yield SourceNote(file.name, f"{numbered(content.broken)} damaged and could not be read")
    if scans.note:
        yield SourceNote(file.name, scans.note, is_mendable=True)


def _left_out(repeated: Sequence[str]) -> str:
    """What is said of headers and footers."""
    named = ", ".join(f"‘{text[:_SHOWN]}’" for text in repeated[:_NAMED])
    more = f" and {len(repeated) - _NAMED} more" if len(repeated) > _NAMED else ""
    return f"left out lines that repeat on pages: {named}{more}"


def _own_title(title: str) -> str:
    """The title in the properties, unless a program made it up."""
    title = squeezed(title)
    return "" if _PROGRAM_TITLE.fullmatch(title) else title


def _outline(opened: Any) -> Outline:
    """The headings that the outline has; none where it is too short to be a table of contents."""
    headings: dict[int, dict[str, int]] = defaultdict(dict)
    count = 0
    for bookmark in islice(opened.get_toc(), _OUTLINE_ENTRIES):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        if page is not None:
            headings[page].setdefault(heading_key(bookmark.get_title()), bookmark.level + 1)
            count += 1
    return headings if count >= _FEWEST_ENTRIES else {}
