"""Entities that a chapter of a book declares: short ones stand for signs, others are made to fill the memory."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

# A document type with declarations of its own; what is in quotation marks may hold brackets.
_TYPE: Final = re.compile(r"<!DOCTYPE\b[^\[<>]*\[((?:[^\]\"']|\"[^\"]*+\"|'[^']*+')*+)\]\s*>", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"<!ENTITY\s+([\w.:-]+)\s+(?:\"([^\"]*+)\"|'([^']*+)')\s*>")
_DECLARED: Final = re.compile(r"<!ENTITY\s+([\w.:-]+)\s")
_REFERENCE: Final = re.compile(r"&([A-Za-z_][\w.:-]*);")
_NESTED: Final = re.compile(r"&(?!#)|<|%")
# A name of a product or a sign; all of a chapter may stand for so much more than it is long.
_LONGEST: Final = 200
_EXPANDED: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Expanded:
    """A chapter without its own entities; `refused` is how many references were left out."""

    text: str
    refused: int = 0


def expanded(text: str) -> Expanded:
    """A chapter with its short entities written out, the others left out and counted."""
    declared = _TYPE.search(text)
    if declared is None:
        return Expanded(text)
    names = set(_DECLARED.findall(declared[1]))
    values: dict[str, str] = {}
    for name, value, other in _DECLARATION.findall(declared[1]):
        if len(value or other) <= _LONGEST and not _NESTED.search(value or other):
            values.setdefault(name, html.escape(html.unescape(value or other)))
    left, refused = _EXPANDED, 0

    def written_out(reference: re.Match[str]) -> str:
        nonlocal left, refused
        name = str(reference[1])
        if name not in names:
            return str(reference[0])
        left -= len(values.get(name, ""))
        if name not in values or left < 0:
            refused += 1
            return ""
        return values[name]

    # The parser for web pages ends a document type at its first ">".
    body = text[: declared.start()] + text[declared.end() :]
    return Expanded(_REFERENCE.sub(written_out, body), refused)
