"""Recognises conversations in JSON: exports of ChatGPT, Slack and Telegram, and lists of turns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpa.ingest.conversations.turns import Conversation, Turn, moment, numbered
from vpa.ingest.fields import one_line

_SPEAKER_KEYS: Final = ("role", "speaker", "sender", "from")
# Names that other rows have too: only beside a time are they those of who speaks.
_AUTHOR_KEYS: Final = ("author", "user", "username")
_TEXT_KEYS: Final = ("content", "text", "message")
_TIME_KEYS: Final = ("timestamp", "created_at", "time", "date", "ts", "create_time")
_LIST_KEYS: Final = ("messages", "conversations", "turns", "conversation", "dialogue", "chat_messages")
# A line with one of these is a document of its own.
_ID_KEYS: Final = ("document_id", "_id")
_MENTION: Final = re.compile(r"<([@#!])([^<|>\s]+)(?:\|([^<>]*))?>")


def conversations_in(value: Any, *, title: str) -> list[Conversation] | None:
    """The conversations of a JSON value; None where it holds none. `title` is for those that have none of their own."""
    for recogniser in (_chatgpt, _slack, _telegram, _wrapped, _turn_list, _many):
        conversations = recogniser(value, title)
        if conversations is not None:
            return [conversation for conversation in conversations if conversation.turns]
    return None


def turn_of(row: Any) -> Turn | None:
    """A turn of an object such as `{"role": …, "content": …}`; None where it is none."""
    if not isinstance(row, Mapping) or any(key in row for key in _ID_KEYS):
        return None
    when = next((moment(row[key]) for key in _TIME_KEYS if key in row), None)
    timed = when is not None and "id" not in row
    keys = (*_SPEAKER_KEYS, *_AUTHOR_KEYS) if timed else _SPEAKER_KEYS
    speaker = next((name for key in keys if (name := _name(row.get(key)))), "")
    # "from" and "value" are those of ShareGPT.
    key = next((key for key in (*_TEXT_KEYS, *(("value",) if "from" in row else ())) if key in row), None)
    text = plain_text(row[key]) if key else None
    return None if not speaker or text is None else Turn(speaker, text, when)


def plain_text(value: Any) -> str | None:
    """A text, or a list of texts and of objects that have one; None for anything else."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return value["text"] if isinstance(value.get("text"), str) else None
    if not isinstance(value, list):
        return None
    return "".join(plain_text(piece) or "" for piece in value if isinstance(piece, str | Mapping))


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("name") or value.get("role") or value.get("real_name")
    return value if isinstance(value, str) else ""


def _chatgpt(value: Any, title: str) -> list[Conversation] | None:
    rows = value if isinstance(value, list) else [value]
    if not rows or not all(isinstance(row, Mapping) and isinstance(row.get("mapping"), Mapping) for row in rows):
        return None
    return [
        Conversation(
            _title(row, title),
            numbered(_branch(row)),
            "chatgpt",
            str(row.get("conversation_id") or row.get("id") or ""),
        )
        for row in rows
    ]


def _branch(row: Mapping[str, Any]) -> list[Turn]:
    """From the current node up its parents; other branches are answers that were thrown away."""
    nodes: Mapping[str, Any] = row["mapping"]
    here = row.get("current_node")
    if not isinstance(here, str) or here not in nodes:
        parents = {str(node.get("parent")) for node in nodes.values() if isinstance(node, Mapping)}
        here = next((key for key in reversed(list(nodes)) if key not in parents), None)
    turns: list[Turn] = []
    seen: set[str] = set()
    while isinstance(here, str) and here in nodes and here not in seen:
        seen.add(here)
        node = nodes[here] if isinstance(nodes[here], Mapping) else {}
        turn = _chatgpt_turn(node.get("message"))
        if turn is not None:
            turns.append(turn)
        here = node.get("parent")
    return turns[::-1]


