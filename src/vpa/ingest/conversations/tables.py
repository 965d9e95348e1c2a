"""Conversations in tables: a column says who spoke, another what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vpa.ingest.conversations.turns import Conversation, Turn, moment, numbered

_SPEAKERS: Final = ("speaker", "role", "sender", "from", "participant")
_TEXTS: Final = ("text", "message", "content", "utterance", "body")
_TIMES: Final = ("time", "timestamp", "date", "datetime", "created_at", "when", "sent_at")
# With one of these a row is a record of its own.
_IDS: Final = ("id", "_id", "document_id")
# A turn keeps no more; a table of letters with subjects and addresses stays one.
_COLUMNS: Final = 4


def is_conversation(columns: Sequence[str]) -> bool:
    """Whether a column says who speaks and another what, rows have no ids, and there are few columns beside."""
    names = _names(columns)
    return (
        len(names) <= _COLUMNS
        and _position(names, _SPEAKERS) is not None
        and _position(names, _TEXTS) is not None
        and _position(names, _IDS) is None
    )


def conversation_of_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str) -> Conversation | None:
    """The conversation of a table that `is_conversation`; None where nobody says anything."""
    names = _names(columns)
    speaker, text, when = (_position(names, known) for known in (_SPEAKERS, _TEXTS, _TIMES))
    said = numbered([Turn(_cell(row, speaker), _cell(row, text), moment(_cell(row, when))) for row in rows])
    return Conversation(title, said, "table") if said else None


def _names(columns: Sequence[str]) -> list[str]:
    return [column.strip().lower() for column in columns]


def _position(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _cell(row: Sequence[str], position: int | None) -> str:
    return row[position] if position is not None and position < len(row) else ""
