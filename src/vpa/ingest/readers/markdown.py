"""Markdown: front matter becomes metadata; headings, code and table rows are told apart as CommonMark sees them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from vpa.ingest.bounded import read_text
from vpa.ingest.contract import Item, Kind, Part, SourceDocument, SourceFile, Span
from vpa.ingest.fields import document_fields, one_line
from vpa.ingest.front_matter import front_matter

# Parsing takes about three seconds a megabyte; beyond this the text is cut as markdown without places.
_PARSED: Final = 4 << 20
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_HEADING_MARK: Final = re.compile(r"[ ]{0,3}#{1,6}[ \t]*")


def read(file: SourceFile) -> Iterator[Item]:
    """One document without its front matter; lines are counted in the whole file."""
    whole = read_text(file)
    yield from whole.notes
    front = front_matter(whole.text)
    content = whole.text[front.end :]
    title = one_line(front.fields.get("title") or "") if _is_title(front.fields.get("title")) else ""
    if not content.strip():
        # All there is to find are the fields.
        content, lines = whole.text, 0
    else:
        lines = len(_LINE_END.findall(whole.text, 0, front.end))
    yield SourceDocument(
        title=title or title_of_markdown(whole.text[front.heading_start :]) or file.title,
        content=content,
        metadata=document_fields(front.fields),
        format="markdown",
        origin=file.name,
        spans=markdown_spans(content, lines_before=lines),
    )


def _is_title(value: object) -> bool:
    return isinstance(value, str | int | float)


def title_of_markdown(content: str) -> str:
    """The first heading as plain text on one line; empty if there is none at the beginning."""
    # A heading far down is not the title.
    tokens = MarkdownIt("commonmark").parse(_unix(content[: 1 << 16]))
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open" and (title := _plain(inline)):
            return title
    return ""


def _plain(inline: Token) -> str:
    parts = [" " if child.type.endswith("break") else child.content for child in inline.children or ()]
    return one_line("".join(parts))


def _unix(text: str) -> str:
    return _LINE_END.sub("\n", text)


def markdown_parts(content: str) -> Iterator[Part]:
    """The parts of a text in markdown that is part of a larger document, with their lines in it."""
    for span in markdown_spans(content):
        yield Part(content[span.start : span.end], span.kind, span.at, span.level)


def markdown_spans(content: str, *, lines_before: int = 0) -> tuple[Span, ...]:
    """Headings (without their marks), code, table rows and other blocks, each with its line.

    Between them are blank lines and marks only. Empty for a text too long to parse.
    """
    if len(content) > _PARSED:
        return ()
    lines = _line_bounds(content)
    spans: list[Span] = []
    for kind, first, end, level in _blocks(_parse(content), len(lines)):
        span = _span(content, lines, (kind, first, end, level), lines_before)
        if span is not None:
            spans.append(span)
    return tuple(spans)


def _parse(content: str) -> Sequence[Token]:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser.parse(_unix(content))


def _line_bounds(content: str) -> list[tuple[int, int]]:
    """Start and end of each line, without its line end."""
    bounds, start = [], 0
    for end in _LINE_END.finditer(content):
        bounds.append((start, end.start()))
        start = end.end()
    return [*bounds, (start, len(content))]


def _blocks(tokens: Sequence[Token], lines: int) -> Iterator[tuple[Kind, int, int, int]]:
    """Kind, first line, line after the last, and level, in order; code and rows also out of lists and quotes."""
    cursor = 0
    for token in tokens:
        if token.map is None:
            continue
        first, end = max(token.map[0], cursor), min(token.map[1], lines)
        special = _special(token)
        if special is None and token.level:
            continue
        if special is not None and first < end:
            if first > cursor:
                yield "text", cursor, first, 0
            yield special, first, end, int(token.tag[1:]) if special == "heading" else 0
            cursor = end
        elif special is None and token.type != "table_open" and cursor < token.map[0]:
            yield "text", cursor, token.map[0], 0
            cursor = token.map[0]
    if cursor < lines:
        yield "text", cursor, lines, 0


def _special(token: Token) -> Kind | None:
    if token.type in ("fence", "code_block"):
        return "code"
    if token.type == "tr_open":
        return "row"
    return "heading" if token.type == "heading_open" and not token.level else None


def _span(
    content: str, lines: Sequence[tuple[int, int]], block: tuple[Kind, int, int, int], lines_before: int
) -> Span | None:
    kind, first, end, level = block
    while first < end and not content[slice(*lines[first])].strip():
        first += 1
    while end > first and not content[slice(*lines[end - 1])].strip():
        end -= 1
    if first == end:
        return None
    start, stop = lines[first][0], lines[end - 1][1]
    if kind == "heading":
        start, stop = _heading_bounds(content, lines[first:end], (start, stop))
    elif kind == "text" and _is_delimiter_row(content[start:stop]):
        return None
    if not content[start:stop].strip():
        return None
    return Span(start, stop, kind, {"line": lines_before + first + 1}, level)


def _heading_bounds(content: str, lines: Sequence[tuple[int, int]], bounds: tuple[int, int]) -> tuple[int, int]:
    """A heading without `#` or the line below it."""
    start, stop = bounds
    mark = _HEADING_MARK.match(content, start, stop)
    if mark is not None and len(lines) == 1:
        return mark.end(), mark.end() + len(_without_closing_mark(content[mark.end() : stop]))
    return start, lines[-2][1] if len(lines) > 1 else stop


def _is_delimiter_row(text: str) -> bool:
    return "|" in text and "-" in text and not text.strip(" \t>:|-")


def _without_closing_mark(text: str) -> str:
    text = text.rstrip(" \t")
    opened = text.rstrip("#")
    return opened.rstrip(" \t") if not opened or opened[-1] in " \t" else text
