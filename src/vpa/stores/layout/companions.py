"""What a comparison with a companion can say: how exact numbers are as float64, and texts as numbers."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

_EXACT_INTEGERS: Final = 2.0**53  # Float64 holds every integer up to 2**53; int64 ends at 2**63.
_LARGEST_INTEGER: Final = 2.0**63
_DIGITS: Final = 15
_EXPONENT: Final = 6
_WHOLE: Final = 1e14  # With the zero behind the point these have 15 digits.
# Order of texts as five numbers of six bytes, each exact in float64: ties beyond 29 bytes are compared here.
WORDS: Final = 5
_WORD_BYTES: Final = 6
MAX_WORD_BYTES: Final = WORDS * _WORD_BYTES - 1


def number_is_exact(value: float) -> bool:
    """Whether comparing float64 companions with `value` is the same as comparing the true 64-bit integers and
    floats.
    """
    return abs(value) < _EXACT_INTEGERS or abs(value) > _LARGEST_INTEGER


def survives_parsing(value: float) -> bool:
    """Whether a float is the same after a store parsed its JSON with serde_json as that is by default.

    Which is exact for 15 digits and small powers of ten.
    """
    if value.is_integer() and abs(value) < _WHOLE:
        return True
    digits, _, exponent = repr(value).partition("e")
    # With the zeros that are written: of 16 digits the parser makes a number that a float does not hold.
    return len(digits.lstrip("-0.").replace(".", "")) <= _DIGITS and abs(int(exponent or 0)) <= _EXPONENT


_FLOOR: Final = Context(prec=_DIGITS, rounding=ROUND_FLOOR)
# Nearer to zero, parsing may give zero.
_SMALLEST: Final = 1e-290


def carried(value: float) -> float:
    """What is stored of a number for comparisons, so that it is on the same side of every number that survives parsing
    as the number itself, whatever the parser makes of it.

    A number of more than 15 digits lies between two of 15 digits, which are at least four floats apart: half way
    between them, a parser that is wrong by one float, or by two, does not reach either.
    """
    if 0 < abs(value) < _SMALLEST:
        return math.copysign(_SMALLEST, value)
    if survives_parsing(value) or not math.isfinite(value):
        return value
    exact = Decimal(value)
    below = _FLOOR.plus(exact)
    if below == exact or below == Decimal(repr(value)):
        return value
    middle = float((below + _FLOOR.next_plus(below)) / 2)
    return middle if math.isfinite(middle) else value


def words(text: str) -> tuple[int, ...]:
    """The first 30 UTF-8 bytes as five big-endian numbers of 48 bits: their order is that of the text, up to 29
    bytes.
    """
    data = text.encode()[: WORDS * _WORD_BYTES].ljust(WORDS * _WORD_BYTES, b"\0")
    starts = range(0, len(data), _WORD_BYTES)
    return tuple(int.from_bytes(data[start : start + _WORD_BYTES], "big") for start in starts)
