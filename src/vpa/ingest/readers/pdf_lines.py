"""The lines of a PDF's page in reading order, with what their first characters tell of place and font.

Calls PDFium itself: the classes around it cost a tenth of the time of a page. Per line there is one call, and per font
three; all else is worked out from them.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from vpa.ingest.readers.pdf_columns import Run, gap_of, gutter_of, in_columns

_FIXED_PITCH: Final = 1
_QUARTER_TURNED: Final = (1, 3)
# PDFium puts these for a hyphen at the end of a line, and the next line after it.
HYPHENS: Final = "\ufffe\x02"
# Of so many lines of a page it is asked whether they run over two columns.
_SAMPLED: Final = 8
_SAMPLED_LENGTH: Final = 30
# Annotations of one page that are looked at; more are made to harm.
_ANNOTATIONS: Final = 10_000
_NAME_BYTES: Final = 200
# Heights of fonts are told apart in such parts of a point.
_FONT_STEPS: Final = 50
# Points between the columns in lines that are taken apart.
_GAP: Final = 6.0
_TYPEWRITER: Final = re.compile(rb"(?<![a-z])[a-z]*tt\d|mono|courier|consol|menlo|typewriter|fixed|code", re.IGNORECASE)


class Line(NamedTuple):
    """A line, or as many more as `hyphens` hold together. In points, from the bottom left of the page; `size` is the
    font's.
    """

    text: str
    left: float
    bottom: float
    size: float
    fixed_pitch: bool
    hyphens: int = 0


class PageReader:
    """Reads pages of one open document; its buffers are used again for each."""

    def __init__(self, opened: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._document = opened.raw
        self._box = pdfium.FS_RECTF()
        self._sizes: dict[int, float] = {}
        self._matrix = pdfium.FS_MATRIX()
        self._flags = ctypes.c_int()
        self._flags_reference = ctypes.byref(self._flags)
        self._name = ctypes.create_string_buffer(_NAME_BYTES)
        self._font_info = pdfium.FPDFText_GetFontInfo
        self._typewriters: dict[bytes, bool] = {}
        self._corners = tuple(ctypes.c_double() for _ in range(4))
        self._buffer = (ctypes.c_ushort * 0)()
        # Of the pages that were read, those with notes or fields: to load all of them again for these costs a fifth.
        self.annotated: list[int] = []

    def lines(self, index: int) -> list[Line] | None:
        """The lines of a page; none where it has no text; None where it cannot be loaded."""
        page = self._pdfium.FPDF_LoadPage(self._document, index)
        if not page:
            return None
        try:
            if self._is_annotated(page):
                self.annotated.append(index)
            text_page = self._pdfium.FPDFText_LoadPage(page)
            if not text_page:
                return None
            try:
                return self._lines(page, text_page)
            finally:
                self._pdfium.FPDFText_ClosePage(text_page)
        finally:
            self._pdfium.FPDF_ClosePage(page)

    def _is_annotated(self, page: Any) -> bool:
        """Whether a page has annotations other than links."""
        pdfium = self._pdfium
        for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _ANNOTATIONS)):
            annotation = pdfium.FPDFPage_GetAnnot(page, index)
            is_link = not annotation or pdfium.FPDFAnnot_GetSubtype(annotation) == pdfium.FPDF_ANNOT_LINK
            pdfium.FPDFPage_CloseAnnot(annotation)
            if not is_link:
                return True
        return False

    def _lines(self, page: Any, text_page: Any) -> list[Line]:
        count = self._pdfium.FPDFText_CountChars(text_page)
        text = self._text(text_page, count)
        if not text.strip():
            return []
        texts = text.split("\r\n")
        if self._pdfium.FPDFPage_GetRotation(page) in _QUARTER_TURNED:
            return _without_places(texts)
        starts = self._starts(text_page, texts, exact=len(text) == count)
        gutter = self._gutter(text_page, texts, starts)
        if gutter:
            return self._in_columns(text_page, texts, starts, gutter)
        return self._placed(text_page, texts, starts)

    def _text(self, text_page: Any, count: int) -> str:
        if count <= 0:
            return ""
        if len(self._buffer) <= count:
            self._buffer = (ctypes.c_ushort * (2 * count + 1))()
        written = self._pdfium.FPDFText_GetText(text_page, 0, count, self._buffer)
        return bytes(memoryview(self._buffer)[: max(written - 1, 0)]).decode("utf-16-le", "ignore")

    def _starts(self, text_page: Any, texts: Sequence[str], *, exact: bool) -> list[int]:
        """Where each line begins, as PDFium counts characters: as Python does, but on few pages."""
        starts = []
        place = 0
        for text in texts:
            starts.append(place)
            place += len(text) + 2
        if exact:
            return starts
        index_of = self._pdfium.FPDFText_GetCharIndexFromTextIndex
        units = [len(text.encode("utf-16-le")) // 2 + 2 for text in texts]
        return [max(index_of(text_page, place), 0) for place in (0, *accumulate(units[:-1]))]

    def _placed(self, text_page: Any, texts: Sequence[str], starts: Sequence[int]) -> list[Line]:
        loose, box, reference = self._pdfium.FPDFText_GetLooseCharBox, self._box, ctypes.byref(self._box)
        fixed_fonts: dict[int, bool] = {}
        lines = []
        for text, start in zip(texts, starts, strict=True):
            if not text or text.isspace():
                continue
            loose(text_page, start, reference)
            bottom = box.bottom
            # The height of a box is that of its font at its size, so that it tells fonts apart.
            font = int((box.top - bottom) * _FONT_STEPS)
            fixed = fixed_fonts.get(font)
            if fixed is None:
                fixed = fixed_fonts[font] = self._is_fixed(text_page, start)
                if font not in self._sizes:
                    self._sizes[font] = self._size(text_page, start, font / _FONT_STEPS)
            if fixed:
                fixed = self._is_fixed(text_page, start + len(text.rstrip()) - 1)
                if text[0] == " ":
                    # PDFium makes one blank of several, so that the indentation is where the first word begins.
                    loose(text_page, start + len(text) - len(text.lstrip()), reference)
                    text = text.lstrip()
            hyphens = 0 if text.isprintable() else sum(map(text.count, HYPHENS))
            lines.append(Line(text, box.left, bottom, self._sizes[font], fixed, hyphens))
        return lines

    def _size(self, text_page: Any, start: int, height: float) -> float:
        """The size of a character's font as it is printed."""
        size = self._pdfium.FPDFText_GetFontSize(text_page, start)
        if not self._pdfium.FPDFText_GetMatrix(text_page, start, ctypes.byref(self._matrix)):
            return height
        scaled = float(size) * math.hypot(self._matrix.c, self._matrix.d)
        return round(scaled, 1) if scaled > 0 else height

    def _is_fixed(self, text_page: Any, index: int) -> bool:
        """Whether a font is for programs: its flags say so, or its name, as TeX's do not have the flag."""
        self._flags.value = 0
        self._font_info(text_page, index, self._name, _NAME_BYTES, self._flags_reference)
        if self._flags.value & _FIXED_PITCH:
            return True
        name = self._name.value
        known = self._typewriters.get(name)
        if known is None:
            known = self._typewriters[name] = _TYPEWRITER.search(name) is not None
        return known

    def _gutter(self, text_page: Any, texts: Sequence[str], starts: Sequence[int]) -> tuple[float, float] | None:
        """The empty stripe between two columns whose lines PDFium reads across; None on most pages."""
        long = [place for place, text in enumerate(texts) if len(text) >= _SAMPLED_LENGTH]
        if len(long) < _SAMPLED // 2:
            return None
        step = max(len(long) // _SAMPLED, 1)
        sampled = long[step // 2 :: step][:_SAMPLED]
        # Two lines from the middle of nearly every page say that there is nothing to look for.
        middle = len(sampled) // 2
        first, *rest = [*sampled[middle:], *sampled[:middle]]
        lines = [self._runs(text_page, starts[first], len(texts[first]))]
        for place in rest:
            lines.append(self._runs(text_page, starts[place], len(texts[place])))
            if not any(map(gap_of, lines)):
                return None
        return gutter_of(lines)

    def _runs(self, text_page: Any, start: int, count: int) -> list[tuple[float, float]]:
        """From where to where the pieces of a line go that were put on the page one by one."""
        left, top, right, bottom = self._corners
        runs = []
        for piece in range(self._pdfium.FPDFText_CountRects(text_page, start, count)):
            self._pdfium.FPDFText_GetRect(text_page, piece, left, top, right, bottom)
            runs.append((left.value, right.value))
        return runs

    def _in_columns(
        self, text_page: Any, texts: Sequence[str], starts: Sequence[int], gutter: tuple[float, float]
    ) -> list[Line]:
        """Lines that run over both columns are taken apart, and put in the order of the columns."""
        runs = []
        for text, start in zip(texts, starts, strict=True):
            runs += self._pieces(text_page, text, start, gutter)
        ordered = in_columns(runs, gutter)
        return self._placed(text_page, [run.text for run in ordered], [run.start for run in ordered])

    def _pieces(self, text_page: Any, text: str, start: int, gutter: tuple[float, float]) -> list[Run]:
        """The left and the right part of a line, as the boxes of its characters tell."""
        left, unused, right, unused_too = self._corners
        middle = sum(gutter) / 2
        pieces: list[Run] = []
        begin, side, low, high = 0, 0, math.inf, -math.inf
        for place, character in enumerate(text):
            if character.isspace() or not self._pdfium.FPDFText_GetCharBox(
                text_page, start + place, left, right, unused, unused_too
            ):
                continue
            now = 1 if left.value >= middle else -1 if right.value <= middle else 0
            if now and side and now != side and _is_apart(text[place - 1], high, left.value):
                pieces.append(Run(text[begin:place].rstrip(), start + begin, low, high))
                begin, low, high = place, math.inf, -math.inf
            side = now or side
            low, high = min(low, left.value), max(high, right.value)
        pieces.append(Run(text[begin:], start + begin, low, high))
        return [piece for piece in pieces if piece.text.strip()]


def _is_apart(before: str, end: float, start: float) -> bool:
    """Whether two characters on either side of the gutter are of two lines."""
    return before in HYPHENS or start < end or start - end >= _GAP


def _without_places(texts: Sequence[str]) -> list[Line]:
    """Lines of a page that is turned: one below the other, in a font of one size."""
    return [Line(text, 0, -12.0 * number, 10, False) for number, text in enumerate(texts) if text.strip()]
