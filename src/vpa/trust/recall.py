"""How much of the exact answer a store's ordinary search finds, without a filter and with filters that keep ever
less.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arguments import explained
from vpa.base.arrays import FloatMatrix
from vpa.base.query import check_top_k
from vpa.base.recall import found_share
from vpa.base.scope import Scope, check_scope
from vpa.client.arguments import check_collection, check_sample
from vpa.client.collection import Collection
from vpa.client.selectivity import filters_by_share
from vpa.filters import Filter, to_json
from vpa.trust.queries import Queries, draw, made_queries, own_queries

_FILTERED_QUERIES: Final = 20
_AT_ONCE: Final = 10  # Queries answered exactly in one call.
_SCOPE: Final = Scope()


@dataclass(frozen=True, slots=True)
class FilteredRecall:
    """Recall under one filter; `selectivity` is the share of the scope's records that it keeps."""

    filter: dict[str, Any]
    selectivity: float
    recall: float


@dataclass(frozen=True, slots=True)
class RecallReport:
    """`recall` is the mean share of the exact top k that was found, from 0 to 1; `least` that of the worst query.

    Both are NaN, and `queries` 0, where the scope holds no records: nothing was measured. `kinds` has the recall of
    the queries "moved" from records, "between" two records, or the caller's "own".
    """

    queries: int
    top_k: int
    recall: float
    least: float
    filtered: list[FilteredRecall] = field(default_factory=list)
    kinds: Mapping[str, float] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether there was anything to measure."""
        return self.queries > 0

    def __str__(self) -> str:
        if not self.measured:
            return "nothing to measure: the scope holds no records"
        parts = [f"{self.recall:.3f} without a filter"]
        parts += [f"{one.recall:.3f} where a filter keeps {one.selectivity:.1%}" for one in self.filtered]
        return f"{self.queries} queries, top {self.top_k}: {', '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        """For reports: recall, depth and filters; null for what was not measured."""
        plain = {**asdict(self), "kinds": dict(self.kinds)}
        return plain if self.measured else {**plain, "recall": None, "least": None}


@explained
async def check_recall(
    collection: Collection,
    *,
    sample: int = 50,
    top_k: int = 10,
    queries: ArrayLike | None = None,
    scope: Scope = _SCOPE,
    seed: int = 0,
) -> RecallReport:
    """Search exactly and as usual, and compare the answers.

    `queries`, of shape `(m, d)`, are real ones, embedded as the application does. Without them up to `sample` are made
    from records drawn out of the scope's first 20,000: moved copies, and every fourth a point between two records. The
    filters, made of the metadata values there, keep about 50, 20, 10, 5 and 1 % of the records, where such exist; each
    gets up to 20 queries. An empty scope has nothing to measure: recall is NaN. Raises InvalidQueryError for a sample
    below 1, queries that `search_batch` refuses, and anything but one scope; ConfigurationError for a manager.
    """
    check_collection(collection, function="check_recall")
    count, top_k = check_sample(sample), check_top_k(top_k)
    own = None if queries is None else await own_queries(collection, queries)
    total = await collection.count(scope=check_scope(scope))
    records = await draw(collection, scope=scope, seed=seed)
    if not records:
        return RecallReport(0, top_k, math.nan, math.nan)
    asked = own or made_queries(records, count=count, metric=collection.info.metric, seed=seed)
    shares = await _shares(collection, asked.vectors, top_k=top_k, node=None, scope=scope)
    filtered = []
    for node in (await asyncio.to_thread(filters_by_share, records)).values():
        keeps = await collection.count(filter=node, scope=scope) / max(1, total)
        under = await _shares(collection, asked.vectors[:_FILTERED_QUERIES], top_k=top_k, node=node, scope=scope)
        if not np.isnan(under).all():
            filtered.append(FilteredRecall(to_json(node), keeps, float(np.nanmean(under))))
    report = _report(asked, shares, top_k=top_k, filtered=filtered)
    if report.measured:
        collection.note("recall", report.recall)
    return report


def _report(asked: Queries, shares: Sequence[float], *, top_k: int, filtered: list[FilteredRecall]) -> RecallReport:
    by_kind: dict[str, list[float]] = {}
    for kind, share in zip(asked.kinds, shares, strict=True):
        if not math.isnan(share):
            by_kind.setdefault(kind, []).append(share)
    measured = [share for group in by_kind.values() for share in group]
    if not measured:
        return RecallReport(0, top_k, math.nan, math.nan)
    kinds = {kind: float(np.mean(group)) for kind, group in by_kind.items()}
    return RecallReport(len(measured), top_k, float(np.mean(measured)), min(measured), filtered, kinds)


async def _shares(
    collection: Collection, queries: FloatMatrix, *, top_k: int, node: Filter | None, scope: Scope
) -> list[float]:
    """For each query the share of its exact answer that an ordinary search finds; NaN where that answer is empty."""
    shares = []
    for start in range(0, len(queries), _AT_ONCE):
        page = queries[start : start + _AT_ONCE]
        answers = await collection.search_batch(vectors=page, top_k=top_k, filter=node, exact=True, scope=scope)
        for query, exact in zip(page, answers, strict=True):
            usual = await collection.search(vector=query, top_k=top_k, filter=node, scope=scope)
            shares.append(found_share(exact, usual) if len(exact) else math.nan)
    return shares
