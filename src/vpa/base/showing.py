"""Values of callers inside messages: on one line, short, and never an error of their own.

`repr` raises ValueError for integers of more than 4,300 digits, RecursionError for deep nesting, and whatever an
object's own `__repr__` raises.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any, Final

_LIMIT: Final = 80
_LARGE_BITS: Final = 4096


class _Shortened(reprlib.Repr):
    """Looks at the beginning of a value only: a list of a million numbers costs no more than one of ten."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20
        self.maxstring = self.maxother = self.maxlong = 1000

    def repr_int(self, value: int, level: int) -> str:
        """A number, or how large it is."""
        del level
        return repr(value) if value.bit_length() <= _LARGE_BITS else f"an integer of {value.bit_length()} bits"

    def repr_dict(self, value: dict[Any, Any], level: int) -> str:
        """As Python writes it, in the order of the mapping: keys of several kinds cannot be sorted."""
        if level <= 0:
            return "{...}"
        inner = [f"{self.repr1(key, level - 1)}: {self.repr1(item, level - 1)}" for key, item in _first(value.items())]
        return "{" + ", ".join(inner + ["..."] * (len(value) > len(inner))) + "}"

    def repr_instance(self, value: Any, level: int) -> str:
        """What the object says of itself, or of which kind it is."""
        del level
        try:
            return repr(value)
        except Exception:  # noqa: BLE001 - an object's own __repr__ may raise anything; the message is about something else
            return f"<{type(value).__name__}>"


_SHORTENED: Final = _Shortened()


def _first(items: Any) -> list[Any]:
    return [item for item, _ in zip(items, range(_SHORTENED.maxdict), strict=False)]


def shown(value: object, *, limit: int = _LIMIT) -> str:
    """`repr(value)` up to `limit` characters, on one line."""
    text = repr(value[: limit + 1]) if type(value) is str else _SHORTENED.repr(value)
    return " ".join(text[:limit].splitlines())


def some(values: Sequence[str]) -> str:
    """The first ten, quoted, for a message."""
    first = ", ".join(repr(value) for value in values[:10])
    return f"{first}, …" if len(values) > 10 else first
