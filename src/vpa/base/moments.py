"""Texts that name a moment, and the form in which texts are compared.

A moment is ISO 8601 text with date, time and offset: `2024-05-01T10:00+02:00`, `2024-05-01 08:00:00.5Z`. It is compared
as the same moment in UTC with six fractional digits (`2024-05-01T08:00:00.500000Z`), whose order is that of time.
A date alone, and a time without an offset, name no moment: they are text like any other.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_SHORTEST: Final = len("2024-05-01T10:00Z")
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)", re.ASCII
)


def in_utc(moment: datetime) -> str:
    """An aware datetime as RFC 3339 in UTC with six fractional digits; raises OverflowError outside the years 1 to
    9999.
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: str) -> str | None:
    """The moment that `text` names, as `in_utc` writes it; digits behind the microsecond are cut. None for none."""
    if len(text) < _SHORTEST or text[4] != "-" or text[10] not in "Tt " or _MOMENT.fullmatch(text) is None:
        return None
    try:
        return in_utc(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        # A thirtieth of February, or a moment outside the calendar: text.
        return None


def compared(text: str) -> str:
    """What a comparison sees: the moment where `text` names one, else `text`."""
    return moment_of(text) or text


def folded(text: str) -> str:
    """What a comparison that ignores case sees: the moment, else the text in Unicode's full case folding."""
    return moment_of(text) or text.casefold()
