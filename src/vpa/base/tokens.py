"""Vectors of the tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpa.base.arrays import FloatMatrix

# Neighbouring tokens that are summed.
STRETCH: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """What a model makes of the tokens of a text, without its own marks.

    `rows` `(t, w) float32`: a vector for each token; the dot product of two is about the cosine of the two tokens in
    their contexts. `stretches` `(⌈t / 16⌉, v) float32`: sums over 16 tokens each, so that the cosine of two sums of
    these is about that of the texts. `text[start:end]` is the token for each pair of `spans`.
    """

    rows: FloatMatrix
    stretches: FloatMatrix
    text: str
    spans: Sequence[tuple[int, int]]
