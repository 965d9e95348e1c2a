"""From the lines of a PDF's pages to its paragraphs, headings and programs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from vpa.ingest.contract import Part
from vpa.ingest.readers.pdf_lines import Line
from vpa.ingest.readers.pdf_words import Words, code

# Shares of the font's size or of the usual distance between two lines.
_WIDER: Final = 1.3
_USUAL_PITCH: Final = 1.25
_LARGEST_PITCH: Final = 2.2
_INDENT: Final = 0.8
_SAME_LINE: Final = 0.3
_OTHER_SIZE: Final = 0.1
# Fewer distances do not tell the usual one.
_FEWEST_STEPS: Final = 8
_PITCH_PAGES: Final = 100
# A heading's font is larger than that of the text by this, and the heading shorter than that.
_LARGER: Final = 1.12
_LONGEST_HEADING: Final = 200
_MOST_LINES: Final = 4
_LONGEST_ENTRY: Final = 120
_LEVELS: Final = 6
# A document that is typed is no program.
_TYPED: Final = 0.6
_SHORT: Final = 0.75
_CHARACTER: Final = 0.6
_ENDS: Final = frozenset(".!?:;…")
_CLOSING: Final = "\"'”’»)] \t"
# A line of a table of contents.
_ENTRY: Final = re.compile(r"(?:\.\s?){4,}\s*\S{1,6}\s*$")
_BULLETS: Final = frozenset("•◦▪‣●○■□\uf0b7\uf0a7\uf0d8")
_NUMBERED: Final = re.compile(r"(?:[-–—*]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_NUMBER: Final = re.compile(r"^(?:chapter|appendix|section)?\s*[\dA-Z]{0,2}(?:\.?\d+)*[.:]?\s+", re.IGNORECASE)

# By page, from 0: the level of each heading that the outline has there, by its text as `heading_key` makes it.
Outline = Mapping[int, Mapping[str, int]]


def heading_key(text: str) -> str:
    """A heading without its number, blanks and case: outlines write them otherwise than pages."""
    return "".join(_NUMBER.sub("", text.strip()).casefold().split())


class Paragraphs:
    """Divides the pages of one document."""

    def __init__(self, pages: Sequence[Sequence[Line]], outline: Outline, *, body: float) -> None:
        lines = [line for page in pages for line in page]
        self._pages = _without_typewriter(pages) if _is_typed(lines) else pages
        self._outline = outline
        self._body = body
        self._words = Words(line.text for line in lines)
        self._pitches = _pitches(pages)
        sizes = sorted({round(line.size) for line in lines if line.size > body * _LARGER}, reverse=True)
        self._levels = {size: min(level, _LEVELS) for level, size in enumerate(sizes, 1)}

    def parts(self) -> Iterator[Part]:
        """Paragraphs with their pages; one that goes on at the next page is two parts, joined."""
        before: Part | None = None
        for number, lines in enumerate(self._pages):
            for index, paragraph in enumerate(self._divided(lines)):
                part = self._part(paragraph, number)
                if before is not None and index == 0 and _goes_on(before, part):
                    before, part = _joined(before, part)
                if before is not None:
                    yield before
                before = part
        if before is not None:
            yield before

    def title(self) -> str:
        """The largest text of the first page, if it is larger than most text; empty without."""
        lines = self._pages[0] if self._pages else ()
        paragraphs = [paragraph for paragraph in self._divided(lines) if paragraph[0].size > self._body * _LARGER]
        largest = max(paragraphs, key=lambda paragraph: paragraph[0].size, default=[])
        title = self._words.line([line.text for line in largest]) if largest else ""
        return title if 2 < len(title) <= _LONGEST_HEADING else ""

    def _part(self, lines: Sequence[Line], number: int) -> Part:
        at = {"page": number + 1}
        if lines[0].fixed_pitch:
            margin = min(line.left for line in lines)
            return Part("\n".join(_indented(line, margin) for line in lines).strip("\n"), "code", at)
        text = self._words.line([line.text for line in lines])
        level = self._level(text, lines[0], number) if len(lines) <= _MOST_LINES else 0
        return Part(text, "heading", at, level=level) if level else Part(text, at=at)

    def _level(self, text: str, line: Line, number: int) -> int:
        if len(text) > _LONGEST_HEADING:
            return 0
        if self._outline:
            headings = self._outline.get(number)
            return headings.get(heading_key(text), 0) if headings and len(text) <= _LONGEST_ENTRY else 0
        if line.size <= self._body * _LARGER or not any(map(str.isalpha, text)):
            return 0
        return self._levels.get(round(line.size), _LEVELS)

    def _divided(self, lines: Sequence[Line]) -> list[list[Line]]:
        if not lines:
            return []
        # The median: a line over two columns is longer than those of paragraphs.
        usual = sorted(len(line.text) for line in lines)[len(lines) // 2]
        before = lines[0]
        paragraph = [before]
        paragraphs = [paragraph]
        begins = self._begins
        for line in lines[1:]:
            if begins(line, before, paragraph, usual):
                paragraph = [line]
                paragraphs.append(paragraph)
            else:
                paragraph.append(line)
            before = line
        return paragraphs

    def _begins(self, line: Line, before: Line, paragraph: Sequence[Line], usual: float) -> bool:
        """Whether a line begins a paragraph, and does not go on with the one before it."""
        size = line.size
        down = before.bottom - line.bottom
        if before.fixed_pitch is not line.fixed_pitch:
            return abs(down) > _SAME_LINE * before.size
        if before.size != size and abs(before.size - size) > _OTHER_SIZE * before.size:
            return abs(down) > before.size
        if abs(down) <= _SAME_LINE * size:
            return False
        if down < 0:
            return _has_ended(before.text) or not line.text.lstrip()[:1].islower()
        if down > _WIDER * (self._pitches.get(size) or _USUAL_PITCH * size) * (1 + before.hyphens):
            return True
        return not line.fixed_pitch and _is_set_apart(line, before, paragraph, usual)


def _is_typed(lines: Sequence[Line]) -> bool:
    """Whether a document is written with a typewriter, so that its font does not tell programs."""
    return sum(len(line.text) for line in lines if line.fixed_pitch) > _TYPED * sum(len(line.text) for line in lines)


def _without_typewriter(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    return [[line._replace(fixed_pitch=False) for line in page] for page in pages]


def _is_set_apart(line: Line, before: Line, paragraph: Sequence[Line], usual: float) -> bool:
    """Whether a line begins a paragraph that no space is put before."""
    text = line.text
    if text[0] in _BULLETS or _is_entry(before.text):
        return True
    if not _has_ended(before.text):
        return False
    if _NUMBERED.match(text):
        return True
    shift = line.left - before.left
    if shift > _INDENT * line.size:
        return len(paragraph) > 1 or not (before.text[0] in _BULLETS or _NUMBERED.match(before.text))
    if shift < -_INDENT * line.size:
        return len(paragraph) > 1
    return _length(before) < _SHORT * usual


def _is_entry(text: str) -> bool:
    return (". . ." in text or "...." in text) and _ENTRY.search(text) is not None


def _has_ended(text: str) -> bool:
    """Whether a sentence ends with a text."""
    return text.rstrip(_CLOSING)[-1:] in _ENDS


def _length(line: Line) -> float:
    """Characters of the last line of what hyphens hold together."""
    return len(line.text) / (1 + line.hyphens)


def _indented(line: Line, margin: float) -> str:
    return " " * round((line.left - margin) / (_CHARACTER * line.size or 1)) + code(line.text)


def _goes_on(before: Part, part: Part) -> bool:
    """Whether the first paragraph of a page is the rest of the last one of the page before."""
    return before.kind == part.kind == "text" and not _has_ended(before.text) and part.text[:1].islower()


def _joined(before: Part, part: Part) -> tuple[Part, Part]:
    divided = before.text[-1:] == "-" and before.text[-2:-1].islower()
    text = before.text[:-1] if divided else before.text
    return before._replace(text=text), part._replace(text=part.text if divided else f" {part.text}", joined=True)


def body_size(pages: Sequence[Sequence[Line]]) -> float:
    """The size of the font that most of the text has."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _pitches(pages: Sequence[Sequence[Line]]) -> dict[float, float]:
    """By size of the font, how far apart lines of one paragraph are."""
    steps: dict[float, list[float]] = defaultdict(list)
    for page in pages[:_PITCH_PAGES]:
        for before, line in pairwise(page):
            size = line.size
            down = before.bottom - line.bottom
            if before.size == size and not before.hyphens and 0.8 * size < down < _LARGEST_PITCH * size:
                steps[size].append(down)
    return {size: sorted(downs)[len(downs) // 3] for size, downs in steps.items() if len(downs) >= _FEWEST_STEPS}
