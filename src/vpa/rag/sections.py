"""Where the section of a place in a text begins and ends, by the headings of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# CommonMark's: up to three blanks, one to six hashes, then a blank or the end of the line; or a line under a line.
_LINES: Final = re.compile(
    r"^[ ]{0,3}(?:(?P<fence>`{3,}|~{3,})|(?P<hashes>#{1,6})(?=[ \t]|$)"
    r"|[^\s#>`~=-][^\n]*\n[ ]{0,3}(?P<under>=+|-+)[ \t]*$)",
    re.MULTILINE,
)


class Heading(NamedTuple):
    """Where the line of a heading begins, and its level: 1 for a title, 6 for the least."""

    start: int
    level: int


def headings(text: str) -> Iterator[Heading]:
    """The headings of a text in order, those in fenced code left out."""
    fence = ""
    for line in _LINES.finditer(text):
        mark = line["fence"]
        if mark is not None:
            if not fence:
                fence = mark
            elif mark.startswith(fence):
                fence = ""
        elif not fence:
            level = len(line["hashes"]) if line["hashes"] else 1 if line["under"].startswith("=") else 2
            yield Heading(line.start(), level)


def section_around(text: str, start: int, end: int) -> tuple[int, int]:
    """From the heading over `start` to the next one, behind `end`, of the same or a higher level; the whole text where
    there is none.
    """
    above, below = Heading(0, 6), len(text)
    known = list(headings(text))
    for heading in known:
        if heading.start <= start:
            above = heading
    for heading in known:
        if heading.start >= end and heading.level <= above.level:
            below = heading.start
            break
    return above.start, below
