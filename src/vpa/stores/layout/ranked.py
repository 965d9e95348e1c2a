"""By what the records of one question are ranked: by words, or by a sparse vector that the caller brings."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import WordStatistics, score
from vpa.analysis.statistics import statistics_of
from vpa.analysis.wording import worded
from vpa.base.errors import ConfigurationError, InvalidQueryError
from vpa.base.records import CollectionInfo, Match, Record
from vpa.base.sparse import dot
from vpa.stores.layout.driver import LayoutDriver, StoredRow, Where
from vpa.stores.layout.sparse import ROUNDING, product_at_most, written
from vpa.stores.layout.words import WordQuery
from vpa.stores.requests import SearchWords


class Ranked(Protocol):
    """What a store is asked to rank by, and what scores the candidates that it returns."""

    @property
    def is_empty(self) -> bool:
        """Whether no record can match."""

    @property
    def asked(self) -> WordStatistics:
        """What the scores count with."""

    def score(self, record: Record | Match) -> float | None:
        """The score of a record; None for one that is no match."""

    async def rank(self, driver: LayoutDriver, where: Where, *, limit: int, include_vectors: bool) -> list[StoredRow]:
        """The `limit` rows that the store thinks best, in any order."""

    def at_most(self, driver: LayoutDriver, raw: float) -> float:
        """The greatest score that a row can have which the store ranks with `raw`."""


def ranked_by(info: CollectionInfo, request: SearchWords) -> Ranked:
    """As the request says; raises ConfigurationError where the collection does not hold what is asked for."""
    return WordTerms(info, request) if request.sparse is None else SparseTerms(info, request)


class WordTerms:
    """What scores texts for one question, under the statistics that are kept with a collection."""

    def __init__(self, info: CollectionInfo, request: SearchWords) -> None:
        """Raises ConfigurationError where the collection has no keyword index, or no statistics yet."""
        if info.keywords is None or info.words is None:
            raise ConfigurationError(f"collection {info.name!r} has no keyword index", collection=info.name)
        self._info = info
        self.statistics = statistics_of(info.words)
        self.query = WordQuery(self.statistics.weights(request.terms), self.statistics)
        self._analyser = analyser_of(info.keywords.language)
        self._terms = request.terms

    @property
    def is_empty(self) -> bool:
        """Whether no term weighs anything."""
        return not self.query.weights

    @property
    def asked(self) -> WordStatistics:
        """The statistics, of the question's terms alone."""
        known = {term: self.statistics.frequency(term) for term in self._terms}
        return replace(self.statistics, frequencies=known, rest=0)

    def score(self, record: Record | Match) -> float | None:
        """The keyword score of a record; None where it holds none of the terms."""
        terms = self._analyser.terms(worded(record.text, record.system))
        return score(terms, self._terms, self.statistics) or None

    async def rank(self, driver: LayoutDriver, where: Where, *, limit: int, include_vectors: bool) -> list[StoredRow]:
        """As the driver ranks words."""
        return await driver.rank_words(self._info, self.query, where, limit=limit, include_vectors=include_vectors)

    def at_most(self, driver: LayoutDriver, raw: float) -> float:
        """As the driver knows it."""
        return driver.words_at_most(raw, self.statistics) * ROUNDING


class SparseTerms:
    """The product with a sparse vector, in float64."""

    asked = WordStatistics()

    def __init__(self, info: CollectionInfo, request: SearchWords) -> None:
        """Raises ConfigurationError where the collection holds no sparse vectors."""
        if not info.sparse:
            raise ConfigurationError(f"collection {info.name!r} holds no sparse vectors", collection=info.name)
        self._info = info
        self._sparse = request.sparse or {}

    @property
    def is_empty(self) -> bool:
        """Whether it has no dimension."""
        return not self._sparse

    def score(self, record: Record | Match) -> float | None:
        """The product; None where no dimension is common."""
        return dot(self._sparse, record.sparse or {})

    async def rank(self, driver: LayoutDriver, where: Where, *, limit: int, include_vectors: bool) -> list[StoredRow]:
        """As the driver ranks sparse vectors; raises InvalidQueryError for one that the store cannot be asked for."""
        trouble = driver.sparse_trouble(self._sparse)
        if trouble is not None:
            raise InvalidQueryError(f"the sparse vector to search for {trouble}", collection=self._info.name)
        query = written(self._sparse)
        return await driver.rank_sparse(self._info, query, where, limit=limit, include_vectors=include_vectors)

    def at_most(self, driver: LayoutDriver, raw: float) -> float:
        """But for rounding, the store's own product."""
        del driver
        return product_at_most(raw)
