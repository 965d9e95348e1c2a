"""Text as it may stand in a document: without control characters, lone surrogates and marks that nobody sees; and
points in time as file formats write them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Control characters, soft hyphens, marks of byte order, zero-width spaces, surrogates, and what Unicode has for no
# character at all.
_UNSEEN: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\ufeff\ud800-\udfff\ufffe\uffff]")
_PDF_DATE: Final = re.compile(
    r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?", re.IGNORECASE
)
_YEAR: Final = re.compile(r"\d{4}(-\d\d)?")


def cleaned(text: str) -> str:
    """The text with "\\n" at each end of a line, and without what cannot be seen or written."""
    # Nearly every line of every file is printable as it is, and to know that takes a tenth of the time.
    return text if text.isprintable() else _UNSEEN.sub("", _BREAKS.sub("\n", text))


def squeezed(text: str) -> str:
    """The text on one line, with one space between two words."""
    return " ".join(cleaned(text).split())


def moment(text: str) -> datetime | None:
    """An aware time from ISO 8601 or a PDF's "D:20240131120000+01'00'"; UTC where no zone is said; None for others."""
    text = text.strip()
    if dated := _PDF_DATE.match(text):
        return _pdf_moment(dated)
    if _YEAR.fullmatch(text):
        text += "-01" if "-" in text else "-01-01"
    try:
        return aware(datetime.fromisoformat(text))
    except ValueError:
        return None


def aware(time: datetime) -> datetime:
    """The time with a zone: UTC where it has none."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _pdf_moment(dated: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second, _, sign, offset_hours, offset_minutes = dated.groups()
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        numbers = (int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0))
        return datetime(*numbers, tzinfo=zone)
    except ValueError:
        return None
