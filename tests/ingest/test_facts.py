"""What is learned about a text while it is read."""

from __future__ import annotations

from typing import Any

import pytest

from vpa.ingest.contract import SourceDocument
from vpa.ingest.quality.facts import facts_of, language_of


@pytest.mark.parametrize(
    ("declared", "language"),
    [
        ("en-US", "en"),
        ("en_GB.UTF-8", "en"),
        ("DE", "de"),
        ("eng", "en"),
        ("fre", "fr"),
        ("x-klingon", None),
        (7, None),
    ],
)
def test_a_language_is_its_code_of_two_letters(declared: Any, language: str | None) -> None:
    document = SourceDocument(title="", content="abc", metadata={"language": declared})
    assert facts_of(document)["language"] == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The harbour master said that the tide would come early today.", "en"),
        ("Der Hafen liegt am Meer, und die Schiffe fahren morgen hinaus.", "de"),
        ("Le port est au bord de la mer et les bateaux partent demain.", "fr"),
        (
            "国境の長いトンネルを抜けると雪国であった。夜の底が白くなった。信号所に汽車が止まった。向側の座席から。",
            "ja",
        ),
        ("a" * 5000, None),
        ("id: U1; name: ann; real_name: Ann Smith; id: U2; name: bob; real_name: Bob Jones; deleted: false", None),
        ("Ann: hi there Bob: hello ok see you Ann: yes Bob: no Ann: ok then Bob: ok", None),
        ("ok", None),
    ],
)
def test_a_language_is_told_where_that_is_sure(text: str, language: str | None) -> None:
    assert language_of(text) == language
