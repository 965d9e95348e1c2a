"""The terms of a table by number, and what each chunk of text holds: worked out when it is first met."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from vpa.analysis.analyser import LONGEST, Analyser
from vpa.analysis.cutting import chunks
from vpa.base.arrays import IntColumn

_NOTHING: Final = -1
# From here down: several terms, at place -2 - n of a list.
_SEVERAL: Final = -2
# Chunks that are remembered; then all are forgotten, but for the terms themselves.
_REMEMBERED: Final = 500_000


class Occurrences(NamedTuple):
    """The terms of some texts: `lengths` how many each text has, `codes` all of them, text by text."""

    lengths: IntColumn
    codes: IntColumn


class _Chunks(dict[str, int]):
    """Code by chunk. A chunk that was never met is taken apart."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._vocabulary = vocabulary

    def __missing__(self, chunk: str) -> int:
        code = self._vocabulary.learn(chunk)
        if len(chunk) <= LONGEST:
            self[chunk] = code
        return code


class Vocabulary:
    """Grows, and forgets nothing but chunks. `lock` is held by whoever calls `occurrences`."""

    def __init__(self, analyser: Analyser, terms: Iterable[str] = ()) -> None:
        self.analyser = analyser
        self.lock = threading.RLock()
        self.terms = list(terms)
        self._codes = {term: code for code, term in enumerate(self.terms)}
        self._chunks = _Chunks(self)
        self._several: list[IntColumn] = []

    def code(self, term: str) -> int | None:
        """The code of a term, or None for one that no text had."""
        return self._codes.get(term)

    def _coded(self, term: str) -> int:
        code = self._codes.get(term)
        if code is None:
            code = len(self.terms)
            self.terms.append(term)
            self._codes[term] = code
        return code

    def learn(self, chunk: str) -> int:
        """What stands for the terms of a chunk: a code, or a sign for none or for several."""
        terms = self.analyser.terms_of(chunk)
        if len(terms) == 1:
            return self._coded(terms[0])
        if not terms:
            return _NOTHING
        self._several.append(np.fromiter(map(self._coded, terms), dtype=np.int32, count=len(terms)))
        return _SEVERAL + 1 - len(self._several)

    def occurrences(self, texts: Sequence[str]) -> Occurrences:
        """The terms of some texts."""
        if len(self._chunks) > _REMEMBERED:
            self._chunks.clear()
            self._several.clear()
        lengths: list[int] = []
        signs: list[int] = []
        coded = self._chunks.__getitem__
        for text in texts:
            before = len(signs)
            signs += map(coded, chunks(text))
            lengths.append(len(signs) - before)
        codes = np.asarray(signs, dtype=np.int32)
        texts_of = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
        several = np.flatnonzero(codes <= _SEVERAL)
        if len(several):
            parts = [self._several[_SEVERAL - sign] for sign in codes[several].tolist()]
            sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
            codes = np.concatenate([codes, *parts])
            texts_of = np.concatenate([texts_of, np.repeat(texts_of[several], sizes)])
        kept = codes >= 0
        codes, texts_of = codes[kept], texts_of[kept]
        order = np.argsort(texts_of, kind="stable") if len(several) else slice(None)
        return Occurrences(np.bincount(texts_of, minlength=len(texts)).astype(np.int32), codes[order])
