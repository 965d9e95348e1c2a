"""Chunks of a document whose structure is known: they follow its parts, and each knows where a person finds it.

A chunk never holds text of two slides, sheets or messages; rows and code are not cut where they fit; a heading goes
with what follows it, and a section that fits is not begun at the end of a chunk. Prose shares `overlap` with the chunk
before it, as in `splitter`; what a heading, a row or code begins does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, dropwhile, takewhile
from typing import Any, Final

from vpa.ingest.contract import WALLS, Span
from vpa.kit.steps import rest
from vpa.rag.chunking.splitter import Chunk, chunk_text, with_overlap

_CONTEXT: Final = 300
_COUNTED: Final = ("page", "slide", "row", "message", "cell")
_RESTS_EVERY: Final = 2048
# What is said of a heading in a place: it stands with each chunk below it.
_HEADING: Final = 200


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run that is not cut any more. `is_head`: it stays with the next piece. `section` is the path of headings."""

    start: int
    end: int
    span: Span
    section: tuple[str, ...]

    @property
    def is_head(self) -> bool:
        return self.span.kind == "heading"

    @property
    def wall(self) -> tuple[Any, ...]:
        return tuple(self.span.at.get(key) for key in WALLS)


def chunk_spans(content: str, spans: Sequence[Span], *, size: int, overlap: int, fmt: str = "text") -> list[Chunk]:
    """Cut `content` by its spans into chunks of at most `size` characters. Text between spans belongs to none of them
    and is taken as prose.
    """
    pieces = list(_pieces(content, _covering(content, spans), size=size, overlap=overlap, fmt=fmt))
    chunks: list[Chunk] = []
    before: list[_Piece] = []
    for group in _groups(pieces, most=size - overlap, size=size):
        start, end = group[0].start, group[-1].end
        if before and _is_prose(before[-1], group[0]):
            start = with_overlap(content, start, overlap=overlap, last=chunks[-1])
        chunks.append(Chunk(content[start:end], start, end, _location(content, group), _context(group)))
        before = group
        if len(chunks) % _RESTS_EVERY == 0:
            rest()
    return chunks or [Chunk("", 0, 0)]


def _covering(content: str, spans: Sequence[Span]) -> Iterator[Span]:
    """The spans, and between them prose for what they leave out; marks alone (`## `, `|---|`) go with what follows."""
    place = 0
    before = Span(0, 0, "text", {})
    for span in chain(spans, (Span(len(content), len(content), "text", {}),)):
        gap = content[place : span.start]
        start = place + len(gap) - len(gap.lstrip())
        is_mark = span.end > span.start and not any(map(str.isalnum, gap))
        if gap.strip() and not is_mark:
            yield _at_its_line(content, before, start, place + len(gap.rstrip()))._replace(
                kind="text", level=0, context=""
            )
        if span.end > span.start:
            yield _at_its_line(content, span, min(start, span.start), span.end) if is_mark else span
        place, before = span.end, span


def _at_its_line(content: str, span: Span, start: int, end: int) -> Span:
    """A run before, in or behind a span, with the line on which it begins where that of the span is known."""
    if "line" not in span.at or start == span.start:
        return span._replace(start=start, end=end)
    first, last = sorted((start, span.start))
    lines = content.count("\n", first, last)
    at = {**span.at, "line": span.at["line"] + (lines if start > span.start else -lines)}
    return span._replace(start=start, end=end, at=at)


def _pieces(content: str, spans: Iterator[Span], *, size: int, overlap: int, fmt: str) -> Iterator[_Piece]:
    headings: list[tuple[int, str]] = []
    wall: tuple[Any, ...] = ()
    head = -1
    for span in spans:
        own = tuple(span.at.get(key) for key in WALLS)
        if own != wall:
            headings, wall, head = [], own, -1
        if span.kind == "heading":
            while headings and headings[-1][0] >= span.level:
                headings.pop()
            text = content[span.start : min(span.end, span.start + 2 * _HEADING)]
            headings.append((span.level, _words(text)[:_HEADING]))
        section = tuple(text for _, text in headings)
        room = size if span.kind in ("row", "code", "turn") else size - overlap
        length = span.end - span.start
        # The headings above are in the same chunk, where they leave room.
        above = span.start - head if head >= 0 else 0
        room = room - above if above < room // 2 else room
        if length <= room:
            yield _Piece(span.start, span.end, span, section)
        else:
            for start, end in _cut(content, span, size=room, fmt=fmt):
                yield _Piece(start, end, _at_its_line(content, span, start, end), section)
        if span.kind != "heading":
            head = -1
        elif head < 0:
            head = span.start


