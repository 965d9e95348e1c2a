"""What the text of an RTF file makes: paragraphs and tables of one story, such as the body, a footnote or a box."""

from __future__ import annotations

from collections.abc import Sequence

from vpa.ingest.cleaning import cleaned, squeezed
from vpa.ingest.contract import Part
from vpa.ingest.tables import table_parts


class Story:
    """Text that runs on its own. Its footnotes, boxes and comments follow the paragraph or the table they hang on."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._texts: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._has_header = False
        self._asides: list[Part] = []

    def write(self, text: str) -> None:
        self._texts.append(text)

    def add_aside(self, parts: Sequence[Part]) -> None:
        self._asides += parts

    def end_paragraph(self, *, in_table: bool, level: int) -> None:
        """Ends a paragraph; inside of a cell it is a line. `level` is that of a heading, 0 for other text."""
        if in_table or self._cells:
            self._texts.append("\n")
            return
        self._end_table()
        text = self._taken()
        self.parts.append(Part(squeezed(text), "heading", level=level) if level else Part(text.strip()))
        self._end_asides()

    def begin_table(self) -> None:
        """Ends the paragraph before a table, where nothing else did."""
        if not self._cells and self._has_text():
            self.end_paragraph(in_table=False, level=0)

    def end_cell(self) -> None:
        self._cells.append(squeezed(self._taken()))

    def end_row(self, *, continued: Sequence[bool], is_header: bool) -> None:
        """Ends a row; `continued` says for each cell whether it goes on from the one above, and then has its text."""
        if self._has_text():
            self.end_cell()
        above = self._rows[-1] if self._rows else []
        for place, goes_on in enumerate(continued[: min(len(self._cells), len(above))]):
            self._cells[place] = self._cells[place] or (above[place] if goes_on else "")
        if not self._rows:
            self._has_header = is_header
        self._rows.append(self._cells)
        self._cells = []

    def end(self) -> list[Part]:
        """All parts, after the last paragraph."""
        if self._cells:
            self.end_row(continued=(), is_header=False)
        self.end_paragraph(in_table=False, level=0)
        return self.parts

    def _end_table(self) -> None:
        if self._rows:
            self.parts += table_parts(self._rows, header=self._has_header)
            self._rows, self._has_header = [], False
            self._end_asides()

    def _end_asides(self) -> None:
        self.parts += self._asides
        self._asides = []

    def _has_text(self) -> bool:
        return bool("".join(self._texts).strip())

    def _taken(self) -> str:
        text = "".join(self._texts)
        self._texts = []
        # Signs beyond the first plane are written as two halves.
        return cleaned(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def text_of(parts: Sequence[Part]) -> str:
    """The text of a story on one line."""
    return squeezed(" ".join(part.text for part in parts))
