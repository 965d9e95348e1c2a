"""Subtitles (SRT, WebVTT): cues with the second at which they begin; those of one sentence are joined."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from vpa.ingest.bounded import read_text
from vpa.ingest.contract import Item, Part, SourceDocument, SourceFile, UnreadableError, assembled
from vpa.ingest.fields import one_line

_TIME: Final = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*(?:\d+:)?\d+:\d+[.,]\d+.*")
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]([^<>]+)>")
_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_ENDED: Final = re.compile(r"[.!?…。！？؟]['\"”’»)\]]*$")
# A part of joined cues is not longer than a short paragraph.
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class _Cue:
    seconds: float
    speaker: str
    text: str


def read(file: SourceFile) -> Iterator[Item]:
    """One document with what is said, in order."""
    whole = read_text(file)
    yield from whole.notes
    content, spans = assembled(_part(cue) for cue in _joined(_cues(whole.text)))
    if not content:
        raise UnreadableError("holds no subtitles: expected lines such as 00:00:01,000 --> 00:00:04,000")
    yield SourceDocument(title=_title(whole.text) or file.title, content=content, origin=file.name, spans=spans)


def _part(cue: _Cue) -> Part:
    at: dict[str, Any] = {"seconds": cue.seconds}
    if not cue.speaker:
        return Part(cue.text, "text", at)
    return Part(f"{cue.speaker}: {cue.text}", "text", {**at, "speaker": cue.speaker})


def _cues(text: str) -> Iterator[_Cue]:
    """Each voice of each cue. A cue is a timing and the lines below it, up to a blank one."""
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        timing = _TIMING.fullmatch(lines[position])
        position += 1
        if timing is None:
            continue
        start = position
        while position < len(lines) and lines[position].strip() and not _TIMING.fullmatch(lines[position]):
            position += 1
        yield from _voices(_seconds(timing), " ".join(lines[start:position]))


def _seconds(timing: re.Match[str]) -> float:
    hours, minutes, seconds, fraction = timing.groups()[:4]
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _voices(seconds: float, text: str) -> Iterator[_Cue]:
    pieces = _VOICE.split(text)
    for speaker, said in zip(("", *pieces[1::2]), pieces[::2], strict=True):
        plain = " ".join(html.unescape(_MARKUP.sub("", said)).split())
        if plain:
            yield _Cue(seconds, one_line(html.unescape(speaker)), plain)


def _joined(cues: Iterator[_Cue]) -> Iterator[_Cue]:
    """Cues of one sentence and one speaker as one, with the second of the first; a cue that comes twice once."""
    before: _Cue | None = None
    last = ""
    for cue in cues:
        # Live captions repeat the line above.
        if cue.text == last:
            continue
        last = cue.text
        if before is None:
            before = cue
        elif (
            _ENDED.search(before.text) or cue.speaker != before.speaker or len(before.text) + len(cue.text) >= _LONGEST
        ):
            yield before
            before = cue
        else:
            before = _Cue(before.seconds, before.speaker, f"{before.text} {cue.text}")
    if before is not None:
        yield before


def _title(text: str) -> str:
    """What stands behind WEBVTT in the first line."""
    line = text.split("\n", 1)[0].strip()
    return one_line(line.removeprefix("WEBVTT").strip(" -\t")) if line.startswith("WEBVTT") else ""
