"""Spreadsheets (XLSX, XLSB, XLS, ODS): one document, in which each row reads `column: value; column: value`, with the
comments and text boxes that hang on it behind it.

A row's number is the one that the spreadsheet program shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import Any, Final

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import EmptyFileError, Item, Part, SourceFile, SourceProblem, UnreadableError
from vpa.ingest.documents import Bounded, damage_named, document, too_much_text
from vpa.ingest.readers.extents import spans_of_ods, spans_of_xlsx
from vpa.ingest.readers.flat_sheets import packed
from vpa.ingest.readers.sheet_asides import Asides, asides_of_ods, asides_of_xlsx
from vpa.ingest.tables import HEADER_DEPTH, Columns, is_header
from vpa.ingest.zipped import opened_zip

# What the library allocates for each cell that a sheet spans, empty or not, with its copies.
_CELL_BYTES: Final = 128
_WHOLE: Final = 1e15


def read(file: SourceFile) -> Iterator[Item]:
    """One document, and a problem for each sheet that cannot be read; raises UnreadableError."""
    if file.format == "fods":
        with packed(file) as copy:
            yield from read(copy)
        return
    with damage_named("a spreadsheet"):
        spans, asides = _looked_through(file)
        yield from _Workbook(file, spans, asides).items()


def _looked_through(file: SourceFile) -> tuple[Mapping[str, int], Asides]:
    """How many cells the sheets span, and what the library does not read."""
    if file.format == "xls":
        if not file.path.stat().st_size:
            raise EmptyFileError()
        return {}, Asides()
    with opened_zip(file, what=f"a spreadsheet ({file.format.upper()})") as archive:
        names = archive.NameToInfo
        if "content.xml" in names:
            # The library reads all sheets of an OpenDocument file at once.
            for name, span in spans_of_ods(archive).items():
                if span > file.limits.memory_bytes // _CELL_BYTES:
                    raise UnreadableError("holds too many cells: " + _too_wide(name, span, file))
            return {}, asides_of_ods(archive)
        return spans_of_xlsx(archive) if "xl/workbook.xml" in names else {}, asides_of_xlsx(archive)


def _too_wide(name: str, span: int, file: SourceFile) -> str:
    most = file.limits.memory_bytes // _CELL_BYTES
    return (
        f"sheet {name!r} spans {span} cells, more than the {most} that memory allows: "
        "delete what stands in far rows and columns, or raise VPA_INGEST_MEMORY_MB"
    )


class _Workbook:
    """The sheets of one file. `spans` says how many cells each has between its first and its last one."""

    def __init__(self, file: SourceFile, spans: Mapping[str, int], asides: Asides) -> None:
        self._file = file
        self._spans = spans
        self._asides = asides
        self._problems: list[SourceProblem] = []
        self._flags: set[str] = set()

    def items(self) -> Iterator[Item]:
        with self._opened() as workbook:
            bounded = Bounded(self._parts(workbook), self._file)
            parts = list(bounded)
        if bounded.cut:
            self._problems.append(too_much_text(self._file))
        if parts or not self._problems:
            facts = dict(self._asides.facts)
            yield from document(self._file, parts, title=facts.pop("title", ""), metadata=facts, flags=self._flags)
        yield from self._problems

    def _opened(self) -> Any:
        from python_calamine import CalamineWorkbook, PasswordError

        try:
            return CalamineWorkbook.from_path(str(self._file.path))
        except PasswordError as error:
            raise UnreadableError("is encrypted: remove the password first") from error

    def _parts(self, workbook: Any) -> Iterator[Part]:
        from python_calamine import SheetTypeEnum, SheetVisibleEnum

        for facts in workbook.sheets_metadata:
            if facts.typ != SheetTypeEnum.WorkSheet or self._is_too_wide(facts.name):
                continue
            if facts.visible != SheetVisibleEnum.Visible:
                self._flags.add("hidden_text")
            try:
                sheet = workbook.get_sheet_by_name(facts.name)
            except Exception as error:  # noqa: BLE001 - the library raises several kinds; the other sheets are read
                self._problem(f"sheet {facts.name!r} cannot be read: {error}")
                continue
            name = squeezed(facts.name) or "Sheet"
            yield from self._asides.among(_sheet_parts(sheet, name), facts.name, name)

    def _is_too_wide(self, name: str) -> bool:
        span = self._spans.get(name, 0)
        if span <= self._file.limits.memory_bytes // _CELL_BYTES:
            return False
        self._problem(f"has a sheet that is left out: {_too_wide(name, span, self._file)}")
        return True

    def _problem(self, message: str) -> None:
        self._problems.append(SourceProblem(self._file.name, message))


def _sheet_parts(sheet: Any, name: str) -> Iterator[Part]:
    if sheet.start is None:
        return
    # The rows that the library iterates over begin with the first of the sheet, blank or not.
    rows = ((number, line) for number, line in enumerate(map(_cells, sheet.iter_rows()), 1) if any(line))
    beginning = list(islice(rows, HEADER_DEPTH + 1))
    if not beginning:
        return
    yield Part(name, "heading", {"sheet": name, "row": 1}, level=1)
    place = _header_place(beginning)
    columns, header_row = Columns(()), 1
    for index, (number, line) in enumerate(chain(beginning, rows)):
        if index == place:
            columns, header_row = Columns(line), number
        else:
            yield Part(columns.row_text(line), "row", {"sheet": name, "row": number})
    yield from columns.unused({"sheet": name, "row": header_row})


def _header_place(beginning: Sequence[tuple[int, list[str]]]) -> int:
    """Which of the first rows names the columns; -1 where none does."""
    for place in range(len(beginning) - 1):
        if is_header(beginning[place][1], beginning[place + 1][1]):
            return place
    return -1


def _cells(row: Sequence[Any]) -> list[str]:
    return [_shown(value) for value in row]


def _shown(value: Any) -> str:
    """A cell as people write it: whole numbers without a point, no powers of ten, times in ISO 8601."""
    if isinstance(value, str):
        return squeezed(value) if value else ""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    if value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    short = repr(value)
    return f"{value:.15f}".rstrip("0").rstrip(".") if "e-" in short else f"{value:.0f}" if "e" in short else short
