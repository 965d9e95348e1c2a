"""Recognises conversations in JSON: exports of ChatGPT, Slack and Telegram, and lists of turns.

Rows with more than a turn has are turns only where their speakers are those of conversations with a model, or called
so: staff lists and letters have roles and senders too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vpa.ingest.conversations.chatgpt import chatgpt_conversations
from vpa.ingest.conversations.said import beside, lines_of, said_in
from vpa.ingest.conversations.slack import slack_conversations
from vpa.ingest.conversations.telegram import telegram_conversations
from vpa.ingest.conversations.turns import Conversation, Turn, conversation_of, moment, name_of, title_in

_SPEAKER_KEYS: Final = ("role", "speaker", "sender", "from")
# Names that other rows have too: only beside a time are they those of who speaks.
_AUTHOR_KEYS: Final = ("author", "user", "username")
_TEXT_KEYS: Final = ("content", "text", "message")
_TIME_KEYS: Final = ("timestamp", "created_at", "time", "date", "ts", "create_time")
_KEYS: Final = ("id", "uuid", "conversation_id")
_LIST_KEYS: Final = ("messages", "conversations", "turns", "conversation", "dialogue", "chat_messages")
# A line with one of these is a document of its own.
_ID_KEYS: Final = ("document_id", "_id")
# What tells turns apart and says nothing.
_TECHNICAL: Final = frozenset(
    {"id", "uuid", "message_id", "parent_id", "parent_message_id", "parent_message_uuid", "index", "turn", "updated_at"}
)
_ROLES: Final = frozenset(
    {"user", "assistant", "system", "tool", "function", "developer", "human", "ai", "gpt", "bot", "model", "chatbot"}
)


def conversations_in(value: Any, *, title: str) -> list[Conversation] | None:
    """The conversations of a JSON value; None where it holds none. `title` is for those that have none of their own."""
    programs = (chatgpt_conversations, slack_conversations, telegram_conversations)
    for recogniser in (*programs, _wrapped, _turn_list, _many):
        conversations = recogniser(value, title)
        if conversations is not None:
            return [talk for talk in conversations if talk.turns or talk.about]
    return None


def turn_of(row: Any) -> Turn | None:
    """A turn of an object such as `{"role": …, "content": …}`; None where it is none.

    What it has beside speaker, text and time stands below the text, as lines `key: value`.
    """
    if not isinstance(row, Mapping) or any(key in row for key in _ID_KEYS):
        return None
    timed = next((key for key in _TIME_KEYS if key in row and moment(row[key]) is not None), "")
    keys = (*_SPEAKER_KEYS, *_AUTHOR_KEYS) if timed and "id" not in row else _SPEAKER_KEYS
    named = next((key for key in keys if name_of(row.get(key))), "")
    # "from" and "value" are those of ShareGPT.
    key = next((key for key in (*_TEXT_KEYS, *(("value",) if "from" in row else ())) if key in row), "")
    said = said_in(row[key]) if key else None
    if not named or said is None:
        return None
    speaker = name_of(row[named])
    rest = {name: value for name, value in row.items() if name not in (named, key, timed) and name not in _TECHNICAL}
    more = beside(rest, text=said.text)
    is_turn = named == "speaker" or speaker.strip().casefold() in _ROLES
    if (more.text or more.left_out) and not is_turn:
        return None
    when = moment(row[timed]) if timed else None
    return Turn(speaker, lines_of(said.text, more.text), when, left_out=said.left_out + more.left_out)


def _wrapped(value: Any, title: str) -> list[Conversation] | None:
    """`{"messages": [...]}` and its relatives; what stands beside the turns is said before them."""
    if not isinstance(value, Mapping):
        return None
    for key in _LIST_KEYS:
        turns = _turns(value.get(key))
        if turns is None and not isinstance(value.get(key), list):
            continue
        rest = {name: field for name, field in value.items() if name != key and name not in (*_KEYS, *_named(value))}
        about = beside(rest).text.splitlines()
        if turns is not None:
            named = title_in(value, title)
            return [conversation_of(named, turns, source="turns", key=_key(value), about=about)]
        if several := _many(value[key], title):
            return [replace(several[0], about=(*about, *several[0].about)), *several[1:]]
    return None


def _turn_list(value: Any, title: str) -> list[Conversation] | None:
    turns = _turns(value)
    return None if turns is None else [conversation_of(title, turns, source="turns")]


def _many(value: Any, title: str) -> list[Conversation] | None:
    """A list of wrapped conversations, or of lists of turns."""
    if not isinstance(value, list) or not value:
        return None
    conversations = []
    for row in value:
        wrapped = _wrapped(row, title) or _turn_list(row, title)
        if wrapped is None:
            return None
        conversations += wrapped
    return conversations


def _turns(value: Any) -> list[Turn] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    turns = [turn_of(row) for row in value]
    said = [turn for turn in turns if turn is not None]
    return said if len(said) == len(turns) else None


def _key(row: Mapping[str, Any]) -> str:
    key = next((row[key] for key in _KEYS if key in row), "")
    return str(key) if isinstance(key, str | int) else ""


def _named(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The field that `title_in` takes."""
    return next(((key,) for key in ("title", "name") if row.get(key) and isinstance(row[key], str)), ())
