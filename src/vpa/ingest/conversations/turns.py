"""What somebody said, and to whom: the values that every recogniser makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from vpa.ingest.encoding import clean
from vpa.ingest.fields import one_line


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said at once; what the program itself says has no speaker ("").

    `when` is naive where the export names no zone; `number` counts from 1.
    """

    speaker: str
    text: str
    when: datetime | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in order. `source` is the kind of export, such as "chatgpt"; `key` is its id there, where it has one."""

    title: str
    turns: tuple[Turn, ...]
    source: str = ""
    key: str = ""


def numbered(turns: list[Turn]) -> tuple[Turn, ...]:
    """Turns that say something, with cleaned texts, counted from 1."""
    said = [turn for turn in turns if turn.text.strip()]
    return tuple(
        Turn(one_line(turn.speaker), clean(turn.text).strip(), turn.when, number) for number, turn in enumerate(said, 1)
    )


def moment(value: object) -> datetime | None:
    """A time of an export: seconds or milliseconds since 1970, or ISO text; None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            pass
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
