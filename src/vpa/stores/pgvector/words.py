"""The words of a record in PostgreSQL: the column `w`, `{"term": how often, …, "": how many in all}`, of which the
database computes scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from vpa.analysis.bm25 import K1, B
from vpa.base.keywords import KeywordIndex
from vpa.base.metadata import Scalar
from vpa.stores.layout.words import WordQuery, words_of
from vpa.stores.pgvector.filters import Statement, dump

WORDS: Final = "w"


def worder(keywords: KeywordIndex | None) -> Callable[[str | None, Mapping[str, Scalar] | None], str] | None:
    """What makes the JSON of column `w`; None for a collection without a keyword index."""
    take = words_of(keywords)
    if take is None:
        return None

    def spell(text: str | None, system: Mapping[str, Scalar] | None) -> str:
        words = take(text, system)
        return dump({"": words.length, **words.counts}) if words.length else "{}"

    return spell


def ranking(table: str, statement: Statement, *, columns: str, where: str, query: WordQuery, limit: int) -> str:
    """The rows with the greatest scores `d`, by the formula of `vpa.analysis.bm25`, ties in id order."""
    mean = query.statistics.mean_length
    terms = statement.bind(list(query.weights))
    weights = statement.bind(list(query.weights.values()))
    least = statement.bind(K1 * (1 - B) if mean else K1)
    by_length = statement.bind(K1 * B / mean if mean else 0.0)
    score = (
        f"(SELECT sum(asked.weight * {K1 + 1} * held.tf / (held.tf + {least}::float8 + {by_length}::float8 * "
        f"({WORDS} ->> '')::float8)) FROM unnest({terms}::text[], {weights}::float8[]) AS asked(term, weight), "
        f"LATERAL (SELECT ({WORDS} ->> asked.term)::float8 AS tf) AS held WHERE held.tf IS NOT NULL)"
    )
    return (
        f"SELECT {columns}, {score} AS d FROM {table} WHERE {where} AND {WORDS} ?| {terms}::text[] "
        f"ORDER BY d DESC, id LIMIT {limit}"
    )
