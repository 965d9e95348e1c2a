"""Conversations in tables: a column says who spoke, another what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vpa.ingest.conversations.said import lines_of
from vpa.ingest.conversations.turns import Conversation, Turn, moment, numbered

_SPEAKERS: Final = ("speaker", "role", "sender", "from", "participant")
_TEXTS: Final = ("text", "message", "content", "utterance", "body")
_TIMES: Final = ("time", "timestamp", "date", "datetime", "created_at", "when", "sent_at")
# What a turn does not need.
_NUMBERS: Final = ("turn", "index", "#")


def is_conversation(columns: Sequence[str]) -> bool:
    """Whether a column says who speaks and another what, and no column says more than a turn keeps."""
    names = _names(columns)
    known = [[name for name in names if name in some] for some in (_SPEAKERS, _TEXTS, _TIMES, _NUMBERS)]
    speakers, texts, times, _ = map(len, known)
    return speakers == texts == 1 and times <= 1 and sum(map(len, known)) == len(names)


def conversation_of_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str) -> Conversation | None:
    """The conversation of a table that `is_conversation`; None where nobody says anything."""
    names = _names(columns)
    speaker, text, when = (_position(names, known) for known in (_SPEAKERS, _TEXTS, _TIMES))
    said = numbered([_turn(row, speaker=speaker, text=text, when=when, columns=columns) for row in rows])
    return Conversation(title, said, "table") if said else None


def _turn(
    row: Sequence[str], *, speaker: int | None, text: int | None, when: int | None, columns: Sequence[str]
) -> Turn:
    """A turn; a time that cannot be read, and cells beyond the last column, stand below the text."""
    time = _cell(row, when)
    unread = f"{columns[when]}: {time}" if when is not None and time.strip() and moment(time) is None else ""
    return Turn(_cell(row, speaker), lines_of(_cell(row, text), unread, *row[len(columns) :]), moment(time))


def _names(columns: Sequence[str]) -> list[str]:
    return [column.strip().lower() for column in columns]


def _position(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _cell(row: Sequence[str], position: int | None) -> str:
    return row[position] if position is not None and position < len(row) else ""
