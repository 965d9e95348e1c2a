"""Exports of Telegram: of a chat, or of all chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vpa.ingest.conversations.said import Said, beside, lines_of, said_in
from vpa.ingest.conversations.turns import Conversation, Turn, conversation_of, moment, name_of, title_in

_LISTS: Final = ("chats", "left_chats")
# Names and words that a message may have beside its text.
_BESIDE: Final = (
    "file_name",
    "title",
    "performer",
    "sticker_emoji",
    "forwarded_from",
    "saved_from",
    "via_bot",
    "place_name",
    "address",
    "contact_information",
    "location_information",
    "game_title",
    "game_description",
    "invoice_information",
)
_MEDIA: Final = ("file", "photo", "contact_vcard")
# What the program did; the rest of a message of a service says with whom and what.
_SERVICE: Final = frozenset({"id", "type", "date", "date_unixtime", "actor", "actor_id", "action", "text"})


def telegram_conversations(value: Any, title: str) -> list[Conversation] | None:
    """The conversations of an export; None for other values."""
    if not isinstance(value, Mapping):
        return None
    lists = {key: chats["list"] for key in _LISTS if isinstance(chats := value.get(key), Mapping) and _is_list(chats)}
    if lists:
        rows = [row for chats in lists.values() for row in chats]
        conversations = [chat for row in rows for chat in telegram_conversations(row, title) or []]
        return _noted(conversations, [key for key in value if key not in (*_LISTS, "about")])
    messages = value.get("messages")
    if not isinstance(messages, list) or not any(isinstance(row, Mapping) and "from_id" in row for row in messages):
        return None
    turns = [_turn(row) for row in messages if isinstance(row, Mapping)]
    return [conversation_of(title_in(value, title), turns, source="telegram", key=str(value.get("id") or ""))]


def _is_list(chats: Mapping[str, Any]) -> bool:
    return isinstance(chats.get("list"), list)


def _noted(conversations: Sequence[Conversation], others: Sequence[str]) -> list[Conversation]:
    if not others or not conversations:
        return list(conversations)
    note = f"left out all but the chats of the export: {', '.join(others)[:200]}"
    first = conversations[0]
    return [replace(first, notes=(*first.notes, note)), *conversations[1:]]


def _turn(row: Mapping[str, Any]) -> Turn:
    when = moment(row.get("date_unixtime")) or moment(row.get("date"))
    said = said_in(row.get("text")) or Said("")
    if row.get("type", "message") != "message":
        return Turn("", _service(row, said.text), when, left_out=said.left_out)
    more = beside({key: row[key] for key in _BESIDE if key in row}, text=said.text)
    media = any(row.get(key) for key in _MEDIA)
    speaker = name_of(row.get("from")) or str(row.get("from_id") or "")
    text = lines_of(said.text, _poll(row.get("poll")), more.text)
    return Turn(speaker, text, when, left_out=said.left_out + more.left_out + media)


def _poll(poll: Any) -> str:
    if not isinstance(poll, Mapping):
        return ""
    answers = poll.get("answers")
    texts = [
        answer.get("text") for answer in (answers if isinstance(answers, list) else ()) if isinstance(answer, Mapping)
    ]
    return "\n".join([_flat(poll.get("question")), *(f"- {_flat(text)}" for text in texts)])


def _flat(value: Any) -> str:
    said = said_in(value)
    return said.text if said is not None else ""


def _service(row: Mapping[str, Any], text: str) -> str:
    """What the program says: "Ann: create group" and the names and titles of it."""
    action = " ".join(filter(None, (str(row.get("actor") or ""), str(row.get("action") or "").replace("_", " "))))
    rest = beside({key: value for key, value in row.items() if key not in _SERVICE and not key.startswith("text_")})
    return lines_of(action, text, rest.text)
