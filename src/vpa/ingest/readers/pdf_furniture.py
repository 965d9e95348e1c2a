"""What repeats on the pages of a PDF: headers, footers and page numbers, which are no part of the text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vpa.ingest.readers.pdf_lines import Line

# Fewer pages do not tell what repeats.
_FEWEST: Final = 3
# So many lines at the top and at the bottom of a page are looked at.
_DEPTH: Final = 2
# The share of all pages that have a line, or of those between its first and its last: heads of chapters change.
_MOST: Final = 0.4
_PLACE: Final = 6.0
_LARGER: Final = 1.05
_DIGITS: Final = re.compile(r"\d+")
_PAGE_NUMBER: Final = re.compile(r"^\d{1,5}(?!\S)|(?<!\S)\d{1,5}$")
_ROMAN: Final = re.compile(r"(?<!\S)(?:[ivxlc]+|[IVXLC]+)$")


def without_furniture(pages: Sequence[Sequence[Line]], *, body: float) -> list[list[Line]]:
    """The pages without lines at their edges that are the same but for numbers, at the same height, on many pages.

    `body` is the size of the font of the text: a larger line that comes on some pages only is the title of slides.
    """
    if len(pages) < _FEWEST:
        return [list(lines) for lines in pages]
    edges = [edge for number, lines in enumerate(pages) for edge in _edges(lines, number)]
    dropped: dict[int, set[int]] = defaultdict(set)
    for edge in _repeated(edges, len(pages), body) + _counting(edges, len(pages)):
        dropped[edge.page].add(edge.line)
    if all(len(dropped[number]) == len(lines) for number, lines in enumerate(pages)):
        # Tickets or labels: what repeats is the text itself.
        return [list(lines) for lines in pages]
    return [
        [line for index, line in enumerate(lines) if index not in dropped[number]] if number in dropped else list(lines)
        for number, lines in enumerate(pages)
    ]


class _Edge(NamedTuple):
    """A line at an edge of a page: its page and its place on it, both from 0."""

    page: int
    line: int
    size: float
    # Its text without what counts pages, and its height on the page.
    key: tuple[str, int]
    # Its first and its last number less that of the page.
    counts: tuple[int, ...]


def _edges(lines: Sequence[Line], number: int) -> Iterator[_Edge]:
    bottoms = [line.bottom for line in lines]
    ordered = sorted(range(len(lines)), key=bottoms.__getitem__)
    for index in ordered if len(ordered) <= 2 * _DEPTH else ordered[:_DEPTH] + ordered[-_DEPTH:]:
        line = lines[index]
        text = " ".join(line.text.split())
        masked = _ROMAN.sub("#", _DIGITS.sub("#", text)).casefold()
        counts = tuple(int(digits) - number for digits in _PAGE_NUMBER.findall(text))
        yield _Edge(number, index, line.size, (masked, round(line.bottom / _PLACE)), counts)


def _repeated(edges: Sequence[_Edge], pages: int, body: float) -> list[_Edge]:
    """Lines that are the same on many pages but for their numbers."""
    groups: dict[tuple[str, int], list[_Edge]] = defaultdict(list)
    for edge in edges:
        groups[edge.key].append(edge)
    return [edge for group in groups.values() if _repeats(group, pages, body) for edge in group]


def _repeats(group: Sequence[_Edge], pages: int, body: float) -> bool:
    if len(group) < _FEWEST:
        return False
    if len(group) >= _MOST * pages:
        return True
    within = group[-1].page - group[0].page + 1
    return len(group) >= _MOST * within and max(edge.size for edge in group) <= body * _LARGER


def _counting(edges: Sequence[_Edge], pages: int) -> list[_Edge]:
    """Lines with a number that counts the pages, at one height."""
    places = Counter((edge.key[1], count) for edge in edges for count in edge.counts)
    enough = {place for place, times in places.items() if times >= max(_FEWEST, _MOST / 2 * pages)}
    return [edge for edge in edges if any((edge.key[1], count) in enough for count in edge.counts)]