def _chatgpt_turn(message: Any) -> Turn | None:
    if not isinstance(message, Mapping):
        return None
    speaker = _name(message.get("author"))
    if isinstance(message.get("author"), Mapping):
        speaker = str(message["author"].get("role") or "")
    content = message.get("content")
    if not isinstance(content, Mapping) or speaker not in ("user", "assistant"):
        return None
    parts = content.get("parts")
    text = (
        "\n".join(part for part in parts if isinstance(part, str)) if isinstance(parts, list) else content.get("text")
    )
    return Turn(speaker, text, moment(message.get("create_time"))) if isinstance(text, str) else None


def _slack(value: Any, title: str) -> list[Conversation] | None:
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(row, Mapping) and row.get("type") == "message" and "ts" in row for row in value):
        return None
    names = {row.get("user"): _slack_name(row) for row in value if isinstance(row.get("user_profile"), Mapping)}
    turns = [
        Turn(_slack_name(row, names), _slack_text(str(row.get("text") or ""), names), moment(row["ts"]))
        for row in value
    ]
    return [Conversation(title, numbered(turns), "slack")]


def _slack_name(row: Mapping[str, Any], names: Mapping[Any, str] | None = None) -> str:
    profile = row.get("user_profile")
    if isinstance(profile, Mapping):
        for key in ("real_name", "display_name", "name"):
            if isinstance(profile.get(key), str) and profile[key]:
                return str(profile[key])
    user = row.get("user")
    return (names or {}).get(str(user)) or str(user or row.get("username") or row.get("bot_id") or "unknown")


def _slack_text(text: str, names: Mapping[Any, str]) -> str:
    def readable(mention: re.Match[str]) -> str:
        sign, target, label = mention.groups()
        return ("@" if sign == "!" else sign) + (label or names.get(target) or target)

    text = _MENTION.sub(readable, text)
    text = re.sub(r"<((?:https?|mailto)[^<|>\s]+)\|([^<>]+)>", r"\2 (\1)", text)
    text = re.sub(r"<((?:https?|mailto)[^<>\s]+)>", r"\1", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _telegram(value: Any, title: str) -> list[Conversation] | None:
    """The export of a chat, or of all chats."""
    if not isinstance(value, Mapping):
        return None
    chats = value.get("chats")
    if isinstance(chats, Mapping) and isinstance(chats.get("list"), list):
        return [chat for row in chats["list"] for chat in _telegram(row, title) or []]
    messages = value.get("messages")
    if not isinstance(messages, list) or not any(isinstance(row, Mapping) and "from_id" in row for row in messages):
        return None
    turns = []
    for row in messages:
        if isinstance(row, Mapping) and row.get("type", "message") == "message":
            speaker = _name(row.get("from")) or str(row.get("from_id") or "")
            when = moment(row.get("date_unixtime")) or moment(row.get("date"))
            turns.append(Turn(speaker, plain_text(row.get("text")) or "", when))
    return [Conversation(_title(value, title), numbered(turns), "telegram", str(value.get("id") or ""))]


def _wrapped(value: Any, title: str) -> list[Conversation] | None:
    """`{"messages": [...]}` and its relatives."""
    if not isinstance(value, Mapping):
        return None
    for key in _LIST_KEYS:
        turns = _turns(value.get(key))
        if turns is not None:
            return [Conversation(_title(value, title), numbered(turns), "turns", _key(value))]
        if isinstance(value.get(key), list) and (several := _many(value[key], title)):
            return several
    return None


def _turn_list(value: Any, title: str) -> list[Conversation] | None:
    turns = _turns(value)
    return None if turns is None else [Conversation(title, numbered(turns), "turns")]


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
    key = next((row[key] for key in ("id", "uuid", "conversation_id") if key in row), "")
    return str(key) if isinstance(key, str | int) else ""


def _title(row: Mapping[str, Any], title: str) -> str:
    named = row.get("title") or row.get("name")
    return one_line(named) if isinstance(named, str) and named.strip() else title
