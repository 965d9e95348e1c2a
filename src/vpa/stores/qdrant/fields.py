"""A record's values as fields that Qdrant indexes: one key for each path and kind, beside the record itself.

`_vpa.n` holds numbers, `.s` texts (long ones as a hash), `.b` booleans, `.f` case-folded texts where folding changes
them, `.d` moments in microseconds since 1970; below it `m`, `y` (system fields) or `h` (names that a path of Qdrant
cannot hold, hashed), and the name. `_vpa.p` lists the paths that have a value, `.x` tokens of numbers that float64, or
Qdrant's parser, does not hold, `.r` the order of texts that name no moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from vpa.base.metadata import Scalar, kind_of
from vpa.base.scope import Scope
from vpa.filters.ast import Field
from vpa.stores.layout.companions import carried, survives_parsing, words
from vpa.stores.layout.rows import Row
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.tokens import companion_name, fold, scope_text, seen, token, value_token
from vpa.stores.qdrant.keeping import exactly, ordered

ROOT: Final = "_vpa"
SCOPE: Final = "_vpa_scope"
PRESENT: Final = f"{ROOT}.p"
TOKENS: Final = f"{ROOT}.x"
ORDER: Final = f"{ROOT}.r"
# What a record of the default scope has among its paths; no path begins so. What others wrote has it not.
DEFAULT: Final = "@"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_TEXT: Final = 64  # Characters; what is longer is compared by its hash.
_HASHED: Final = "#~"
_EXACT: Final = 2**53
_WORD_BYTES: Final = 6
_EPOCH: Final = datetime(1970, 1, 1)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def name_of(field: Field) -> str:
    """Where a field's values stand below a kind."""
    space = "y" if field.system else "m"
    if _PLAIN.fullmatch(field.path):
        return f"{space}.{field.path}"
    return f"h.{companion_name(field)}"


def key_of(kind: str, field: Field) -> str:
    """The key of the values of one kind, as Qdrant's filters name it."""
    return f"{ROOT}.{kind}.{name_of(field)}"


def name_of_key(key: str) -> str | None:
    """The inverse of `key_of`: the name of the field; None for keys that fields share."""
    parts = key.split(".", 2)
    return parts[2] if len(parts) == 3 and not key.startswith(ORDER) else None


def text_of(field: Field, text: str) -> str:
    """A text as it is stored under `s`; the hash of one that is long, or that looks like a hash."""
    text = seen(field, text)
    if len(text) <= _LONGEST_TEXT and not text.startswith(_HASHED):
        return text
    return f"{_HASHED}{token('=', text)}"


def fold_of(field: Field, text: str) -> str:
    """The same of its case-folded form."""
    small = fold(field, text)
    return small if len(small) <= _LONGEST_TEXT and not small.startswith(_HASHED) else f"{_HASHED}{token('=', small)}"


def by_token(value: float) -> bool:
    """Whether equality is decided by a token, because the number that Qdrant has for it may be another one."""
    return abs(value) >= _EXACT or not survives_parsing(float(value))


def microseconds(text: str) -> int | None:
    """Of a text in the form that comparisons see, if it is a moment whose microseconds float64 holds exactly."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        since = datetime.fromisoformat(text[:-1]) - _EPOCH
    except ValueError:
        return None
    found = since // timedelta(microseconds=1)
    return found if abs(found) < _EXACT else None


def text_of_microseconds(value: int) -> str:
    """The inverse."""
    return (_EPOCH + timedelta(microseconds=value)).replace(tzinfo=UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def payload_of(row: Row, scope: Scope) -> dict[str, Any]:
    """What is stored beside the vector: the record as it is, and what filters look at."""
    made = _Fields()
    for field, values in row.values:
        made.add(field, values)
    if scope == DEFAULT_SCOPE:
        made.present[DEFAULT] = None
    payload: dict[str, Any] = {**row.native, **row.document}
    if made.tokens and not all(map(survives_parsing, _floats(row))):
        payload |= exactly(row.document)
    else:
        payload |= ordered(row.document.get("metadata") or {})
    if made.present:
        payload[ROOT] = {**made.kinds, "p": list(made.present)}
    return payload if scope == DEFAULT_SCOPE else {**payload, SCOPE: scope_text(scope)}


def _floats(row: Row) -> Iterator[float]:
    return (value for _, values in row.values for value in values if isinstance(value, float))


class _Fields:
    """Collects the fields of one record."""

    def __init__(self) -> None:
        self.kinds: dict[str, Any] = {}
        self.present: dict[str, None] = {}
        self.tokens: list[str] = []

    def add(self, field: Field, values: Sequence[Scalar]) -> None:
        place = _place(field.path, field.system)
        self.present |= place.present
        kind = kind_of(values[0])
        if kind == "number":
            self._put("n", place, [carried(float(value) + 0.0) for value in values])  # type: ignore[arg-type]
            tokens = [value_token(field, value) for value in values if by_token(value)]  # type: ignore[arg-type]
            if tokens:
                self.tokens.extend(tokens)
                self.kinds["x"] = self.tokens
        elif kind == "boolean":
            self._put("b", place, ["true" if value else "false" for value in values])
        else:
            self._add_texts(place, [_text(field.system, str(value)) for value in values])

    def _add_texts(self, place: _Place, texts: Sequence[_Text]) -> None:
        self._put("s", place, [text.value for text in texts])
        if folds := [text.fold for text in texts if text.fold is not None]:
            self._put("f", place, folds)
        if moments := [text.moment for text in texts if text.moment is not None]:
            self._put("d", place, moments)
        others = [text for text in texts if text.moment is None]
        if not others:
            return
        ends = others if len(others) == 1 else dict.fromkeys((min(others), max(others)))
        order = self.kinds.setdefault("r", [])
        order.extend({"h": place.name, **text.words} for text in ends)

    def _put(self, kind: str, place: _Place, values: Sequence[Any]) -> None:
        target = self.kinds.setdefault(kind, {}).setdefault(place.space, {})
        distinct = list(dict.fromkeys(values)) if len(values) > 1 else values
        target[place.key] = distinct[0] if len(distinct) == 1 else distinct


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the values of one path stand, and what says that it, and the paths above it, are there."""

    name: str
    space: str
    key: str
    present: dict[str, None]


@lru_cache(maxsize=4096)
def _place(path: str, system: bool) -> _Place:
    name = name_of(Field(path, system))
    space, _, key = name.partition(".")
    present = {name: None}
    while not system and "." in path:
        path = path[: path.rindex(".")]
        if path:
            present[name_of(Field(path))] = None
    return _Place(name, space, key, present)


@dataclass(frozen=True, slots=True, order=True)
class _Text:
    """One text as filters look at it; in the order of what comparisons see."""

    form: str
    value: str = dataclass_field(compare=False)
    fold: str | None = dataclass_field(compare=False)
    moment: int | None = dataclass_field(compare=False)
    words: dict[str, int] = dataclass_field(compare=False)


@lru_cache(maxsize=65_536)
def _text(system: bool, text: str) -> _Text:
    field = Field("-", system)
    form = seen(field, text)
    small = None if fold(field, text) == form else fold_of(field, text)
    # Words behind the one in which the text ends are never compared.
    short = words(form)[: len(form.encode()) // _WORD_BYTES + 1]
    order = {f"w{number}": word for number, word in enumerate(short)}
    return _Text(form, text_of(field, text), small, microseconds(form), order)
