"""Exports of ChatGPT: trees of messages, of which the branch to the current one is the conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vpa.ingest.conversations.said import Said, beside, said_in
from vpa.ingest.conversations.turns import Conversation, Turn, conversation_of, moment, title_in

_SPEAKERS = ("user", "assistant")


def chatgpt_conversations(value: Any, title: str) -> list[Conversation] | None:
    """The conversations of an export, or one of them; None for other values."""
    rows = value if isinstance(value, list) else [value]
    if not rows or not all(isinstance(row, Mapping) and isinstance(row.get("mapping"), Mapping) for row in rows):
        return None
    return [_conversation(row, title) for row in rows]


def _conversation(row: Mapping[str, Any], title: str) -> Conversation:
    branch = list(_branch(row))
    turns = [turn for node in branch if (turn := _turn(node)) is not None]
    others = sum(_has_text(node) for node in row["mapping"].values()) - sum(turn.text.strip() != "" for turn in turns)
    return conversation_of(
        title_in(row, title),
        turns[::-1],
        source="chatgpt",
        key=str(row.get("conversation_id") or row.get("id") or ""),
        notes=[f"left out {others} messages of other branches, of tools and of the system"] if others > 0 else (),
    )


def _branch(row: Mapping[str, Any]) -> Iterator[Any]:
    """From the current node up its parents; other branches are answers that were thrown away."""
    nodes: Mapping[str, Any] = row["mapping"]
    here = row.get("current_node")
    if not isinstance(here, str) or here not in nodes:
        parents = {str(node.get("parent")) for node in nodes.values() if isinstance(node, Mapping)}
        here = next((key for key in reversed(list(nodes)) if key not in parents), None)
    seen: set[str] = set()
    while isinstance(here, str) and here in nodes and here not in seen:
        seen.add(here)
        yield nodes[here]
        here = nodes[here].get("parent") if isinstance(nodes[here], Mapping) else None


def _message(node: Any) -> tuple[str, Mapping[str, Any], Any]:
    """Speaker, content and time of a node; no speaker where it has no message."""
    message = node.get("message") if isinstance(node, Mapping) else None
    if not isinstance(message, Mapping) or not isinstance(message.get("content"), Mapping):
        return "", {}, None
    author = message.get("author")
    speaker = author.get("role") if isinstance(author, Mapping) else author
    return str(speaker or ""), message["content"], message.get("create_time")


def _turn(node: Any) -> Turn | None:
    speaker, content, time = _message(node)
    if speaker not in _SPEAKERS:
        return None
    said = _said(content)
    return Turn(speaker, said.text, moment(time), left_out=said.left_out)


def _has_text(node: Any) -> bool:
    speaker, content, _ = _message(node)
    return speaker != "" and _said(content).text.strip() != ""


def _said(content: Mapping[str, Any]) -> Said:
    """Texts, and what was said aloud; other contents, such as reasoning, as lines."""
    parts = content.get("parts")
    if isinstance(parts, list):
        pieces = [
            Said(part) if isinstance(part, str) else _voice(part) for part in parts if isinstance(part, str | Mapping)
        ]
        return Said("\n".join(piece.text for piece in pieces if piece.text), sum(piece.left_out for piece in pieces))
    if isinstance(content.get("text"), str):
        return said_in(content) or Said("")
    return beside({key: value for key, value in content.items() if key not in ("content_type", "language")})


def _voice(part: Mapping[str, Any]) -> Said:
    return Said(part["text"]) if isinstance(part.get("text"), str) else Said("", 1)
