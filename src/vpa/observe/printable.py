"""Text of others on a terminal: control characters are shown, never obeyed.

Titles, ids, metadata and messages may hold escape sequences that move the cursor, rename the window or answer for the
user, and marks that turn the direction of writing.
"""

from __future__ import annotations

import re
from typing import Final

# C0 without tab and line feed, DEL and C1, line and paragraph separators, marks of direction, lone surrogates.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with control characters as Python writes them (`\\x1b`); tabs and line feeds stay."""
    return _CONTROLS.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """As `printable`, on one line: runs of white space become one space."""
    return printable(" ".join(text.split()))


def printable_json(text: str) -> str:
    """JSON text in which control characters stand as its own escapes, so that it reads back as the same value."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
