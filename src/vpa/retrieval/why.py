"""Why a result stands where it does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vpa.analysis.analyser import Analyser
from vpa.analysis.cutting import chunks, spans


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedWord:
    """A word of the content that the question asks for: `content[start:end] == word`; `term` is what both stem to."""

    word: str
    term: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What made the score of a result.

    `mode`: dense, keyword or hybrid. Ranks are from 1, among the candidates: `dense_rank` by vector, `keyword_rank` by
    words, None where that was not asked or no word matched; `keyword_score` is BM25. `fused` is the score that fusion
    made of both, `boosts` by what it was multiplied since, by field. `reranked` is what the reranker said, `parts` what
    that was made of, by name, `rank_before` the rank that it found. `words`: those of the content that the question
    asks for. `notes`: what did not go as asked.
    """

    mode: str
    dense_rank: int | None = None
    keyword_rank: int | None = None
    keyword_score: float | None = None
    fused: float | None = None
    boosts: Mapping[str, float] = field(default_factory=dict)
    reranked: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    rank_before: int | None = None
    words: tuple[MatchedWord, ...] = ()
    notes: tuple[str, ...] = ()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        plain = {**asdict(self), "boosts": dict(self.boosts), "parts": dict(self.parts)}
        return plain | {"words": [asdict(word) for word in self.words], "notes": list(self.notes)}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Why:
        """Read what `to_json` wrote."""
        words = tuple(MatchedWord(**word) for word in description["words"])
        return cls(**{**description, "words": words, "notes": tuple(description["notes"])})


def matched_words(text: str, terms: Collection[str], analyser: Analyser) -> Iterator[MatchedWord]:
    """The words of a text whose terms are asked for, in order, each place once. A code and a part of it are two."""
    asked = frozenset(terms)
    # Each word is looked up once, however often it stands there, and places are counted only where one is asked for.
    holding = {chunk for chunk in set(chunks(text)) if not asked.isdisjoint(analyser.terms_of(chunk))}
    for chunk, start in spans(text) if holding else ():
        if chunk in holding:
            places = set()
            for found in analyser.occurrences(chunk):
                if found.term in terms and (found.start, found.end) not in places:
                    places.add((found.start, found.end))
                    first, last = start + found.start, start + found.end
                    yield MatchedWord(word=text[first:last], term=found.term, start=first, end=last)
