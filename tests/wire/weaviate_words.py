"""Weaviate's BM25 over one property that is cut at white space, with the flaw of 1.35.2.

As long as objects are not on its disk, the first that match fill the answer, and no later one comes in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Set
from typing import Any


def ranked(
    texts: Mapping[str, str], query: str, *, formula: Mapping[str, Any], limit: int, allowed: Set[str]
) -> list[tuple[str, float]]:
    """Numbers and scores of those that are `allowed`, best first.

    `texts`: of each object, in the order in which they came; `formula`: k1 and b.
    """
    asked, counted = Counter(query.split()), {number: Counter(text.split()) for number, text in texts.items()}
    lengths = {number: sum(counts.values()) for number, counts in counted.items()}
    mean = sum(lengths.values()) / max(1, sum(length > 0 for length in lengths.values())) or 40.0
    held = {term: sum(term in counts for counts in counted.values()) for term in asked}
    scores = {}
    for number, counts in counted.items():
        norm = formula["k1"] * (1 - formula["b"] + formula["b"] * lengths[number] / mean)
        parts = [
            times * math.log1p((len(counted) - held[term] + 0.5) / (held[term] + 0.5)) * counts[term]
            / (counts[term] + norm)
            for term, times in asked.items()
            if term in counts
        ]  # fmt: skip
        if parts and number in allowed:
            scores[number] = sum(parts)
    first = list(scores.items())[: int(max(limit * 1.1, limit + 10))]
    return sorted(first, key=lambda entry: -entry[1])[:limit]
