"""Subtitles (SRT, WebVTT): cues with the second at which they begin; those of one sentence are joined."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from vpa.ingest.bounded import read_text
from vpa.ingest.contract import Item, Part, SourceDocument, SourceFile, SourceNote, UnreadableError, assembled
from vpa.ingest.fields import one_line

_TIME: Final = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}.*")
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]([^<>]+)>")
# Other words in angle brackets, such as <laughs>, are text.
_MARKUP: Final = re.compile(
    r"</?(?:[ibusvc]|font|lang|ruby|rt|em|strong|span|br|p)\b[^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}", re.IGNORECASE
)
# Blocks of WebVTT that are no cues.
_BESIDE: Final = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t].*)?")
# Live captions repeat a line at once; people who say the same again take longer.
_AT_ONCE: Final = 0.5
_ENDED: Final = re.compile(r"[.!?…。！？؟]['\"”’»)\]]*$")
# A part of joined cues is not longer than a short paragraph.
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class _Cue:
    seconds: float
    speaker: str
    text: str
    until: float


def read(file: SourceFile) -> Iterator[Item]:
    """One document with what is said, in order."""
    whole = read_text(file)
    yield from whole.notes
    content, spans = assembled(_part(cue) for cue in _joined(_cues(whole.text)))
    if not content:
        raise UnreadableError("holds no subtitles: expected lines such as 00:00:01,000 --> 00:00:04,000")
    yield SourceDocument(title=_title(whole.text) or file.title, content=content, origin=file.name, spans=spans)
    if notes := sum(
        line.split(" ")[0] == "NOTE" for line in whole.text.splitlines() if whole.text.startswith("WEBVTT")
    ):
        yield SourceNote(file.name, f"left out {notes} comments of those who made the subtitles")


def _part(cue: _Cue) -> Part:
    at: dict[str, Any] = {"seconds": cue.seconds}
    if not cue.speaker:
        return Part(cue.text, "text", at)
    return Part(f"{cue.speaker}: {cue.text}", "text", {**at, "speaker": cue.speaker})


def _cues(text: str) -> Iterator[_Cue]:
    """Each voice of each cue: a timing and the lines below it up to the number or the name of the next one.

    Blank lines are part of a cue: some programs write them into texts.
    """
    is_vtt = text.startswith("WEBVTT")
    timing: re.Match[str] | None = None
    said: list[str] = []
    is_beside = False
    for line in text.splitlines():
        after_blank = not said or not said[-1].strip()
        if here := _TIMING.fullmatch(line):
            if timing is not None:
                yield from _voices(timing, _without_name(said, is_vtt=is_vtt))
            timing, said, is_beside = here, [], False
            continue
        is_beside = (
            is_vtt
            and (is_beside or after_blank)
            and bool(line.strip())
            and (is_beside or _BESIDE.fullmatch(line) is not None)
        )
        said.append("" if is_beside else line)
    if timing is not None:
        yield from _voices(timing, " ".join(said))


def _without_name(lines: list[str], *, is_vtt: bool) -> str:
    """The text between two timings without the number or, after a blank line, the name of the second."""
    if lines and (lines[-1].strip().isdecimal() or (is_vtt and len(lines) > 1 and not lines[-2].strip())):
        lines = lines[:-1]
    return " ".join(lines)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _voices(timing: re.Match[str], text: str) -> Iterator[_Cue]:
    times = timing.groups()
    begins, ends = _seconds(*times[:4]), _seconds(*times[4:])
    pieces = _VOICE.split(text)
    for speaker, said in zip(("", *pieces[1::2]), pieces[::2], strict=True):
        plain = " ".join(html.unescape(_MARKUP.sub("", said)).split())
        if plain:
            yield _Cue(begins, one_line(html.unescape(speaker)), plain, ends)


def _joined(cues: Iterator[_Cue]) -> Iterator[_Cue]:
    """Cues of one sentence and one speaker as one, with the second of the first; a cue that comes twice once."""
    before: _Cue | None = None
    last: _Cue | None = None
    for cue in cues:
        is_repeated = last is not None and (cue.speaker, cue.text) == (last.speaker, last.text)
        if last is not None and is_repeated and cue.seconds - last.until <= _AT_ONCE:
            last = cue
            continue
        last = cue
        if before is None:
            before = cue
        elif (
            _ENDED.search(before.text) or cue.speaker != before.speaker or len(before.text) + len(cue.text) >= _LONGEST
        ):
            yield before
            before = cue
        else:
            before = _Cue(before.seconds, before.speaker, f"{before.text} {cue.text}", cue.until)
    if before is not None:
        yield before


def _title(text: str) -> str:
    """What stands behind WEBVTT in the first line."""
    line = text.split("\n", 1)[0].strip()
    return one_line(line.removeprefix("WEBVTT").strip(" -\t")) if line.startswith("WEBVTT") else ""
