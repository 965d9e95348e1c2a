"""Tables as text (CSV, TSV): a row is `column: value; column: value`. A table of who said what is a conversation."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vpa.ingest.bounded import read_text, within
from vpa.ingest.contract import Item, Part, SourceDocument, SourceFile, SourceProblem, UnreadableError, assembled
from vpa.ingest.conversations import document_of
from vpa.ingest.conversations.tables import conversation_of_rows, is_conversation
from vpa.ingest.tables import Columns

_DELIMITERS: Final = (",", ";", "\t", "|")
_LOOKED_AT: Final = 1 << 16
_SAMPLE_ROWS: Final = 50
# Python's own limit is that of the process; the reader has one of its own.
_FIELD_LIMIT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Table:
    """Column names (empty where the first row is data) and the other rows, each with its number in a spreadsheet."""

    columns: Sequence[str]
    header_row: int
    rows: Iterator[tuple[int, Sequence[str]]]


def read(file: SourceFile) -> Iterator[Item]:
    """One document with a line for each row that is not blank; a problem where reading stops before the end."""
    whole = read_text(file)
    yield from whole.notes
    text, said = _said_delimiter(whole.text)
    reading = _Reading(text, said or _delimiter(text, file.format), rows_before=1 if said else 0)
    table = _table(reading)
    conversation = None
    if is_conversation(table.columns):
        rows = [cells for _, cells in table.rows]
        conversation = conversation_of_rows(table.columns, rows, title=file.title)
    if conversation is not None:
        yield document_of(conversation, origin=file.name)
    else:
        content, spans = assembled(within(_parts(table), file.limits))
        if not content:
            raise UnreadableError(reading.problem or "holds no values")
        yield SourceDocument(title=file.title, content=content, origin=file.name, spans=spans)
    if reading.problem:
        yield SourceProblem(file.name, reading.problem)


def _parts(table: _Table) -> Iterator[Part]:
    columns = Columns(table.columns)
    for number, cells in table.rows:
        yield Part(columns.row_text([" ".join(cell.split()) for cell in cells]), "row", {"row": number})
    yield from columns.unused({"row": table.header_row})


def _table(rows: Iterator[tuple[int, Sequence[str]]]) -> _Table:
    first = list(itertools.islice(rows, 2))
    names = [" ".join(cell.split()) for cell in first[0][1]] if first else []
    if _is_header(names, len(first)):
        return _Table(names, first[0][0], itertools.chain(first[1:], rows))
    return _Table((), 0, itertools.chain(first, rows))


def _said_delimiter(text: str) -> tuple[str, str]:
    """The text without the line `sep=;` that Excel writes, and what that line says."""
    line, end, rest = text.partition("\n")
    said = line.strip().lower()
    return (rest, said[4:] or "\t") if end and said.startswith("sep=") and len(said) <= 5 else (text, "")


def _delimiter(text: str, format: str) -> str:
    """The sign that parts most rows of the beginning into as many cells."""
    beginning = text[:_LOOKED_AT]
    if len(beginning) < len(text):
        beginning = beginning[: max(beginning.rfind("\n"), beginning.rfind("\r")) + 1] or beginning
    best = "\t" if format == "tsv" else ","
    order = (best, *(sign for sign in _DELIMITERS if sign != best))
    return max(order, key=lambda sign: _agreement(beginning, sign))


def _agreement(text: str, delimiter: str) -> tuple[float, int]:
    widths = Counter(len(cells) for _, cells in itertools.islice(_Reading(text, delimiter), _SAMPLE_ROWS))
    if not widths:
        return 0.0, 0
    width, count = widths.most_common(1)[0]
    return (count / widths.total(), width) if width > 1 else (0.0, 0)


class _Reading(Iterator[tuple[int, Sequence[str]]]):
    """Number and cells of each row that is not blank; `problem` says afterwards what stopped the reading."""

    def __init__(self, text: str, delimiter: str, *, rows_before: int = 0) -> None:
        csv.field_size_limit(_FIELD_LIMIT)
        self._rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        self._number = rows_before
        self.problem = ""

    def __next__(self) -> tuple[int, Sequence[str]]:
        while not self.problem:
            try:
                cells = next(self._rows)
            except csv.Error as error:
                reason = f"a cell is longer than {_FIELD_LIMIT} characters" if "field larger" in str(error) else error
                self.problem = (
                    f"cannot be read beyond row {self._number}: {reason}; perhaps a quotation mark is not closed"
                )
                break
            self._number += 1
            if any(cell.strip() for cell in cells):
                return self._number, cells
        raise StopIteration


def _is_header(cells: Sequence[str], rows: int) -> bool:
    """Whether the cells of the first row are names: short, all different, none a number."""
    named = [cell for cell in cells if cell]
    if rows < 2 or len(named) * 2 <= len(cells):
        return False
    return len({cell.lower() for cell in named}) == len(named) and not any(
        len(cell) > 100 or _is_number(cell) for cell in named
    )


def _is_number(cell: str) -> bool:
    # Days and times count too, and amounts with a sign of a currency.
    return any(character.isdigit() for character in cell) and not any(
        character.isalpha() for character in cell.replace("T", "").replace("Z", "")
    )
