"""The one formula of keyword scores, on every store.

    score(d, q) = Σ idf(t) · tf · (k1 + 1) / (tf + k1 · (1 − b + b · |d| / mean)) · qtf · (k3 + 1) / (k3 + qtf)

over the terms t of the query, with idf(t) = ln(1 + (N − df + ½) / (df + ½)). tf and qtf are how often a term stands in
the record and in the query, |d| is how many terms the record has, N how many records have any, df how many have t, and
mean the mean of |d| over the N. From Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond"
(2009), with the idf that Lucene uses, which is never negative.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# Over six collections (docs/retrieval.md) k1 = 1.5 is slightly better on average than the usual 1.2.
K1: Final = 1.5
B: Final = 0.75
K3: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WordStatistics:
    """What the formula needs of a collection: `records` with any term, the `mean_length` of those in terms, and how
    many of them hold each term. Terms that are not in `frequencies` are held by `rest` of them.
    """

    records: int = 0
    mean_length: float = 0.0
    frequencies: Mapping[str, int] = field(default_factory=dict)
    rest: int = 0

    def idf(self, term: str) -> float:
        """How much a term tells: 0 for one that every record holds, more the rarer it is."""
        return idf(self.frequency(term), records=self.records)

    def frequency(self, term: str) -> int:
        """How many records hold the term, as far as is known."""
        return self.frequencies.get(term, self.rest)

    def weights(self, query: Mapping[str, float]) -> dict[str, float]:
        """What each term of a query adds to a score, times its share in the record; terms without weight left out."""
        weights = {term: self.idf(term) * query_weight(count) for term, count in query.items()}
        return {term: weight for term, weight in weights.items() if weight > 0}

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        facts = {"records": self.records, "mean_length": self.mean_length, "rest": self.rest}
        return {**facts, "frequencies": dict(self.frequencies)}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> WordStatistics:
        """Read what `to_json` wrote."""
        return cls(**description)


def idf(frequency: int, *, records: int) -> float:
    """ln(1 + (N − df + ½) / (df + ½)), with df at most N: statistics may be older than the record that is scored."""
    frequency = min(frequency, records)
    return math.log1p((records - frequency + 0.5) / (frequency + 0.5))


def query_weight(count: float) -> float:
    """What a term counts for that stands `count` times in the query."""
    return count * (K3 + 1) / (K3 + count)


def length_norm(length: float, mean_length: float) -> float:
    """k1 · (1 − b + b · |d| / mean)."""
    return K1 * (1 - B + B * length / mean_length) if mean_length else K1


def score(terms: Sequence[str], query: Mapping[str, float], statistics: WordStatistics) -> float:
    """The score of one record, given its terms, for a query's terms and how often each stands in it."""
    if not terms:
        return 0.0
    counted = Counter(term for term in terms if term in query)
    norm = length_norm(len(terms), statistics.mean_length)
    return sum(
        statistics.idf(term) * tf * (K1 + 1) / (tf + norm) * query_weight(query[term]) for term, tf in counted.items()
    )