def _words(heading: str) -> str:
    """A heading without its marks: hashes, and the lines under and over it."""
    lines = (line for line in heading.splitlines() if any(map(str.isalnum, line)))
    return " ".join(" ".join(lines).split()).strip("# ")


def _cut(content: str, span: Span, *, size: int, fmt: str) -> Iterator[tuple[int, int]]:
    language = fmt if span.kind == "code" else "text"
    for chunk in chunk_text(content[span.start : span.end], size=size, overlap=0, fmt=language):
        yield span.start + chunk.start, span.start + chunk.end


def _groups(pieces: Sequence[_Piece], *, most: int, size: int) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    for number, piece in enumerate(pieces):
        below = (pieces[place] for place in range(number + 1, len(pieces))) if piece.is_head else ()
        if group and _begins(piece, below, group, most=most, size=size):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _begins(piece: _Piece, below: Iterable[_Piece], group: Sequence[_Piece], *, most: int, size: int) -> bool:
    """Whether a chunk ends before this piece."""
    start = group[0].start
    if piece.wall != group[0].wall or _is_elsewhere(piece, group):
        return True
    if all(earlier.is_head for earlier in group):
        return piece.end - start > size
    if not piece.is_head:
        return piece.end - start > most
    # A section that fits into a chunk is not torn for being begun in this one; further headings may stand before it.
    near = takewhile(lambda after: after.start - start <= 2 * most, below)
    text = dropwhile(lambda after: after.is_head, near)
    section = list(takewhile(lambda after: not after.is_head, text))
    end = section[-1].end if section else piece.end
    return end - start > most


def _is_prose(before: _Piece, first: _Piece) -> bool:
    return before.span.kind == first.span.kind == "text" and before.wall == first.wall


def _location(content: str, group: Sequence[_Piece]) -> Mapping[str, Any]:
    """Where the chunk is: that of its first piece; for counted places also where it ends, if that is another one.

    Lines end where the text does, and are counted in the content: those of a cell begin again in the next one.
    """
    body = _body(group)
    first, last = group[0].span.at, group[-1].span.at
    location = dict(first)
    for key in _COUNTED:
        if key in first and last.get(key, first[key]) != first[key]:
            location[f"{key}_end"] = last[key]
    if "line" in first and "line" in last and last.get("cell") == first.get("cell"):
        end = last["line"] + content.count("\n", group[-1].start, group[-1].end)
        if end > first["line"]:
            location["line_end"] = end
    if "seconds" in first and last.get("seconds", first["seconds"]) != first["seconds"]:
        location["seconds_end"] = last["seconds"]
    sections = [piece.section for piece in body if piece.section]
    # What stands before the first heading has the line as its place, or else that heading.
    if sections and (body[0].section or not location):
        location["section"] = list(sections[0])
        if sections[-1] != sections[0]:
            location["section_end"] = list(sections[-1])
    return location


def _body(group: Sequence[_Piece]) -> Sequence[_Piece]:
    """The pieces under the headings; the headings where there is nothing else."""
    return [piece for piece in group if not piece.is_head] or group


def _is_elsewhere(piece: _Piece, group: Sequence[_Piece]) -> bool:
    """Whether a piece shares no heading with what stands under some in the group."""
    above = {earlier.section[0] for earlier in group if earlier.section and not earlier.is_head}
    return bool(above) and piece.section[:1] != (next(iter(above)),)


def _context(group: Sequence[_Piece]) -> str:
    return next((piece.span.context[:_CONTEXT] for piece in group if piece.span.context), "")
