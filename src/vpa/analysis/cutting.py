"""Words of a text: runs of letters, marks and digits, with what codes, numbers, addresses and contractions join.

A text is first cut into chunks, by one regular expression; what a chunk holds depends on nothing around it, so it is
worked out once and remembered. Segmentation follows Unicode's Annex 29 but where a search needs more: codes, versions,
dates and addresses stay whole, and scripts that put no blanks between words are cut into pairs of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import regex

# Between two runs of letters and digits, without blanks, these may join them.
_JOINERS: Final = r"'’.@:/+&\-·"
_ASCII: Final = re.compile(r"[A-Za-z](?:\+\+|#)(?!\w)|\w+(?:(?:['.@:/+&\-]|(?<=\d),(?=\d))\w+)*", re.ASCII)
_ANY: Final = regex.compile(
    rf"(?<!\w)[A-Za-z](?:\+\+|\#)(?!\w)|[\w\p{{M}}]+(?:(?:[{_JOINERS}]|(?<=\d),(?=\d))[\w\p{{M}}]+)*"
)
# No word takes more; what is longer is data, not language, and is cut.
MAX_WORD: Final = 100
_PART: Final = regex.compile(r"[\w\p{M}]+")
_DIGIT: Final = regex.compile(r"\p{Nd}")
_LETTER: Final = regex.compile(r"\p{L}")
_MAIL: Final = regex.compile(r"[\w\p{M}.+\-]+@[\w\p{M}\-]+(?:\.[\w\p{M}\-]+)+")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+")
_POSSESSIVE: Final = re.compile(r"['’][sS]$")
_ACRONYM: Final = regex.compile(r"\p{L}(?:\.\p{L})+")
# Scripts that put no blanks between words, and Korean, whose particles hang on to the words before them.
_UNSPACED: Final = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆ヶ][\p{M}]*"
)
_RUNS: Final = regex.compile(
    r"(?:[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆ヶ]\p{M}*)+"
    r"|[^\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆ヶ]+"
)
_HAN: Final = regex.compile(r"\p{Han}")


class Word(NamedTuple):
    """A word as it is written, and where it stands in its chunk. `whole`: a code, a number or an address, which has no
    stem.
    """

    text: str
    start: int
    end: int
    whole: bool = False


def chunks(text: str) -> list[str]:
    """The chunks of a text, in order."""
    found: list[str] = (_ASCII if text.isascii() else _ANY).findall(text)
    return found


def spans(text: str) -> Iterator[tuple[str, int]]:
    """The chunks of a text with the place where each begins."""
    for match in (_ASCII if text.isascii() else _ANY).finditer(text):
        yield match.group(), match.start()


def words_of(chunk: str, *, elides: bool) -> Iterator[Word]:
    """The words of a chunk. `elides`: an apostrophe parts words, as in French."""
    if not elides:
        chunk = _POSSESSIVE.sub("", chunk)
    for piece in re.finditer(r"[^/]+", chunk):
        yield from _words(piece.group(), piece.start(), elides=elides)


def _words(text: str, start: int, *, elides: bool) -> Iterator[Word]:
    end = start + len(text)
    parts = [(part.group(), start + part.start()) for part in _PART.finditer(text)]
    if _UNSPACED.search(text):
        for part, place in parts:
            yield from _unspaced(part, place)
        return
    if len(parts) <= 1 and not (parts and "_" in parts[0][0].strip("_")):
        has_digits = _DIGIT.search(text) is not None
        if text.strip("_"):
            yield Word(text.strip("_"), start, end, has_digits or (not text[-1].isalnum() and text[-1] in "+#"))
        return
    if _ACRONYM.fullmatch(text):
        yield Word(text.replace(".", ""), start, end, whole=True)
        return
    yield from _joined(text, parts, start, elides=elides)


def _joined(text: str, parts: list[tuple[str, int]], start: int, *, elides: bool) -> Iterator[Word]:
    end = start + len(text)
    if _GROUPED.fullmatch(text):
        yield Word(text.replace(",", ""), start, end, whole=True)
        return
    has_digits = _DIGIT.search(text) is not None
    named = _MAIL.fullmatch(text) or "_" in text or "&" in text or _is_domain(text)
    if has_digits or named:
        yield Word(text, start, end, whole=True)
        if has_digits and not _LETTER.search(text):
            return
        if has_digits and not named and "-" in text:
            # "X-200b" is written "X200b", too.
            yield Word(text.replace("-", ""), start, end, whole=True)
    elif len(parts[0][0]) == 1 and "-" in text:
        # "e-mail" is written "email", too.
        yield Word(text.replace("-", ""), start, end)
    contracted = ("'" in text or "’" in text) and not (elides or has_digits or named)
    if contracted and "-" not in text and "." not in text:
        yield Word(text, start, end)
        return
    for part, place in parts:
        for piece in re.finditer(r"[^_]+", part):
            word = piece.group()
            if len(word) > 1 and _LETTER.search(word):
                at = place + piece.start()
                yield Word(word, at, at + len(word), _DIGIT.search(word) is not None)


def _is_domain(text: str) -> bool:
    return "." in text and "'" not in text and "’" not in text


def _unspaced(part: str, start: int) -> Iterator[Word]:
    """Pairs of neighbouring characters, and each Han character, which is a word of its own more often than not."""
    for run in _RUNS.finditer(part):
        text, at = run.group(), start + run.start()
        if not _UNSPACED.match(text):
            if text.strip("_"):
                yield Word(text, at, at + len(text), _DIGIT.search(text) is not None)
            continue
        letters = [(one.group(), at + one.start()) for one in _UNSPACED.finditer(text)]
        for number, (letter, place) in enumerate(letters):
            if _HAN.match(letter) or len(letters) == 1:
                yield Word(letter, place, place + len(letter), whole=True)
            if number + 1 < len(letters):
                after = letters[number + 1][0]
                yield Word(letter + after, place, place + len(letter) + len(after), whole=True)
