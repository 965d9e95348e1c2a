"""Where the section of a place in a text begins and ends, by the headings of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# CommonMark's: up to three blanks, one to six hashes, then a blank or the end of the line; or a line under a line.
_LINES: Final = re.compile(
    r"^[ ]{0,3}(?:(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)|(?P<hashes>#{1,6})(?=[ \t]|$)"
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
            elif mark.startswith(fence) and not line["info"].strip():
                fence = ""
        elif not fence:
            level = len(line["hashes"]) if line["hashes"] else 1 if line["under"].startswith("=") else 2
            yield Heading(line.start(), level)


def section_around(text: str, place: int) -> tuple[int, int]:
    """From the heading over a place to the next one of the same or a higher level; what stands before the first one,
    or all of a text without headings, is a section too.
    """
    start, end, level = 0, len(text), 6
    for heading in headings(text):
        if heading.start <= place:
            start, level = heading
        elif heading.level <= level:
            return start, heading.start
    return start, end
