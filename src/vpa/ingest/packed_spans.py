"""Spans as columns of numbers: a large table has a million, which as objects take fifty times their bytes."""

from __future__ import annotations

import json
import operator
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, overload

from vpa.ingest.contract import Kind, Span

# Four bytes on every machine that runs Python.
_NUMBER: Final = "I"
_MOST: Final = 1 << 32
_COLUMNS: Final = ("starts", "ends", "forms", "numbers")


class _Form(NamedTuple):
    """What many spans have in common: all but where they are and the whole numbers of their place, under `keys`."""

    kind: Kind
    level: int
    context: str
    at: Mapping[str, Any]
    keys: tuple[str, ...]


def columns_of(spans: Sequence[Span]) -> dict[str, Any]:
    """Spans as JSON: columns in base64, and a table of what they share."""
    columns = {name: array(_NUMBER) for name in _COLUMNS}
    table: dict[str, int] = {}
    forms: list[list[Any]] = []
    for span in spans:
        keys = [key for key, value in span.at.items() if type(value) is int and 0 <= value < _MOST]
        rest = {key: value for key, value in span.at.items() if key not in keys}
        form = [span.kind, span.level, span.context, rest, keys]
        number = table.setdefault(json.dumps(form, default=str), len(forms))
        if number == len(forms):
            forms.append(form)
        columns["starts"].append(span.start)
        columns["ends"].append(span.end)
        columns["forms"].append(number)
        columns["numbers"].extend(span.at[key] for key in keys)
    return {"table": forms, **{name: b64encode(column).decode() for name, column in columns.items()}}


class PackedSpans(Sequence[Span]):
    """Spans that are made when they are asked for. In order, and within the content, or there are none."""

    __slots__ = ("_columns", "_first", "_forms")

    def __init__(self, packed: Mapping[str, Any], *, length: int) -> None:
        """From what `columns_of` makes, which is not trusted; raises ValueError. `length` is that of the content."""
        self._forms = [_form(value) for value in _listed(packed.get("table"))]
        self._columns = {name: _column(packed.get(name), name) for name in _COLUMNS}
        starts, ends, forms, numbers = self._columns.values()
        if not len(starts) == len(ends) == len(forms):
            raise ValueError("the columns of spans differ in length")
        if forms and max(forms) >= len(self._forms):
            raise ValueError("a span is of no form in the table")
        counts = [len(form.keys) for form in self._forms]
        # By span, where its numbers begin.
        self._first = array("Q", [0])
        for form in forms:
            self._first.append(self._first[-1] + counts[form])
        if self._first[-1] != len(numbers):
            raise ValueError("the numbers of spans are too few or too many")
        if not all(map(operator.le, chain((0,), ends), chain(starts, (length,)))):
            raise ValueError("spans are out of order")
        if not all(map(operator.le, starts, ends)):
            raise ValueError("a span ends before it begins")

    def __len__(self) -> int:
        return len(self._columns["starts"])

    def __iter__(self) -> Iterator[Span]:
        return map(self._span, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Span: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Span]: ...

    def __getitem__(self, place: int | slice) -> Span | Sequence[Span]:
        places = range(len(self))[place]
        return self._span(places) if isinstance(places, int) else [self._span(one) for one in places]

    def _span(self, place: int) -> Span:
        columns = self._columns
        form = self._forms[columns["forms"][place]]
        numbers = columns["numbers"][self._first[place] : self._first[place + 1]]
        at = {**form.at, **dict(zip(form.keys, numbers, strict=True))}
        return Span(columns["starts"][place], columns["ends"][place], form.kind, at, form.level, form.context)


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("spans have no table")
    return value


def _column(value: object, name: str) -> array[int]:
    column = array(_NUMBER)
    if not isinstance(value, str):
        raise ValueError(f"{name} of spans is no column")
    # Raises ValueError for what is no base64, or no whole number of numbers.
    column.frombytes(b64decode(value, validate=True))
    return column


def _form(value: object) -> _Form:
    if not isinstance(value, list) or len(value) != len(_Form._fields):
        raise ValueError("a form of spans is a list of five")
    kind, level, context, at, keys = value
    if not isinstance(kind, str) or type(level) is not int or not isinstance(context, str):
        raise ValueError("a span has a kind, a level and a context")
    if not isinstance(at, dict) or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("a span has a place, with names of its numbers")
    if len({*keys, *at}) < len(keys) + len(at):
        raise ValueError("a place has a name twice")
    return _Form(kind, level, context, at, tuple(keys))  # type: ignore[arg-type]
