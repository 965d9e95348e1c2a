"""reStructuredText, read by lines: section titles, literal blocks and paragraphs. The content is the file's text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vpa.ingest.bounded import read_text
from vpa.ingest.contract import Item, Kind, SourceDocument, SourceFile, Span
from vpa.ingest.fields import document_fields, one_line

# A longer text is cut without places: each line takes some hundred bytes of memory.
_LINES_TOLD: Final = 8 << 20
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1+[ \t]*")
_CODE_DIRECTIVE: Final = re.compile(r"\s*\.\. +(?:code-block|sourcecode|code|literalinclude|doctest|math)::")
_FIELD: Final = re.compile(r":(?P<name>[A-Za-z][\w -]{0,40}): +(?P<value>\S.*)")
# Fields of the document that are not about how it is built.
_FIELDS_READ: Final = 30


class _Line(NamedTuple):
    start: int
    end: int
    text: str


class _Block(NamedTuple):
    """Lines from `first` to before `end`; the title of a section is the line `first`."""

    kind: Kind
    first: int
    end: int
    style: str = ""


def read(file: SourceFile) -> Iterator[Item]:
    """One document with its title as title, and the fields in front of it as metadata."""
    whole = read_text(file)
    yield from whole.notes
    lines = _lines(whole.text[:_LINES_TOLD])
    spans = rst_spans(lines) if len(whole.text) <= _LINES_TOLD else ()
    title = next((one_line(whole.text[span.start : span.end]) for span in spans if span.kind == "heading"), "")
    yield SourceDocument(
        title=title or file.title,
        content=whole.text,
        metadata=document_fields(_fields(lines)),
        format="rst",
        origin=file.name,
        spans=spans,
    )


def rst_spans(lines: Sequence[_Line]) -> tuple[Span, ...]:
    """Titles without their adornment, code, and other blocks, each with its line."""
    spans: list[Span] = []
    styles: list[str] = []
    for block in _blocks(lines):
        level = 0
        if block.kind == "heading":
            # The first style is that of the highest level, and so on.
            if block.style not in styles:
                styles.append(block.style)
            level = styles.index(block.style) + 1
        first, last = lines[block.first], lines[block.end - 1]
        indent = len(first.text) - len(first.text.lstrip()) if block.kind == "heading" else 0
        spans.append(Span(first.start + indent, last.end, block.kind, {"line": block.first + 1}, level))
    return tuple(spans)


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for end in _LINE_END.finditer(text):
        lines.append(_line(text, start, end.start()))
        start = end.end()
    return [*lines, _line(text, start, len(text))]


def _line(text: str, start: int, end: int) -> _Line:
    said = text[start:end].rstrip()
    return _Line(start, start + len(said), said)


def _blocks(lines: Sequence[_Line]) -> Iterator[_Block]:
    position = 0
    while position < len(lines):
        if not lines[position].text:
            position += 1
        elif (title := _title(lines, position)) is not None:
            yield title
            position = title.end + 1
        elif _is_transition(lines, position):
            position += 1
        else:
            end = _end_of_block(lines, position)
            code = _end_of_code(lines, position, end)
            if _CODE_DIRECTIVE.match(lines[position].text):
                yield _Block("code", position, code)
                position = code
                continue
            yield _Block("text", position, end)
            position = end
            if code > end:
                first = next(line for line in range(end, code) if lines[line].text)
                yield _Block("code", first, code)
                position = code


def _title(lines: Sequence[_Line], position: int) -> _Block | None:
    """The title at a line; its block ends before the adornment below."""

    def text(line: int) -> str:
        return lines[line].text if line < len(lines) else ""

    here, below = text(position), text(position + 1)
    if _ADORNMENT.fullmatch(here) and below and not _ADORNMENT.fullmatch(below):
        under = text(position + 2)
        if under == here and len(here) >= len(below.strip()):
            return _Block("heading", position + 1, position + 2, here[0] * 2)
        return None
    is_under = _ADORNMENT.fullmatch(below) and not _ADORNMENT.fullmatch(here) and not here.startswith((" ", ".. "))
    # docutils warns of an adornment that is too short, but takes it for one where it has four signs.
    if is_under and len(below) >= min(4, len(here)) and not _is_table_border(lines, position):
        return _Block("heading", position, position + 1, below[0])
    return None


def _is_table_border(lines: Sequence[_Line], position: int) -> bool:
    """Whether the line before is a border too: then the line is the header of a simple table."""
    return position > 0 and re.fullmatch(r"=+( +=+)*", lines[position - 1].text) is not None


def _is_transition(lines: Sequence[_Line], position: int) -> bool:
    text = lines[position].text
    alone = position + 1 == len(lines) or not lines[position + 1].text
    return alone and len(text) >= 4 and _ADORNMENT.fullmatch(text) is not None


def _end_of_block(lines: Sequence[_Line], position: int) -> int:
    end = position + 1
    while end < len(lines) and lines[end].text and _title(lines, end) is None:
        end += 1
    return end


def _end_of_code(lines: Sequence[_Line], position: int, end: int) -> int:
    """Where the indented lines end that a block announces with `::` or a directive; `end` where it announces none."""
    is_directive = _CODE_DIRECTIVE.match(lines[position].text) is not None
    last = lines[end - 1].text
    if not is_directive and (not last.endswith("::") or last.lstrip().startswith(".. ")):
        return end
    indent = _indent(lines[position if is_directive else end - 1].text)
    after = end
    while after < len(lines) and (not lines[after].text or _indent(lines[after].text) > indent):
        after += 1
    while not lines[after - 1].text:
        after -= 1
    return max(after, end)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _fields(lines: Sequence[_Line]) -> dict[str, str]:
    """Fields before the first title or after it: `:author: Name`."""
    matches = (_FIELD.fullmatch(line.text) for line in lines[:_FIELDS_READ])
    return {match["name"].lower(): match["value"] for match in matches if match}
