"""What somebody said, and to whom: the values that every recogniser makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
    # Pictures, sounds and files that it came with.
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in order. `source` is the kind of export, such as "chatgpt"; `key` is its id there, where it has one.

    `about` are lines that stand beside the turns, such as a summary; `notes` say what was left out.
    """

    title: str
    turns: tuple[Turn, ...]
    source: str = ""
    key: str = ""
    about: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def conversation_of(
    title: str,
    turns: list[Turn],
    *,
    source: str,
    key: str = "",
    about: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Conversation:
    """The conversation of turns, numbered, with a note on what they came with and is left out."""
    left_out = sum(turn.left_out for turn in turns)
    counted = [f"left out {left_out} pictures, sounds or files of messages"] if left_out else []
    return Conversation(title, numbered(turns), source, key, tuple(about), (*notes, *counted))


def name_of(value: object) -> str:
    """The name of a speaker: a text, or an object that has one."""
    if isinstance(value, Mapping):
        value = value.get("name") or value.get("role") or value.get("real_name")
    return value if isinstance(value, str) else ""


def title_in(row: Mapping[str, Any], title: str) -> str:
    """The title or the name of a conversation; `title` where it has none."""
    named = row.get("title") or row.get("name")
    return one_line(named) if isinstance(named, str) and named.strip() else title


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
