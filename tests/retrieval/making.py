"""Candidates for the tests of the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vpa.base.records import Match
from vpa.retrieval.candidates import Candidate, ranked


def candidate(
    name: str,
    score: float = 0.5,
    *,
    text: str | None = "",
    metadata: Mapping[str, Any] | None = None,
    vector: Sequence[float] | None = None,
    **system: str | int,
) -> Candidate:
    match = Match(
        id=name,
        score=score,
        distance=1 - score,
        text=text,
        metadata=dict(metadata or {}),
        vector=None if vector is None else np.asarray(vector, dtype=np.float32),
        system=system,
    )
    return Candidate(match, score)


def row(scores: Sequence[float]) -> list[Candidate]:
    """Candidates of these scores, in their order."""
    return ranked(candidate(f"c{number:03}", score) for number, score in enumerate(scores))


def names(candidates: Sequence[Candidate]) -> list[str]:
    return [one.match.id for one in candidates]
