"""The rows of a table as text, read so that a quotation mark that is not closed does not swallow the rows below it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final

# Python's own limit is that of the process; the reader has one of its own.
FIELD_LIMIT: Final = 1 << 20
# So many rows are named in a note.
_NAMED: Final = 5


class Rows(Iterator[tuple[int, Sequence[str]]]):
    """Number and cells of each row that is not blank. `problem` says afterwards what stopped the reading, `unclosed` in
    which rows a quotation mark was read as text.
    """

    def __init__(self, text: str, delimiter: str) -> None:
        csv.field_size_limit(FIELD_LIMIT)
        self._delimiter = delimiter
        sign = re.escape(delimiter)
        cell = rf'(?:"(?:[^"]|"")*+"[ \t]*+|(?!")[^{sign}\r\n]*+)'
        # A row whose quotation marks are closed, perhaps with blanks behind them.
        self._row = re.compile(rf"{cell}(?:{sign}{cell})*+(?:\r\n|\r|\n|\Z)")
        self._text = text
        self._lines = io.StringIO(text, newline="")
        self._reader = self._strict()
        self._number = 0
        self.unclosed: list[int] = []
        self.problem = ""

    def __next__(self) -> tuple[int, Sequence[str]]:
        while not self.problem:
            start = self._lines.tell()
            try:
                cells = next(self._reader)
            except csv.Error:
                cells = self._lenient(start)
            self._number += 1
            if any(cell.strip() for cell in cells):
                return self._number, cells
        raise StopIteration

    def notes(self) -> Iterator[str]:
        """What a person should know of quotation marks that are not closed."""
        if self.unclosed:
            named = ", ".join(map(str, self.unclosed[:_NAMED]))
            more = f" and {len(self.unclosed) - _NAMED} more" if len(self.unclosed) > _NAMED else ""
            yield f"has a quotation mark that is not closed in row {named}{more}: read as text; double or close it"

    def _strict(self) -> Iterator[list[str]]:
        """A reader of rows that fails where a quotation mark is closed inside of a cell, or never."""
        return csv.reader(self._lines, delimiter=self._delimiter, strict=True)

    def _lenient(self, start: int) -> list[str]:
        """The row that begins there; it has one line, unless its quotation marks are closed in another one."""
        closed = self._row.match(self._text, start)
        self._lines.seek(start)
        line = self._lines.readline()
        if closed is not None and len(closed[0]) <= FIELD_LIMIT:
            line = closed[0]
            self._lines.seek(closed.end())
        self._reader = self._strict()
        try:
            if closed is None and self._is_open(line):
                self.unclosed.append(self._number + 1)
                return next(csv.reader([line], delimiter=self._delimiter, quoting=csv.QUOTE_NONE))
            return next(csv.reader(io.StringIO(line, newline=""), delimiter=self._delimiter))
        except csv.Error as error:
            reason = f"a cell is longer than {FIELD_LIMIT} characters" if "field larger" in str(error) else error
            self.problem = f"cannot be read beyond row {self._number}: {reason}"
            return []

    def _is_open(self, line: str) -> bool:
        """Whether a line ends inside of quotation marks: then a reader asks for the next one."""
        asked = []

        def lines() -> Iterator[str]:
            yield line
            asked.append(True)

        next(csv.reader(lines(), delimiter=self._delimiter))
        return bool(asked)
