"""The words of a record as stores keep them: terms as numbers, each with what it adds to a score."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import K1, WordStatistics, length_norm
from vpa.analysis.wording import worded
from vpa.base.keywords import KeywordIndex
from vpa.base.metadata import Scalar
from vpa.stores.contract import LOOKS_EVERY_S

# The mean length for which impacts are stored, about that of a chunk of 1,000 characters. What a collection's mean is
# changes with every write; scores are made anew here from the texts, so this decides only which records are looked at.
REFERENCE_LENGTH: Final = 100.0
_ON_THE_WAY_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class RowWords:
    """The terms of one record, with how often each stands in it, and how many there are in all."""

    counts: Mapping[str, int]
    length: int

    @property
    def sparse(self) -> tuple[list[int], list[float]]:
        """A sparse vector: the numbers of the terms, ascending, and of each tf · (k1 + 1) / (tf + norm), at the
        reference length. Its product with `sparse_weights` of a question is about the keyword score.
        """
        norm = length_norm(self.length, REFERENCE_LENGTH)
        impacts: dict[int, float] = {}
        for term, count in self.counts.items():
            number = term_number(term)
            impacts[number] = max(impacts.get(number, 0.0), count * (K1 + 1) / (count + norm))
        numbers = sorted(impacts)
        return numbers, [impacts[number] for number in numbers]

    @property
    def names(self) -> list[str]:
        """The terms as `term_name` spells them, each once."""
        return list(dict.fromkeys(map(term_name, self.counts)))


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What a store is asked for: the `weights` of the terms, above 0, and the `statistics` that they were made with."""

    weights: Mapping[str, float]
    statistics: WordStatistics

    @property
    def sparse(self) -> tuple[list[int], list[float]]:
        """A sparse vector of the weights, numbers ascending."""
        weights: dict[int, float] = {}
        for term, weight in self.weights.items():
            number = term_number(term)
            weights[number] = weights.get(number, 0.0) + weight
        numbers = sorted(weights)
        return numbers, [weights[number] for number in numbers]


@lru_cache(maxsize=200_000)
def term_number(term: str) -> int:
    """A number of 32 bits that stands for a term; of 100,000 terms two share one with a chance of 2/3, which does no
    harm: scores are made from the terms themselves.
    """
    return int.from_bytes(blake2b(term.encode(), digest_size=4).digest(), "big")


@lru_cache(maxsize=200_000)
def term_name(term: str) -> str:
    """The number as text, for stores that look for words: no stop word of theirs, and nothing to cut or to fold."""
    return f"w{term_number(term):08x}"


WordsOf = Callable[[str | None, Mapping[str, Scalar] | None], RowWords]


def words_of(keywords: KeywordIndex | None) -> WordsOf | None:
    """What takes the words of a record's text and system fields; None for a collection without a keyword index."""
    if keywords is None:
        return None
    analyser = analyser_of(keywords.language)

    def take(text: str | None, system: Mapping[str, Scalar] | None) -> RowWords:
        terms = analyser.terms(worded(text, system))
        return RowWords(Counter(terms), len(terms))

    return take


async def others_have_looked() -> None:
    """Wait until the other processes that have a collection open know of its keyword index, so that they write words
    too: they read its description again within `LOOKS_EVERY_S`.
    """
    await asyncio.sleep(LOOKS_EVERY_S + _ON_THE_WAY_S)


def at_most(raw: float, mean_length: float) -> float:
    """What a score can be at most, where the product of the stored impacts and the weights is `raw`."""
    # (tf + a + c / reference) / (tf + a + c / mean) is at most mean / reference, and 1 where that is less.
    return raw * max(1.0, mean_length / REFERENCE_LENGTH)
