"""Where a text may be cut without cutting a character that people see as one (an extended grapheme cluster).

By categories of `unicodedata`, after Unicode Standard Annex 29: marks, joiners, skin tones, flags, tags, conjoining
Hangul and CRLF. What that leaves out (prepended marks, Indic conjuncts by rule GB9c) is cut as single code points.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_JOINER: Final = "\u200d"
_NON_JOINER: Final = "\u200c"
_HANGUL: Final = range(0x1100, 0x1200)  # The block of Hangul Jamo, which compose to syllables.
# Clusters beyond this are no writing; they are cut like any text.
_LONGEST: Final = 64
_LONGEST_FLAGS: Final = 4096


def is_boundary(text: str, place: int) -> bool:
    """Whether a cut before `text[place]` separates two characters."""
    if not 0 < place < len(text):
        return True
    before, after = text[place - 1], text[place]
    if after < "\u0300" and before < "\u0300":
        return not (before == "\r" and after == "\n")
    if _extends(after) or before == _JOINER:
        return False
    if _is_flag(before) and _is_flag(after):
        return _flags_before(text, place) % 2 == 0
    # Conjoining jamo of old and decomposed Hangul: a syllable is cut before its first consonant only.
    return not (ord(before) in _HANGUL and ord(after) in _HANGUL and ord(after) >= 0x1160)


def boundary_at_or_before(text: str, place: int, *, above: int) -> int:
    """The nearest boundary from `place` backwards that is greater than `above`; `place` itself if none is near."""
    for candidate in range(place, max(above, place - _LONGEST), -1):
        if is_boundary(text, candidate):
            return candidate
    return place


def boundary_at_or_after(text: str, place: int, *, below: int) -> int:
    """The nearest boundary from `place` on that is less than `below`; `below` if there is none."""
    return next((candidate for candidate in range(place, below) if is_boundary(text, candidate)), below)


def _extends(character: str) -> bool:
    code = ord(character)
    if character in (_JOINER, _NON_JOINER) or 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F:
        return True
    return unicodedata.category(character)[0] == "M"


def _is_flag(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _flags_before(text: str, place: int) -> int:
    start = place
    while start > max(0, place - _LONGEST_FLAGS) and _is_flag(text[start - 1]):
        start -= 1
    return place - start
