"""Chats that WhatsApp exports as text, from Android ("12/31/23, 9:15 PM - Name: text") and iOS ("[31.12.23, 21:15:03]
Name: text"). Day or month comes first as the whole file says.
"""

from __future__ import annotations

import itertools
import re
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
    rf"[\u200e\u200f]?(?P<open>\[)?{_DAY},?[\s\u202f\u00a0]{_TIME}"
    rf"(?(open)\]\s?|[\s\u202f\u00a0][-–]\s)(?P<rest>.*)"
)
# "Name: text"; a line without it is what the program says itself ("Anna created group …").
_SAID: Final = re.compile(r"(?P<speaker>[^:\n]{1,60}): (?P<text>.*)|(?P<silent>[^:\n]{1,60}):$")
_LOOKED_AT: Final = 20


def whatsapp_conversation(text: str, *, title: str) -> Conversation | None:
    """The conversation of an exported chat; None where the text is none."""
    lines = text.splitlines()
    beginning = [line for line in lines[:200] if line.strip()][:_LOOKED_AT]
    if not beginning or not _START.match(beginning[0]):
        return None
    if sum(1 for line in beginning if _is_said(line)) * 3 < len(beginning):
        return None
    messages = _messages(lines)
    order = _order([start for start, _ in messages])
    turns = [turn for start, more in messages if (turn := _turn(start, more, order))]
    return Conversation(title, numbered(turns), "whatsapp") if turns else None


def _is_said(line: str) -> bool:
    start = _START.match(line)
    return start is not None and _SAID.match(start["rest"]) is not None


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


def _turn(start: re.Match[str], more: Sequence[str], order: str) -> Turn | None:
    said = _SAID.match(start["rest"])
    if said is None:
        return None
    text = "\n".join((said["text"] or "", *more))
    speaker = (said["speaker"] or said["silent"]).strip("\u200e\u200f\u202a\u202c ")
    return Turn(speaker, text.replace("\u200e", "").replace("\u200f", ""), _when(start, order))
