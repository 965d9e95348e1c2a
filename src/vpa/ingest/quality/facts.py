"""What is learned about a document while it is read: its language, and what is doubtful about its text.

No doubt removes a document: each is a flag in its metadata (`quality`), and stands in the report.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from vpa.ingest.contract import SourceDocument
from vpa.ingest.quality.sketch import sketch_of

# Languages are told by that much of the text; fewer letters say nothing.
_LOOKED_AT: Final = 400
_LETTERS: Final = 40
# Rare languages, whose codes have three letters, are mostly a wrong guess.
_ISO_639_1: Final = 2
# Sentences of one language are told with .98 and more; tables, code and single words with less than .5.
_SURE: Final = 0.7
# Codes of three letters that files name most.
_ISO_639_2: Final = MappingProxyType(
    {"eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt"}
    | {"nld": "nl", "dut": "nl", "rus": "ru", "jpn": "ja", "zho": "zh", "chi": "zh", "kor": "ko", "ara": "ar"}
    | {"pol": "pl", "swe": "sv", "dan": "da", "nor": "no", "fin": "fi", "ces": "cs", "cze": "cs", "tur": "tr"}
)
_TINY: Final = 20
_VERY_LONG: Final = 1_000_000
_SAMPLE: Final = 20_000
# Less than that share of what is no blank are letters or digits.
_SYMBOLS: Final = 0.6
_INVISIBLE: Final = re.compile("[\u200b\u2060\u2062-\u2064\ufeff\U000e0000-\U000e007f]")
_DIRECTION: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Orders to a model: verbs of ignoring beside its instructions, changes of role, and pleas for secrecy.
_ORDERS: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|any|your|the)\b"
    r"[^.\n]{0,30}\b(?:instructions?|prompts?|rules|guidelines|directions)\b"
    r"|\b(?:you are|act as|pretend to be) (?:now )?(?:dan\b|an? (?:unrestricted|uncensored|jailbroken))"
    r"|\b(?:reveal|print|repeat|show|output)\b[^.\n]{0,30}\b(?:system prompt|hidden instructions|api keys?)\b"
    r"|\bdo not (?:tell|inform|mention (?:this )?to) the user\b"
    r"|\b(?:ignoriere|vergiss|missachte)\b[^.\n]{0,40}\b(?:anweisungen|vorgaben|instruktionen)\b"
    r"|\bignore[zr]?\b[^.\n]{0,40}\b(?:instructions|consignes) (?:précédentes|ci-dessus)"
    r"|\bignor[ae]\b[^.\n]{0,40}\binstrucciones\b"
    r"|<\|(?:im_start|im_end|system|endoftext)\|>|\[/?INST\]",
    re.IGNORECASE,
)

# One of them is in everything that the pattern matches: most texts need no more than a look for these.
_CUES: Final = (
    *("ignor", "disregard", "forget", "overrid", "bypass", "you are", "act as", "pretend", "reveal", "print", "repeat"),
    *("show", "output", "do not", "vergiss", "missachte", "<|", "[inst]", "[/inst]"),
)


def facts_of(document: SourceDocument) -> dict[str, Any]:
    """`language` (ISO 639-1, None where it cannot be told), `flags`, a `digest` that texts share which differ in blanks
    only, and a `sketch` that finds texts like it.
    """
    content = document.content
    return {
        "language": declared_language(document.metadata.get("language")) or language_of(content),
        "flags": flags_of(content),
        "digest": blake2b(" ".join(content.split()).encode("utf-8", "replace"), digest_size=12).hexdigest(),
        "sketch": sketch_of(content),
    }


def prepare() -> None:
    """Load what tells languages apart, which takes most of a second."""
    _identifier()


def flags_of(content: str) -> list[str]:
    """Doubts about a text: empty, tiny, very_long, symbols, invisible_text, suspicious."""
    stripped = content.strip()
    if not stripped:
        return ["empty"]
    flags = []
    if len(stripped) < _TINY:
        flags.append("tiny")
    if len(stripped) > _VERY_LONG:
        flags.append("very_long")
    sample = stripped[:_SAMPLE]
    visible = sum(map(len, sample.split()))
    if sum(map(str.isalnum, sample)) < _SYMBOLS * visible and len(stripped) >= _TINY:
        flags.append("symbols")
    if _INVISIBLE.search(content, 1) or _DIRECTION.search(content):
        flags.append("invisible_text")
    lowered = content.casefold()
    if any(cue in lowered for cue in _CUES) and _ORDERS.search(content):
        flags.append("suspicious")
    return flags


def declared_language(value: object) -> str | None:
    """The ISO 639-1 code in what a file says of its language, such as "en-US" or "eng"; None where there is none."""
    name = re.split("[-_@.]", value.strip().lower(), maxsplit=1)[0] if isinstance(value, str) else ""
    name = _ISO_639_2.get(name, name)
    return name if len(name) == _ISO_639_1 and name.isascii() and name.isalpha() else None


def language_of(content: str) -> str | None:
    """The language of a text by its beginning; None where it is too short, where it could be several ones, or nothing
    tells languages apart.
    """
    beginning = content[:_LOOKED_AT]
    identifier = _identifier()
    if identifier is None or sum(map(str.isalpha, beginning)) < _LETTERS:
        return None
    language, probability = identifier(beginning)
    return language if len(language) == _ISO_639_1 and probability >= _SURE else None


@cache
def _identifier() -> Callable[[str], tuple[str, float]] | None:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        return None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    classify: Callable[[str], tuple[str, float]] = identifier.classify
    return classify
