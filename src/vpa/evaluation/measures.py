"""How well one ranking answers one query, by judged documents. Values agree with trec_eval.

A ranking is a sequence of document ids, best first; a document that occurs again counts at its first place only.
Judgements map document ids to whole numbers: 1 and above is relevant, higher is better, below 0 counts as 0, and a
document without a judgement is not relevant. Every measure is between 0 and 1, and 0 where no document is relevant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown

Ranking: TypeAlias = Sequence[str]
Judgements: TypeAlias = Mapping[str, int]


def ndcg(ranking: Ranking, judgements: Judgements, *, k: int | None = None) -> float:
    """Discounted gain of the first `k`, divided by that of the best possible order of all judged documents.

    The gain of a document is its judgement, the discount log2(rank + 1). Järvelin and Kekäläinen (2002).
    """
    ideal = _discounted(sorted((max(0, judgement) for judgement in judgements.values()), reverse=True)[:k])
    return _discounted(_gains(ranking, judgements, k=k)) / ideal if ideal else 0.0


def recall(ranking: Ranking, judgements: Judgements, *, k: int | None = None) -> float:
    """The share of all relevant documents that are among the first `k`."""
    relevant = relevant_count(judgements)
    return sum(gain >= 1 for gain in _gains(ranking, judgements, k=k)) / relevant if relevant else 0.0


def precision(ranking: Ranking, judgements: Judgements, *, k: int | None = None) -> float:
    """The share of the first `k` that are relevant. A shorter ranking is divided by `k` all the same."""
    gains = _gains(ranking, judgements, k=k)
    places = len(gains) if k is None else k
    return sum(gain >= 1 for gain in gains) / places if places else 0.0


def reciprocal_rank(ranking: Ranking, judgements: Judgements, *, k: int | None = None) -> float:
    """1 / the rank of the first relevant document; 0 where none is among the first `k`. Its mean is the MRR."""
    ranks = (rank for rank, gain in enumerate(_gains(ranking, judgements, k=k), 1) if gain >= 1)
    return 1 / next(ranks, math.inf)


def average_precision(ranking: Ranking, judgements: Judgements, *, k: int | None = None) -> float:
    """The precision at the rank of each relevant document among the first `k`, summed and divided by the number of all
    relevant documents. Its mean is the MAP.
    """
    total, seen = 0.0, 0
    for rank, gain in enumerate(_gains(ranking, judgements, k=k), 1):
        if gain >= 1:
            seen += 1
            total += seen / rank
    relevant = relevant_count(judgements)
    return total / relevant if relevant else 0.0


def relevant_count(judgements: Judgements) -> int:
    """How many documents are judged 1 or above."""
    return sum(judgement >= 1 for judgement in judgements.values())


def _gains(ranking: Ranking, judgements: Judgements, *, k: int | None) -> list[int]:
    """The gain at each rank, without documents that were ranked before."""
    return [max(0, judgements.get(document_id, 0)) for document_id in list(dict.fromkeys(ranking))[:k]]


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its depth: "nDCG@10", or "MAP" where `k` is None and the whole ranking counts."""

    name: str
    k: int | None = None

    def __str__(self) -> str:
        return self.name if self.k is None else f"{self.name}@{self.k}"

    def of(self, ranking: Ranking, judgements: Judgements) -> float:
        """The value for one query."""
        return _FUNCTIONS[self.name](ranking, judgements, k=self.k)


def parse_measure(text: object) -> Measure:
    """Read "nDCG@10", "recall@100", "MRR", …, in lower or upper case; raises InvalidQueryError."""
    name, at, depth = str(text).partition("@")
    canonical = _NAMES.get(name.strip().lower())
    is_depth = depth.isascii() and depth.isdecimal() and int(depth[:9]) > 0
    if not isinstance(text, str) or canonical is None or (at and not is_depth):
        raise InvalidQueryError(
            f"a measure is one of {', '.join(_FUNCTIONS)}, with a depth such as nDCG@10 or without, not {shown(text)}"
        )
    return Measure(canonical, int(depth[:9]) if at else None)


_FUNCTIONS: Final[Mapping[str, Callable[..., float]]] = {
    "nDCG": ndcg,
    "recall": recall,
    "MRR": reciprocal_rank,
    "MAP": average_precision,
    "precision": precision,
}
_NAMES: Final[Mapping[str, str]] = {
    **{name.lower(): name for name in _FUNCTIONS},
    # As trec_eval and ir_measures call them.
    "r": "recall",
    "rr": "MRR",
    "ap": "MAP",
    "p": "precision",
}
