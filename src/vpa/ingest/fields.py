"""Fields that a file says of itself, as metadata that every store takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import canonical_metadata
from vpa.ingest.encoding import clean

# Names of the day on which a text was written, in the order in which they are believed.
_CREATED: Final = ("created", "date", "published", "pubdate")
_AUTHORS: Final = ("author", "authors")
_LONGEST: Final = 2000


def legal_fields(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields that metadata may hold: text, numbers, truth values and lists of one kind. Others are left out."""
    legal: dict[str, Any] = {}
    for name, value in fields.items():
        plain = _plain(value)
        if not isinstance(name, str) or plain is None or plain in ("", []):
            continue
        try:
            legal |= canonical_metadata({clean(name): plain})
        except InvalidRecordError:
            continue
    return legal


def document_fields(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """Legal fields; `author` becomes text, `tags` a list and `created` an aware datetime."""
    rest = {name: value for name, value in fields.items() if name != "title"}
    named: dict[str, Any] = {}
    for name in list(rest):
        lower = name.lower() if isinstance(name, str) else ""
        if lower in _CREATED and "created" not in named and (moment := aware(rest[name])):
            named["created"] = moment
            del rest[name]
        elif lower in _AUTHORS and "author" not in named and (author := _joined(rest[name])):
            named["author"] = author
            del rest[name]
        elif lower in ("tags", "keywords") and isinstance(rest[name], str):
            rest[name] = [tag.strip() for tag in rest[name].split(",") if tag.strip()]
    return {**legal_fields(rest), **named}


def aware(value: object) -> datetime | None:
    """A day or a moment as an aware datetime; one that names no zone is taken as UTC. None for what is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def one_line(text: object) -> str:
    """A text without line ends and doubled blanks, such as a title."""
    return " ".join(clean(str(text)[:_LONGEST]).split())


def _joined(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, map(_joined, value)))
    if isinstance(value, dict):
        value = value.get("name")
    return one_line(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return clean(value[:_LONGEST])
    return value if isinstance(value, int | float) else None
