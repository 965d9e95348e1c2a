"""Which turn asks, and which turns answer it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpa.ingest.conversations.turns import Turn

# An answer is what follows at once, not the rest of the conversation.
_ANSWER_TURNS: Final = 3
_MARK: Final = re.compile(r"[?？؟](?=$|[\s'\"”’»)\u3000-\u9fff])")
_QUESTION_WORD: Final = re.compile(
    r"(?:who|what|when|where|why|how|which|whose|can|could|does|do|did|is|are|should|would|will"
    r"|wer|was|wann|wo|warum|wieso|weshalb|wie|welche[rsmn]?|wohin|woher"
    r"|qui|que|quoi|quand|où|pourquoi|comment|combien|quel(?:le)?s?|est-ce"
    r"|quién|qué|cuándo|dónde|por qué|cómo|cuál|cuánto"
    r"|chi|cosa|quando|dove|perché|come|quale"
    r"|quem|onde|por que|qual|quanto|кто|что|когда|где|почему|как|зачем|сколько)\b",
    re.IGNORECASE,
)
# These begin statements too: "Is" and "Do" only count in a short turn without a full stop.
_SHORT: Final = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """A turn that asks and the turns that answer, in order."""

    question: Turn
    answers: tuple[Turn, ...]


def question_answer_pairs(turns: Sequence[Turn]) -> list[Pair]:
    """Each question that another speaker's next turns answer.

    Every turn of "user" before one of "assistant" is a question. Several questions in a row by one speaker are answered
    together: the last one counts.
    """
    pairs: list[Pair] = []
    for position, turn in enumerate(turns[:-1]):
        after = turns[position + 1]
        if after.speaker == turn.speaker or not (_is_prompt(turn, after) or is_question(turn.text)):
            continue
        pairs.append(Pair(turn, _answers(turns, position + 1)))
    return pairs


def is_question(text: str) -> bool:
    """Whether a text asks: a question mark at the end of a sentence, or a question word in front of a short one."""
    if _MARK.search(text):
        return True
    said = text.strip().lstrip("¿\"'“„«(")
    return len(said) <= _SHORT and not said.endswith((".", "!", ":", "。")) and bool(_QUESTION_WORD.match(said))


def _is_prompt(turn: Turn, after: Turn) -> bool:
    return turn.speaker.lower() in ("user", "human") and after.speaker.lower() in ("assistant", "model", "ai", "bot")


def _answers(turns: Sequence[Turn], start: int) -> tuple[Turn, ...]:
    speaker = turns[start].speaker
    end = start + 1
    while end < len(turns) and end - start < _ANSWER_TURNS and turns[end].speaker == speaker:
        if is_question(turns[end].text):
            break
        end += 1
    return tuple(turns[start:end])
