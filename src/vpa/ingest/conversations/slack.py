"""Exports of Slack: a list of messages for each day of a channel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpa.ingest.conversations.said import lines_of, strings_at
from vpa.ingest.conversations.turns import Conversation, Turn, conversation_of, moment

_MENTION: Final = re.compile(r"<([@#!])([^<|>\s]+)(?:\|([^<>]*))?>")
_ATTACHED: Final = ("author_name", "pretext", "title", "text", "value")
_NAMES: Final = ("title", "name")


def slack_conversations(value: Any, title: str) -> list[Conversation] | None:
    """The conversation of a day; None for other values."""
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(row, Mapping) and row.get("type") == "message" and "ts" in row for row in value):
        return None
    names = {str(row.get("user")): _name(row) for row in value if isinstance(row.get("user_profile"), Mapping)}
    turns = [
        Turn(_name(row, names), _said(row, names), moment(row["ts"]), left_out=len(list(_files(row)))) for row in value
    ]
    return [conversation_of(title, turns, source="slack")]


def _name(row: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    profile = row.get("user_profile")
    if isinstance(profile, Mapping):
        for key in ("real_name", "display_name", "name"):
            if isinstance(profile.get(key), str) and profile[key]:
                return str(profile[key])
    user = row.get("user")
    return (names or {}).get(str(user)) or str(user or row.get("username") or row.get("bot_id") or "unknown")


def _said(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The text of a message, then what its blocks and attachments say beside it, and the names of its files."""
    text = _readable(str(row.get("text") or ""), names)
    seen = " ".join(text.split())
    more: list[str] = []
    for piece in _pieces(row):
        readable = _readable(piece, names).strip()
        if (squeezed := " ".join(readable.split())) and squeezed not in seen:
            more.append(readable)
            seen += f"\n{squeezed}"
    return lines_of(text, *more)


def _pieces(row: Mapping[str, Any]) -> Iterator[str]:
    yield from strings_at(row.get("blocks"), "text", "url", "alt_text", "title")
    attachments = row.get("attachments")
    for attached in attachments if isinstance(attachments, list) else ():
        if isinstance(attached, Mapping):
            texts = [
                text for key, value in attached.items() for text in strings_at({key: value}, *_ATTACHED, "alt_text")
            ]
            yield from texts or strings_at({"text": attached.get("fallback")}, "text")
    for file in _files(row):
        yield next((file[key] for key in _NAMES if isinstance(file.get(key), str) and file[key]), "")
        yield from strings_at({key: file.get(key) for key in ("preview", "plain_text")}, "preview", "plain_text")


def _files(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    files = row.get("files")
    yield from (file for file in (files if isinstance(files, list) else ()) if isinstance(file, Mapping))


def _readable(text: str, names: Mapping[str, str]) -> str:
    def shown(mention: re.Match[str]) -> str:
        sign, target, label = mention.groups()
        return ("@" if sign == "!" else sign) + (label or names.get(target) or target)

    text = _MENTION.sub(shown, text)
    text = re.sub(r"<((?:https?|mailto)[^<|>\s]+)\|([^<>]+)>", r"\2 (\1)", text)
    text = re.sub(r"<((?:https?|mailto)[^<>\s]+)>", r"\1", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
