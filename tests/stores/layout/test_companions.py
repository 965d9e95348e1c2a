"""Numbers beside literals next to them, through a parser that is wrong in the last bits."""

from __future__ import annotations

import math
import random
import struct

from vpa.stores.layout.companions import carried, survives_parsing


def parsed(text: str) -> float:
    """As serde_json does by default: 64 bits of digits as a float, then one power of ten."""
    digits, _, power = text.lstrip("-").partition("e")
    whole, _, part = digits.partition(".")
    significand, exponent = 0, int(power or 0) - len(part)
    for position, digit in enumerate(whole + part):
        if significand * 10 + int(digit) >= 2**64:
            exponent += len(whole + part) - position
            break
        significand = significand * 10 + int(digit)
    value = float(significand)
    while exponent < -308 and value:
        value, exponent = value / 1e308, exponent + 308
    value = value * 10.0**exponent if exponent > 0 else value / 10.0**-exponent
    return -value if text.startswith("-") else value


def numbers(count: int) -> list[float]:
    """Decimals with few digits and the floats next to them, some of every size, and any bits."""
    rng = random.Random(14)
    found = []
    for _ in range(count):
        near = round(rng.uniform(-1000, 1000), rng.randint(0, 11))
        for _ in range(rng.randint(0, 3)):
            near = math.nextafter(near, rng.choice([-math.inf, math.inf]))
        found += [near, rng.uniform(-1, 1) * 10.0 ** rng.randint(-5, 15)]
        found.append(struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0])
    return [value for value in found if 0 <= abs(value) < 1e306]


def test_a_number_stays_on_its_side_of_every_literal_that_survives() -> None:
    checked = 0
    for value in numbers(10_000):
        stored = parsed(repr(carried(value)))
        for digits in (13, 14, 15):
            for step in range(-2, 3):
                literal = float(f"{value + step * abs(value) * 10.0 ** (1 - digits):.{digits}g}")
                if survives_parsing(literal):
                    assert parsed(repr(literal)) == literal
                    assert (stored > literal, stored < literal) == (value > literal, value < literal), (value, literal)
                    checked += 1
        assert (stored > 0, stored < 0) == (value > 0, value < 0)
    assert checked > 100_000


def test_numbers_of_few_digits_are_stored_as_they_are() -> None:
    for value in (0.0, 1.0, -2.5, 91.59448117, 1e-5, 1e300, 123_456_789_012.25, 99_999_999_999_999.0):
        assert carried(value) == value
    assert carried(91.59448117000001) == 91.59448117000005
