"""The characters of a PDF's lines as words: ligatures, accents and hyphens at the end of lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from vpa.ingest.cleaning import cleaned
from vpa.ingest.readers.pdf_lines import HYPHENS

_LIGATURE: Final = re.compile("[\ufb00-\ufb06]")
# TeX of old puts an accent before its letter.
_ACCENTS: Final = {"¨": "\u0308", "´": "\u0301", "ˆ": "\u0302", "˜": "\u0303", "ˇ": "\u030c", "˚": "\u030a"}
_ACCENTED: Final = re.compile("([¨´ˆ˜ˇ˚])([A-Za-z])")
# Symbol fonts have their characters where Unicode has none; these three are bullets.
_BULLETS: Final = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0d8", "•"))
_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")
_SPECIAL: Final = re.compile("[¨´ˆ˜ˇ˚\ue000-\uf8ff\ufb00-\ufb06]")
_STRANGE: Final = re.compile("[\ufffd\ue000-\uf8ff\x00-\x01\x03-\x08\x0e-\x1f\x80-\x9f]")
_AT_END: Final = re.compile(rf"[{HYPHENS}]\n?|[-‐\u00ad]\n")
_WORD: Final = re.compile(r"\w+")
# A name is divided after "_" without a hyphen.
_NAME_END: Final = re.compile(r"(?<=\w_)\n(?=\w)")
_LEADERS: Final = re.compile(r"\s*(?:\.\s?){4,}\s*")
# So many lines show well enough how words of a text are written.
_EVIDENCE: Final = 3000
# More strange characters than this share make a page's text garbage.
_MOST_STRANGE: Final = 0.2


def is_garbled(texts: Sequence[str]) -> bool:
    """Whether so much of a text has no meaning in Unicode that the fonts of the page must lack it."""
    if all(text.isascii() and text.isprintable() for text in texts):
        return False
    text = "".join(texts)
    strange = _STRANGE.sub("", text)
    return len(text) - len(strange) > _MOST_STRANGE * len(text)


class Words:
    """Puts lines together. A word divided at the end of a line is joined without its hyphen, but for real hyphens.

    The hyphen stays where the next line goes on in capitals or digits, after a digit or capitals only ("HMAC-SHA1"),
    inside of options ("--dry-run"), and where the text has the word with it, and nowhere without, in the middle of a
    line.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts
        self._words: frozenset[str] | None = None

    def line(self, lines: Sequence[str]) -> str:
        """The lines of a paragraph as one."""
        text = lines[0] if len(lines) == 1 else "\n".join(lines)
        if "-\n" in text or not text.isascii() or HYPHENS[1] in text:
            text = self._undivided(text).replace("\xa0", " ")
        if "_\n" in text:
            text = _NAME_END.sub("", text)
        if ". . . ." in text or "....." in text:
            text = _LEADERS.sub(" … ", text)
        text = text.replace("\n", " ").strip()
        if "  " in text:
            text = " ".join(text.split())
        return text if text.isascii() and text.isprintable() else _readable(text)

    def _undivided(self, text: str) -> str:
        first, *rest = _AT_END.split(text)
        pieces = [first]
        for piece in rest:
            before = pieces[-1].split(" ")[-1].split("\n")[-1]
            second = _WORD.match(piece)
            pieces += (self._hyphen(before, second[0] if second else ""), piece)
        return "".join(pieces)

    def _hyphen(self, before: str, second: str) -> str:
        """What stands between the end of a line and the beginning of the next one, of a word or not."""
        first = before.lstrip("\"'“‘«([")
        if not first:
            return "- "
        if not second[:1].islower() or not first[-1].isalpha() or "--" in first or first.isupper():
            return "-"
        words = self._all_words()
        return "-" if f"{first}-{second}" in words and first + second not in words else ""

    def _all_words(self) -> frozenset[str]:
        if self._words is None:
            self._words = frozenset(" ".join(islice(self._texts, _EVIDENCE)).split())
        return self._words


def code(text: str) -> str:
    """A line of a program: its blanks stay."""
    for hyphen in HYPHENS:
        text = text.replace(hyphen, "-\n")
    return _readable(text).rstrip()


def _readable(text: str) -> str:
    if text.isascii() or not _SPECIAL.search(text):
        return cleaned(text)
    text = _LIGATURE.sub(lambda ligature: unicodedata.normalize("NFKC", ligature[0]), text)
    text = _ACCENTED.sub(_composed, text)
    return cleaned(_PRIVATE.sub("\ufffd", text.translate(_BULLETS)))


def _composed(accented: re.Match[str]) -> str:
    letter = unicodedata.normalize("NFC", accented[2] + _ACCENTS[accented[1]])
    return letter if len(letter) == 1 else accented[0]
