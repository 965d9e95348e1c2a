"""What a comparison with a companion can say: how exact numbers are as float64, and texts as numbers."""

from __future__ import annotations

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
    return len(digits.strip("-").replace(".", "").strip("0")) <= _DIGITS and abs(int(exponent or 0)) <= _EXPONENT


def words(text: str) -> tuple[int, ...]:
    """The first 30 UTF-8 bytes as five big-endian numbers of 48 bits: their order is that of the text, up to 29
    bytes.
    """
    data = text.encode()[: WORDS * _WORD_BYTES].ljust(WORDS * _WORD_BYTES, b"\0")
    starts = range(0, len(data), _WORD_BYTES)
    return tuple(int.from_bytes(data[start : start + _WORD_BYTES], "big") for start in starts)
