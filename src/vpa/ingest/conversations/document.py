"""A conversation as a document: a part for each turn, with the question that it answers beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from vpa.ingest.contract import Part, SourceDocument, SourceNote, assembled
from vpa.ingest.conversations.pairs import Pair, question_answer_pairs
from vpa.ingest.conversations.turns import Conversation, Turn
from vpa.ingest.fields import one_line

_QUESTION_LENGTH: Final = 200
# What one list of metadata may hold.
_PARTICIPANTS: Final = 100


def document_of(conversation: Conversation, *, key: str = "", origin: str = "") -> SourceDocument:
    """The document; its metadata has participants, started, ended, turns and pairs.

    A time without a zone stays in its turn and does not go into the metadata.
    """
    pairs = question_answer_pairs([turn for turn in conversation.turns if turn.speaker])
    answers = {turn.number: pair.question for pair in pairs for turn in pair.answers}
    about = (Part(line, "row") for line in conversation.about)
    content, spans = assembled((*about, *(_part(turn, answers.get(turn.number)) for turn in conversation.turns)))
    return SourceDocument(
        title=one_line(conversation.title),
        content=content,
        key=key,
        metadata=_metadata(conversation, pairs),
        origin=origin,
        spans=spans,
    )


def notes_of(conversations: Iterable[Conversation], *, origin: str) -> Iterator[SourceNote]:
    """What was left out of conversations, each thing said once."""
    notes = (f"{one_line(talk.title)}: {note}" for talk in conversations for note in talk.notes)
    yield from (SourceNote(origin, note) for note in dict.fromkeys(notes))


def _part(turn: Turn, question: Turn | None) -> Part:
    at: dict[str, Any] = {"message": turn.number}
    if turn.speaker:
        at["speaker"] = turn.speaker
    if turn.when is not None:
        at["when"] = turn.when.strftime("%Y-%m-%d %H:%M")
    said = " ".join(filter(None, (turn.speaker, f"({at['when']})" if "when" in at else "")))
    context = f"In answer to: {one_line(question.text)[:_QUESTION_LENGTH]}" if question else ""
    return Part(f"{said}: {turn.text}" if said else turn.text, "turn", at, context=context)


def _metadata(conversation: Conversation, pairs: list[Pair]) -> Mapping[str, Any]:
    speakers = list(dict.fromkeys(turn.speaker for turn in conversation.turns if turn.speaker))
    metadata: dict[str, Any] = {
        "participants": speakers[:_PARTICIPANTS],
        "turns": len(conversation.turns),
        "pairs": len(pairs),
    }
    if conversation.source:
        metadata["conversation"] = conversation.source
    times = [turn.when for turn in conversation.turns if turn.when is not None and turn.when.tzinfo is not None]
    if times:
        metadata |= {"started": _utc(min(times)), "ended": _utc(max(times))}
    return metadata


def _utc(when: datetime) -> datetime:
    try:
        return when.astimezone(UTC)
    except OverflowError:
        return when
