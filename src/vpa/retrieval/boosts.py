"""Scores raised by what a field holds: words of the question, or a date that is not long ago."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vpa.analysis.analyser import Analyser
from vpa.base.errors import InvalidQueryError
from vpa.base.moments import moment_of
from vpa.base.query import check_number
from vpa.base.showing import shown
from vpa.retrieval.candidates import Candidate, values_at

_DAY_S: Final = 86_400.0
TITLE: Final = "title"
# Beyond this a field decides alone, and a product of many could overflow.
_GREATEST_FACTOR: Final = 1e6
# What a score below 0 is divided by at least.
_LEAST_FACTOR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Recency:
    """Newer is better: a score counts in full today, and `weight` of it halves every `half_life_days` since the date in
    `field`: ISO 8601 text (a date alone is its midnight in UTC), or seconds since 1970. Records without one count as
    infinitely old, those of the future as of today. Raises InvalidQueryError.
    """

    field: str
    half_life_days: float = dataclasses.field(default=30.0, kw_only=True)
    weight: float = dataclasses.field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.field, str) or not self.field:
            raise InvalidQueryError(f"recency needs the name of a date field, not {shown(self.field)}")
        check_number("half_life_days", self.half_life_days, above=True)
        check_number("the weight of recency", self.weight, most=1)

    def factor(self, candidate: Candidate, *, now: float) -> float:
        """What the score is multiplied with; `now` is in seconds since 1970."""
        ages = [now - moment for value in self._values(candidate) if (moment := seconds_of(value)) is not None]
        decay = 0.5 ** (max(0.0, min(ages)) / _DAY_S / self.half_life_days) if ages else 0.0
        return (1 - self.weight) + self.weight * decay

    def _values(self, candidate: Candidate) -> list[object]:
        return values_at(candidate.match.metadata, self.field)


def seconds_of(value: object) -> float | None:
    """Seconds since 1970 of a date as metadata hold it; None for what is no date."""
    if _is_number(value):
        return float(value)  # type: ignore[arg-type]
    if not isinstance(value, str):
        return None
    moment = moment_of(value)
    try:
        found = datetime.fromisoformat(value if moment is None else moment)
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def check_recency(recency: object) -> Recency | None:
    """Return it, or raise InvalidQueryError for what is no Recency."""
    if recency is not None and not isinstance(recency, Recency):
        raise InvalidQueryError(f"recency is a Recency, Recency(field='date', half_life_days=30), not {shown(recency)}")
    return recency


def check_boosts(boosts: Mapping[str, float] | None) -> tuple[tuple[str, float], ...]:
    """Field boosts as pairs, or InvalidQueryError: factors from 1 to a million by field."""
    if boosts is None:
        return ()
    if not isinstance(boosts, Mapping) or not all(isinstance(name, str) and name for name in boosts):
        raise InvalidQueryError(f"boosts is a mapping of fields to factors, {{'title': 2.0}}, not {shown(boosts)}")
    for name, factor in boosts.items():
        check_number(f"the boost of {name!r}", factor, least=1, most=_GREATEST_FACTOR)
    return tuple(boosts.items())


def boost_fields(
    candidates: Sequence[Candidate],
    boosts: Sequence[tuple[str, float]],
    *,
    terms: Mapping[str, float],
    analyser: Analyser,
) -> None:
    """Multiply scores: by the factor of a field where it holds every word of the question, by less where it holds some.

    "title" is a document's title where metadata have no such field. Raises InvalidQueryError for a field that none of
    the candidates has.
    """
    for name, factor in boosts:
        texts = [_texts(candidate, name) for candidate in candidates]
        if candidates and not any(texts):
            raise InvalidQueryError(
                f"none of the {len(candidates)} candidates has a text in {name!r}, which was to be boosted; boost "
                "'title', or a metadata field that holds text"
            )
        for candidate, found in zip(candidates, texts, strict=True):
            held = {term for text in found for term in analyser.terms(text)}
            share = len(held & terms.keys()) / len(terms) if terms else 0.0
            if share:
                _multiply(candidate, name, 1 + (factor - 1) * share)


def boost_recent(candidates: Sequence[Candidate], recency: Recency, *, now: float) -> None:
    """Multiply scores by how recent the candidates are; raises InvalidQueryError where none has a date."""
    dates = [
        seconds_of(value) for candidate in candidates for value in values_at(candidate.match.metadata, recency.field)
    ]
    if candidates and not any(date is not None for date in dates):
        raise InvalidQueryError(
            f"none of the {len(candidates)} candidates has a date in {recency.field!r}: ISO 8601 text such as "
            "'2024-05-01', or seconds since 1970"
        )
    for candidate in candidates:
        _multiply(candidate, recency.field, recency.factor(candidate, now=now))


def _multiply(candidate: Candidate, name: str, factor: float) -> None:
    """Raise the score by a factor above 1, lower it by one below. A score below 0, which cosine and dot have too, is
    divided: a product would turn the order round.
    """
    candidate.boosts[name] = candidate.boosts.get(name, 1.0) * factor
    if candidate.score < 0:
        candidate.score /= max(factor, _LEAST_FACTOR)
    else:
        candidate.score *= factor


def _texts(candidate: Candidate, name: str) -> list[str]:
    texts = [value for value in values_at(candidate.match.metadata, name) if isinstance(value, str)]
    if not texts and name == TITLE and candidate.match.system.get("title"):
        return [str(candidate.match.system["title"])]
    return texts


def _is_number(value: object) -> bool:
    """Whether it is a finite one that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
