"""Tables as text: each row reads `column: value; column: value`, so that it says alone what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import Location, Part

# A name of a column is no sentence.
_LONGEST_NAME: Final = 80
_NUMBER: Final = re.compile(r"[\s$€£¥%+\-−(]*\d[\d.,:/'\s\-]*[\s$€£¥%)]*")
YEAR: Final = re.compile(r"(?:19|20)\d\d")
# A header is looked for among so many of the first rows that are not empty: titles may stand above it.
HEADER_DEPTH: Final = 5


def is_header(row: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a row names columns: short, different words (years may be among them), about as many as `below` has."""
    names = [cell for cell in row if cell]
    words = [name for name in names if not YEAR.fullmatch(name)]
    if len(names) < 2 or not words or len({name.casefold() for name in names}) < len(names):
        return False
    if 2 * len(names) <= sum(map(bool, below)):
        return False
    return not any(_NUMBER.fullmatch(word) or len(word) > _LONGEST_NAME or word.endswith(".") for word in words)


def row_text(names: Sequence[str], row: Sequence[str]) -> str:
    """A row as text; cells without a name stand alone, and empty ones are left out."""
    named = list(names) + [""] * (len(row) - len(names))
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(named, row, strict=False) if cell)


class Columns:
    """Names of the columns of a table, and which of them has a value in any row."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._unused = {place for place, name in enumerate(names) if name}

    def row_text(self, row: Sequence[str]) -> str:
        """A row as text."""
        if self._unused:
            self._unused.difference_update(place for place, cell in enumerate(row) if cell)
        return row_text(self._names, row)

    def unused(self, at: Location) -> Iterator[Part]:
        """After the rows: the names that none of them says."""
        if self._unused:
            names = "; ".join(self._names[place] for place in sorted(self._unused))
            yield Part(f"columns without values: {names}", "row", at)


def table_parts(rows: Iterable[Sequence[str]], *, at: Location | None = None, header: bool = False) -> Iterator[Part]:
    """A part for each row of a table in a text, the header's names before its values.

    `header` says that the first row is one. A table that has nothing but a header is one row.
    """
    lines = [line for line in ([squeezed(cell) for cell in row] for row in rows) if any(line)]
    if not lines:
        return
    named = len(lines) > 1 and (header or is_header(lines[0], lines[1]))
    columns = Columns(lines[0] if named else ())
    for line in lines[1:] if named else lines:
        yield Part(columns.row_text(line), "row", at or {})
    yield from columns.unused(at or {})
