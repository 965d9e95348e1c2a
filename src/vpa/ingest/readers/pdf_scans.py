"""Pages of a PDF that are pictures: which ones, and their text by OCR."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from vpa.ingest.contract import Part, SourceFile, UnreadableError
from vpa.ingest.readers.image import check_languages, recognised

# OCR takes a second or two for a page: so many are read of one file, in this share of its time.
_OCR_PAGES: Final = 50
_OCR_TIME: Final = 0.5
_OCR_DPI: Final = 200
_OCR_PIXELS: Final = 25_000_000


def has_picture(page: Any, *, drawn: bool) -> bool:
    """Whether a page shows a picture; with `drawn`, or lines, which letters may be made of."""
    import pypdfium2.raw as pdfium

    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, *([pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING] if drawn else [])]
    try:
        return any(True for _ in islice(page.get_objects(filter=kinds, max_depth=3), 1))
    finally:
        page.close()


def numbered(indices: Sequence[int]) -> str:
    """Pages in words, by their places from 0: "page 3 is", "pages 3, 4 are"."""
    numbers = ", ".join(str(index + 1) for index in indices[:10])
    more = ", …" if len(indices) > 10 else ""
    return f"page {numbers} is" if len(indices) == 1 else f"pages {numbers}{more} are"


class Scans:
    """OCR of pages without text. `note` says which were not read, and what to do."""

    def __init__(self, file: SourceFile, opened: Any) -> None:
        self._file = file
        self._opened = opened
        self.flags: set[str] = set()
        self.note = ""

    def parts(self, indices: Sequence[int], *, alone: bool) -> Iterator[Part]:
        """The text of pages; raises UnreadableError where they are `alone` and cannot be read."""
        try:
            check_languages(self._file.ocr_languages)
            ends = time.monotonic() + _OCR_TIME * self._file.limits.seconds
            for place, index in enumerate(indices):
                if place == _OCR_PAGES or (place and time.monotonic() > ends):
                    self.note = f"{numbered(indices[place:])} pictures that OCR had no time for: split the file"
                    return
                yield from self._page(index)
        except UnreadableError as error:
            reason = f"pictures without text: {error}"
            if alone:
                raise UnreadableError(f"holds {reason}") from error
            self.note = f"{numbered(indices)} {reason}"

    def _page(self, index: int) -> Iterator[Part]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "page.pgm"
            path.write_bytes(_picture(self._opened[index]))
            recognition = recognised(path, self._file, at={"page": index + 1})
        if recognition.parts:
            self.flags.update(recognition.flags)
        yield from recognition.parts


def _picture(page: Any) -> bytes:
    """A page as a grey picture, in the format PGM."""
    width, height = page.get_size()
    scale = _OCR_DPI / 72
    area = width * height * scale * scale
    if area > _OCR_PIXELS:
        scale *= (_OCR_PIXELS / area) ** 0.5
    bitmap = page.render(scale=scale, grayscale=True)
    data, stride = bytes(bitmap.buffer), bitmap.stride
    rows = (data[row * stride : row * stride + bitmap.width] for row in range(bitmap.height))
    picture = b"P5 %d %d 255\n" % (bitmap.width, bitmap.height) + b"".join(rows)
    bitmap.close()
    page.close()
    return picture
