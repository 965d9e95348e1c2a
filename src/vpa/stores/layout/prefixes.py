"""The order of numbers and texts as membership of tokens, for stores or fields that have nothing to compare by.

A number is 16 hexadecimal digits in the order of float64, a text those of its UTF-8 bytes and an end that stands before
every digit. Each prefix is a token, and "greater than x" is to have one of the prefixes that leave x upward (as in
Lucene's NumericRangeQuery, with a step of 4 bits).
"""

from __future__ import annotations

import struct
from typing import Final

from vpa.filters.ast import Comparison
from vpa.stores.layout.tokens import token

# Of a text; what it is compared with has to be shorter.
ORDERED_BYTES: Final = 128
_HEX: Final = "0123456789abcdef"
_END: Final = "."


def _digits(value: float | str) -> str:
    if isinstance(value, str):
        data = value.encode()
        return data[:ORDERED_BYTES].hex() + (_END if len(data) <= ORDERED_BYTES else "")
    # IEEE 754 bits, with the sign turned so that their order is that of the numbers.
    [bits] = struct.unpack(">Q", struct.pack(">d", value))
    return f"{bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 0x8000000000000000):016x}"


def _prefix(name: str, value: float | str, digits: str) -> str:
    # A field may hold numbers in one record and texts in another.
    kind = "^^" if isinstance(value, str) else "^"
    return token(kind, name, digits)[:16]


def present(name: str, value: float | str) -> str:
    """The token of every record that has such prefixes, for values of this kind."""
    return _prefix(name, value, "")


def prefixes(name: str, value: float | str) -> list[str]:
    """The tokens of a value that a record has; without the one that says so."""
    digits = _digits(value)
    return [_prefix(name, value, digits[:length]) for length in range(1, len(digits) + 1)]


def beyond(name: str, comparison: Comparison, value: float | str) -> list[str]:
    """The tokens of which a value has one if, and only if, it compares so: of numbers at most 241."""
    digits, upward = _digits(value), comparison in (Comparison.GT, Comparison.GTE)
    found = [_prefix(name, value, digits)] if comparison in (Comparison.GTE, Comparison.LTE) else []
    for position, digit in enumerate(digits):
        # Bytes end after an even number of digits.
        order = _END + _HEX if isinstance(value, str) and position % 2 == 0 else _HEX
        place = order.index(digit)
        others = order[place + 1 :] if upward else order[:place]
        found += [_prefix(name, value, digits[:position] + other) for other in others]
    return found
