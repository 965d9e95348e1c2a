"""The analyser of one language: text in, terms out, always the same ones for the same identity."""

from __future__ import annotations

import functools
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import regex
import Stemmer

from vpa.analysis.cutting import MAX_WORD, Word, chunks, spans, words_of
from vpa.analysis.languages import NONE, language_of, parse_language
from vpa.base.keywords import KeywordIndex

# Grows when the rules of this package change what terms a text has.
_RULES: Final = 2
# Chunks whose terms are remembered; then all are forgotten.
_REMEMBERED: Final = 200_000
# Longer chunks are seldom met twice.
LONGEST: Final = 64
_FOLDED_SCRIPTS: Final = regex.compile(r"[\p{Latin}\p{Greek}]")
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i", "ħ": "h", "’": "'"}
)


class Occurrence(NamedTuple):
    """A term where it stands in a text: characters `start` to `end`."""

    term: str
    start: int
    end: int


class _Known(dict[str, tuple[str, ...]]):
    """The terms of chunks; one that was not met before is taken apart."""

    def __init__(self, take_apart: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__()
        self._take_apart = take_apart

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        terms = self._take_apart(chunk)
        if len(chunk) <= LONGEST:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[chunk] = terms
        return terms


class Analyser:
    """Terms of texts in one language. Any thread may call it."""

    def __init__(self, language: str) -> None:
        """`language` is one of `LANGUAGES`; raises ConfigurationError."""
        self._language = language_of(parse_language(language))
        self._stemmer = None if self._language.name == NONE else Stemmer.Stemmer(self._language.name, 0)
        # English has accents in words that it took from others, and writes them without as well: both have one stem.
        self._folds_first = self._language.name == "english"
        # A stemmer of the library works on a buffer of its own.
        self._lock = threading.Lock()
        self._known = _Known(self._taken_apart)
        self.identity = KeywordIndex(language=self._language.name, version=self._version())

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in order, each as often as it stands there."""
        return list(chain.from_iterable(map(self._known.__getitem__, chunks(text))))

    def terms_of(self, chunk: str) -> tuple[str, ...]:
        """The terms of one chunk of a text."""
        return self._known[chunk]

    def _taken_apart(self, chunk: str) -> tuple[str, ...]:
        return tuple(term for word in self._words(chunk) if (term := self._term(word)))

    def occurrences(self, text: str) -> Iterator[Occurrence]:
        """The terms of a text with their places in it."""
        for chunk, start in spans(text):
            for word in self._words(chunk):
                term = self._term(word)
                if term:
                    yield Occurrence(term, start + word.start, start + word.end)

    def _words(self, chunk: str) -> Iterator[Word]:
        return words_of(chunk, elides=self._language.elides)

    def _term(self, word: Word) -> str:
        """The term of a word; "" for a stop word."""
        text = self._lower(word.text)
        if text in self._language.stop_words:
            return ""
        if self._folds_first:
            text = folded(text)
        if not word.whole and self._stemmer is not None:
            with self._lock:
                text = self._stemmer.stemWord(text.replace("’", "'"))
        return folded(text).replace("'", "")[:MAX_WORD]

    def _lower(self, text: str) -> str:
        if self._language.name == "turkish":
            text = text.replace("İ", "i").replace("I", "ı")
        return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()

    def _version(self) -> str:
        """The rules here, and a checksum of what the stemmer makes of words that are put together from stop words: a
        release of it that stems otherwise is another version.
        """
        if self._stemmer is None:
            return str(_RULES)
        words = sorted(self._language.stop_words)
        probes = words + [first + last for first in words[::3] for last in words[::5]]
        return f"{_RULES}-{zlib.crc32(' '.join(self._stemmer.stemWords(probes)).encode()):08x}"


def folded(text: str) -> str:
    """Without the accents of Latin and Greek letters."""
    if text.isascii():
        return text
    text = text.translate(_LETTERS)
    if not _FOLDED_SCRIPTS.search(text):
        return text
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(one for one in parts if unicodedata.category(one) != "Mn"))


@functools.cache
def analyser_of(language: str) -> Analyser:
    """The one analyser of a language; raises ConfigurationError for a name that is not among `LANGUAGES`."""
    return Analyser(language)


TermsOf = Callable[[str], list[str]]
