"""What repeats on the pages of a PDF: headers, footers and page numbers, which are no part of the text.

A line is left out only if it is the same on many pages, or the same but for a number that counts the pages. Lines that
differ otherwise are data: invoices with one form per page, rows of a table that goes on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
# A number that stands alone, or in "3/10": no part of a date, an amount, a time or a section's number.
_NUMBER: Final = re.compile(r"(?<![\w.,:/])(?<!\w-)\d{1,5}(?!\w)(?![.,:-]\d)(?:(?!/\d)|(?=/\d{1,5}(?![\w./])))")
_DIGITS: Final = re.compile(r"\d+")
_ROMAN: Final = re.compile(r"(?<!\S)(?:[ivxlc]+|[IVXLC]+)$")
_ROMAN_ENDS: Final = frozenset("ivxlcIVXLC")
_ROMAN_DIGITS: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
# Behind words a larger number is that of an invoice or an order.
_LARGEST: Final = 999
_WORD: Final = re.compile(r"[^\W\d_]+")
# "Lesson 3" counts lessons, also where each has a page. These count pages.
_PAGE_WORDS: Final = frozenset(
    _WORD.findall(
        "page pages pg p seite s blatt folie slide sheet folio página pagina pág pag pagine strona str side sida sivu"
        " стр страница 页 頁 第 ページ of von de di sur из z av af"
    )
)
_LABEL: Final = re.compile(
    r"(?:[#№]|\b(?:no|nr|num|number|nummer|invoice|rechnung|facture|factura|fattura|order|ticket|case|id|ref)\b[.:]?)\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """The pages without what repeats on them, and each line that was left out once, as its first page has it."""

    pages: list[list[Line]]
    repeated: tuple[str, ...]


def without_furniture(pages: Sequence[Sequence[Line]], *, body: float) -> Text:
    """The pages without lines at their edges that repeat on many pages at the same height.

    `body` is the size of the font of the text: a larger line that comes on some pages only is the title of slides.
    """
    whole = Text([list(lines) for lines in pages], ())
    if len(pages) < _FEWEST:
        return whole
    edges = [edge for number, lines in enumerate(pages) for edge in _edges(lines, number)]
    dropped: dict[int, set[int]] = defaultdict(set)
    repeated: dict[str, str] = {}
    for key, edge in [*_repeated(edges, len(pages), body), *_heads(edges, pages)]:
        if edge.line not in dropped[edge.page]:
            dropped[edge.page].add(edge.line)
            repeated.setdefault(key, edge.text)
    pages_left = [
        [line for index, line in enumerate(lines) if index not in dropped[number]] if number in dropped else lines
        for number, lines in enumerate(whole.pages)
    ]
    if not repeated or _are_forms(pages_left):
        return whole
    return Text(pages_left, tuple(repeated.values()))


def _are_forms(pages: Sequence[Sequence[Line]]) -> bool:
    """Whether pages differ in numbers only, as tickets and labels do: what repeats on them is the text itself."""
    first = pages[0]
    # Nearly always the number of lines of the first pages tells.
    if any(len(lines) != len(first) for lines in pages):
        return False
    masked = [_DIGITS.sub("#", line.text) for line in first]
    return all([_DIGITS.sub("#", line.text) for line in lines] == masked for lines in pages[1:])


class _Edge(NamedTuple):
    """A line at an edge of a page: its page and its place on it, both from 0."""

    page: int
    line: int
    size: float
    height: int
    text: str
    # The text with a number that may count the pages replaced by what it is more than that of the page.
    counting: tuple[str, ...]


def _edges(lines: Sequence[Line], number: int) -> Iterator[_Edge]:
    bottoms = [line.bottom for line in lines]
    ordered = sorted(range(len(lines)), key=bottoms.__getitem__)
    for index in ordered if len(ordered) <= 2 * _DEPTH else ordered[:_DEPTH] + ordered[-_DEPTH:]:
        line = lines[index]
        text = " ".join(line.text.split())
        yield _Edge(number, index, line.size, round(line.bottom / _PLACE), text, tuple(_counting(text, number)))


def _counting(text: str, page: int) -> Iterator[str]:
    for number in _numbers(text):
        before, after = text[: number.start()], text[number.end() :]
        value = int(number[0]) if number[0].isdecimal() else _roman(number[0])
        words = [word.casefold() for word in _WORD.findall(f"{before} {after}")]
        if words and (value > _LARGEST or _LABEL.search(before)):
            continue
        if len(words) == 1 and words[0] not in _PAGE_WORDS:
            continue
        if not words and not number[0].isdecimal() and value > _LARGEST:
            continue
        yield f"{before}#{value - page}#{after}".casefold()


def _numbers(text: str) -> list[re.Match[str]]:
    numbers = list(_NUMBER.finditer(text)) if _DIGITS.search(text) else []
    if text[-1:] in _ROMAN_ENDS and (roman := _ROMAN.search(text)):
        numbers.append(roman)
    return numbers


def _roman(text: str) -> int:
    digits = [_ROMAN_DIGITS[letter] for letter in text.lower()]
    return sum(-digit if digit < max(digits[place:]) else digit for place, digit in enumerate(digits))


def _repeated(edges: Sequence[_Edge], pages: int, body: float) -> Iterator[tuple[str, _Edge]]:
    """Lines that are the same on many pages, or but for the number of the page, with what they have in common."""
    groups: dict[tuple[str, int], list[_Edge]] = defaultdict(list)
    for edge in edges:
        # A row of numbers says the same on several pages by chance.
        if _WORD.search(edge.text) or not any(map(str.isdigit, edge.text)):
            groups[edge.text.casefold(), edge.height].append(edge)
        for text in edge.counting:
            groups[text, edge.height].append(edge)
    for (key, _), group in groups.items():
        if _repeats(group, pages, body) or (_is_bare(key) and len(group) >= max(_FEWEST, _MOST / 2 * pages)):
            yield from ((key, edge) for edge in group)


def _is_bare(key: str) -> bool:
    return "#" in key and _WORD.search(key) is None


def _repeats(group: Sequence[_Edge], pages: int, body: float) -> bool:
    if len(group) < _FEWEST:
        return False
    if len(group) >= _MOST * pages:
        return True
    within = group[-1].page - group[0].page + 1
    return len(group) >= _MOST * within and max(edge.size for edge in group) <= body * _LARGER


def _heads(edges: Sequence[_Edge], pages: Sequence[Sequence[Line]]) -> Iterator[tuple[str, _Edge]]:
    """Heads of chapters with the number of the page, at one height, whose words are a line of the text as well."""
    counted = [(edge, key.partition("#")) for edge in edges for key in edge.counting]
    heads = [
        (edge, "".join((before, after.partition("#")[2])).strip(), (edge.height, after.partition("#")[0]))
        for edge, (before, _, after) in counted
        if not before or after.endswith("#")
    ]
    places = Counter(place for _, _, place in heads)
    enough = {place for place, times in places.items() if times >= max(_FEWEST, _MOST / 2 * len(pages))}
    if not enough:
        return
    lines = "\n".join(["", *(line.text.strip() for page in pages for line in page), ""]).casefold()
    said: dict[str, bool] = {}
    for edge, words, place in heads:
        if words and place in enough:
            if words not in said:
                said[words] = f"\n{words}\n" in lines
            if said[words]:
                yield words, edge
