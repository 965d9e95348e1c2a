"""Chats that WhatsApp exports as text, from Android ("12/31/23, 9:15 PM - Name: text") and iOS ("[31.12.23, 21:15:03]
Name: text"). Day or month comes first as the whole file says.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from vpa.ingest.conversations.turns import Conversation, Turn, numbered

_DAY: Final = r"(?P<a>\d{1,4})(?P<sign>[./-])(?P<b>\d{1,2})[./-](?P<c>\d{2,4})"
_TIME: Final = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    r"(?:[\s\u202f\u00a0]?(?P<half>[AaPp]\.?[Mm]\.?))?"
)
_START: Final = re.compile(
    rf"[\u200e\u200f]?(?P<open>\[)?{_DAY}(?P<comma>,)?[\s\u202f\u00a0]{_TIME}"
    rf"(?(open)\]\s?|[\s\u202f\u00a0][-–]\s)(?P<rest>.*)"
)
# "Name: text"; a line without it is what the program says itself ("Anna created group …").
_SAID: Final = re.compile(r"(?P<speaker>[^:\n]{1,60}): (?P<text>.*)|(?P<silent>[^:\n]{1,60}):$")
# The first line of an export of these years, in the languages that have most exports.
_NOTICE: Final = re.compile(
    r"end-to-end|ende-zu-ende|extremo a extremo|ponta a ponta|bout en bout|end-to-end|eind-tot-eind|сквозн|端到端"
    r"|エンドツーエンド|종단간|uçtan uca",
    re.IGNORECASE,
)
_LEVEL: Final = re.compile(
    r"(?:.*[.\]\s])?(?:emerg\w*|alert|crit\w*|fatal|severe|error|err|warn|warning|notice|info|config|debug|trace|verbose"
    r"|fine\w*|panic)\s*",
    re.IGNORECASE,
)
_MARKS: Final = "\u200e\u200f\u202a\u202c "
# Without the notice, this share of the messages has a speaker.
_MOST: Final = 0.8
# A line that begins with the name of a speaker and has so many words more is about what that one did.
_WORDS: Final = 3


def whatsapp_conversation(text: str, *, title: str) -> Conversation | None:
    """The conversation of an exported chat; None where the text is none.

    What the program says, such as that somebody joined, are turns without a speaker.
    """
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if not _START.match(first):
        return None
    messages = _messages(lines)
    speakers = _speakers([start for start, _ in messages])
    if not _is_chat([start for start, _ in messages], speakers):
        return None
    order = _order([start for start, _ in messages])
    turns = [_turn(start, more, order, speakers) for start, more in messages]
    return Conversation(title, numbered(turns), "whatsapp")


def _is_chat(starts: Sequence[re.Match[str]], speakers: Counter[str]) -> bool:
    """Whether lines that begin with times are messages, and no log or diary."""
    if not speakers or any(map(_LEVEL.fullmatch, speakers)):
        return False
    if any(_NOTICE.search(start["rest"]) for start in starts[:3]):
        return True
    # Of the two programs only that of iOS writes seconds; logs do as a rule.
    if any(start["second"] and not start["open"] for start in starts):
        return False
    if speakers.total() < _MOST * len(starts):
        # Groups begin with who made them and who joined.
        return speakers.total() * 2 >= len(starts) and all(start["comma"] for start in starts)
    return all(start["comma"] for start in starts) or speakers.total() >= 2 * len(speakers)


def _speakers(starts: Sequence[re.Match[str]]) -> Counter[str]:
    """How often each speaker has the word."""
    speakers = Counter(speaker for start in starts if (speaker := _speaker(start["rest"])))
    for speaker in [name for name, times in speakers.items() if times == 1]:
        words = speaker.split()
        names = (" ".join(words[:count]) for count in range(1, len(words) - _WORDS + 1))
        if any(name in speakers for name in names):
            del speakers[speaker]
    return speakers


def _speaker(message: str) -> str:
    """The name before the first colon; none where that stands in quotation marks, as the new name of a group does."""
    said = _SAID.match(message)
    speaker = (said["speaker"] or said["silent"]).strip(_MARKS) if said else ""
    is_quoted = speaker.count('"') % 2 or any(speaker.count(a) != speaker.count(b) for a, b in ("“”", "«»"))
    return "" if is_quoted else speaker


def _messages(lines: Sequence[str]) -> list[tuple[re.Match[str], list[str]]]:
    """The first line of each message, and those after it that belong to it."""
    messages: list[tuple[re.Match[str], list[str]]] = []
    for line in lines:
        start = _START.match(line)
        if start is not None:
            messages.append((start, []))
        elif messages:
            messages[-1][1].append(line)
    return messages


def _order(starts: Sequence[re.Match[str]]) -> str:
    """The order of year, month and day that the whole file allows; of two the one in which time does not run back."""
    if any(len(start["a"]) == 4 for start in starts):
        return "ymd"
    if any(int(start["a"]) > 12 for start in starts):
        return "dmy"
    if any(int(start["b"]) > 12 for start in starts):
        return "mdy"
    back = {order: _steps_back(starts, order) for order in ("dmy", "mdy")}
    if back["dmy"] != back["mdy"]:
        return min(back, key=back.__getitem__)
    # Only where months come first are days written with "/" and hours with AM and PM.
    return "mdy" if all(start["sign"] == "/" and start["half"] for start in starts) else "dmy"


def _steps_back(starts: Sequence[re.Match[str]], order: str) -> int:
    times = [when for start in starts if (when := _when(start, order))]
    return sum(later < earlier for earlier, later in itertools.pairwise(times))


def _when(start: re.Match[str], order: str) -> datetime | None:
    named = dict(zip(order, (int(start["a"]), int(start["b"]), int(start["c"])), strict=True))
    year = named["y"] if named["y"] > 99 else 2000 + named["y"]
    hour = int(start["hour"])
    if start["half"]:
        hour = hour % 12 + (12 if start["half"][0] in "Pp" else 0)
    try:
        return datetime(year, named["m"], named["d"], hour, int(start["minute"]), int(start["second"] or 0))
    except ValueError:
        return None


def _turn(start: re.Match[str], more: Sequence[str], order: str, speakers: Counter[str]) -> Turn:
    speaker, text = _speaker(start["rest"]), start["rest"]
    if speaker in speakers:
        text = text.partition(":")[2].removeprefix(" ")
    else:
        speaker = ""
    when = _when(start, order)
    if when is None:
        # A day that no calendar has stays in the text.
        text = start[0].removesuffix(start["rest"]) + text
    text = "\n".join((text, *more))
    return Turn(speaker, text.replace("\u200e", "").replace("\u200f", ""), when)
