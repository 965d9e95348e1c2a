"""JSON as programs write it for people: with comments and trailing commas, or one value after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from vpa.kit.strict_json import parse_json

# A text in quotes, which stays as it is, or a comment.
_COMMENT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*+"|(//[^\n]*|/\*.*?\*/)', re.DOTALL)
_COMMA: Final = re.compile(r'"(?:[^"\\\n]|\\.)*+"|(,)(?=\s*[}\]])')
_BLANKS: Final = " \t\r\n"


def parse_dialect(text: str) -> Any:
    """The value of JSON with comments and trailing commas, or the list of several values one after another.

    Raises ValueError for anything else, with what strict JSON lacks.
    """
    try:
        return parse_json(text)
    except ValueError as error:
        plain = _without(_COMMA, _without(_COMMENT, text))
        if plain != text:
            return parse_json(plain)
        values = _values_in_a_row(text)
        if len(values) < 2:
            raise error from None
        return values


def _without(pattern: re.Pattern[str], text: str) -> str:
    """The text with blanks in place of what the pattern's group matches, so that every line stays where it is."""
    return pattern.sub(lambda match: match[0] if match[1] is None else re.sub(r"[^\n]", " ", match[1]), text)


def _values_in_a_row(text: str) -> list[Any]:
    """Objects and lists that follow one another; empty where something else stands there."""
    values: list[Any] = []
    place = 0
    for start, end in spans_of_values(text, 0):
        if text[place:start].strip() or text[start] not in "{[":
            return []
        values.append(parse_json(text[start:end]))
        place = end
    return [] if text[place:].strip() else values


def spans_of_values(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Where values stand from `start` on, with blanks and commas between them; ends at what is none."""
    decoder = json.JSONDecoder()
    while True:
        while start < len(text) and text[start] in _BLANKS + ",":
            start += 1
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield start, end
        start = end


def lines_of_elements(text: str) -> list[int]:
    """On which lines, counted from 1, the elements of a list begin."""
    begin = text.find("[") + 1
    lines: list[int] = []
    line, place = 1, 0
    for start, _ in spans_of_values(text, begin):
        line += text.count("\n", place, start)
        place = start
        lines.append(line)
    return lines
