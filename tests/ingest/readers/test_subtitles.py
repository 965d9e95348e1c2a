"""Subtitles: what is said, with the second at which it begins, without markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.readers.source_files import document, items, texts
from vpa.ingest.contract import SourceDocument, SourceNote, UnreadableError

SRT = """1
00:00:01,000 --> 00:00:04,000
<i>Hello</i> there,

2
00:00:05,500 --> 00:00:07,500
{\\an8}my friends.

3
01:01:05,000 --> 01:01:07,500 X1:1
Next
line.
"""
VTT = """WEBVTT - My talk

NOTE a comment

STYLE
::cue { color: red }

intro
00:01.000 --> 00:04.000 align:start
<v Ann Lee>Hello <c.loud>there</c> <00:02.000>all

00:05.000 --> 00:07.000
<v Bob>you &amp; I <v Ann Lee>we

00:07.000 --> 00:09.000
<v Ann Lee>we
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cues_of_one_sentence_are_joined(tmp_path: Path, end: str) -> None:
    read = document(tmp_path, "a.srt", SRT.replace("\n", end))
    assert texts(read) == ["Hello there, my friends.", "Next line."]
    assert [span.at for span in read.spans] == [{"seconds": 1.0}, {"seconds": 3665.0}]


def test_voices_are_speakers(tmp_path: Path) -> None:
    read, note = items(tmp_path, "a.vtt", VTT)
    assert isinstance(read, SourceDocument)
    assert isinstance(note, SourceNote)
    assert note.message == "left out 1 comments of those who made the subtitles"
    assert read.title == "My talk"
    assert texts(read) == ["Ann Lee: Hello there all", "Bob: you & I", "Ann Lee: we"]
    assert read.spans[1].at == {"seconds": 5.0, "speaker": "Bob"}


def test_joined_cues_are_no_longer_than_a_paragraph(tmp_path: Path) -> None:
    cues = "".join(f"{n}\n00:{n // 60:02}:{n % 60:02},000 --> 00:59:00,000\nword number {n}\n\n" for n in range(500))
    assert all(len(text) <= 200 for text in texts(document(tmp_path, "a.srt", cues)))


@pytest.mark.parametrize(
    "data", ["text", "WEBVTT", "1\n00:00:01,000 -> 00:00:02,000\nx", "1\n00:00:01,000 --> 00:00:02,000\n"]
)
def test_no_subtitles_say_so(tmp_path: Path, data: str) -> None:
    with pytest.raises(UnreadableError, match="holds no subtitles"):
        items(tmp_path, "a.srt", data)


def test_a_cue_goes_on_behind_a_blank_line_up_to_the_next_one(tmp_path: Path) -> None:
    cues = "1\n00:00:01,000 --> 00:00:02,000\nWill you come\n\nor is it late?\n\n"
    cues += "2\n00:00:03,000 --> 00:00:04,000\n42 of <them>.\n3\n00:00:05,000 --> 00:00:06,000\nYes.\n\nIt is.\n"
    assert texts(document(tmp_path, "a.srt", cues)) == ["Will you come or is it late?", "42 of <them>.", "Yes. It is."]
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nOne\n\ntwo.\n\nintro\n00:03.000 --> 00:04.000\nThree.\n"
    assert texts(document(tmp_path, "a.vtt", vtt)) == ["One two.", "Three."]


def test_what_is_said_again_later_or_by_another_is_no_repetition(tmp_path: Path) -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Yes.\n\n00:02.000 --> 00:04.000\n<v Bob>Yes.\n\n"
    assert texts(document(tmp_path, "a.vtt", vtt)) == ["Ann: Yes.", "Bob: Yes."]
    srt = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\nNo.\n\n" for n in (1, 2, 5))
    assert texts(document(tmp_path, "a.srt", srt)) == ["No.", "No."]
