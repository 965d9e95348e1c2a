"""How much of the exact answer a store's ordinary search finds, without a filter and with filters that keep ever
less.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from vpa.base.errors import InvalidQueryError
from vpa.base.recall import found_share
from vpa.base.records import Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.selectivity import filters_by_share
from vpa.filters import Filter, to_json

_READ: Final = 2000  # Records read at once, of which the sample is taken.
_FILTERED_QUERIES: Final = 20


@dataclass(frozen=True, slots=True)
class FilteredRecall:
    """Recall under one filter; `selectivity` is the share of the scope's records that it keeps."""

    filter: dict[str, Any]
    selectivity: float
    recall: float


@dataclass(frozen=True, slots=True)
class RecallReport:
    """`recall` is the mean share of the exact top k that was found, from 0 to 1; `least` that of the worst query."""

    queries: int
    top_k: int
    recall: float
    least: float
    filtered: list[FilteredRecall] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For reports: recall, depth and times."""
        return asdict(self)


async def check_recall(
    collection: Collection, *, sample: int = 50, top_k: int = 10, scope: Scope = Scope(), seed: int = 0
) -> RecallReport:
    """Search for slightly moved copies of stored vectors, exactly and as usual, and compare.

    `sample` queries are drawn from the first records of a scan. The filters, made of the metadata values there, keep
    about 50, 20, 10, 5 and 1 % of the records, where such exist; each gets up to 20 queries. An empty scope has recall
    1. Raises InvalidQueryError for a sample below 1.
    """
    if sample < 1:
        raise InvalidQueryError(f"sample must be at least 1, not {sample}")
    records: list[Record] = []
    async for batch in collection.scan_batches(scope=scope, batch_size=1000):
        records += list(batch)
        if len(records) >= _READ:
            break
    chosen = random.Random(seed).sample(records, min(sample, len(records)))
    queries = _queries(chosen, seed=seed, scale=0.05)
    recalls = [await _recall_of(collection, query, top_k=top_k, node=None, scope=scope) for query in queries]
    filtered = []
    total = await collection.count(scope=scope)
    for node in filters_by_share(records).values():
        share = await collection.count(filter=node, scope=scope) / max(1, total)
        found = [
            await _recall_of(collection, query, top_k=top_k, node=node, scope=scope)
            for query in queries[:_FILTERED_QUERIES]
        ]
        filtered.append(FilteredRecall(to_json(node), share, float(np.mean(found))))
    report = RecallReport(
        len(recalls), top_k, float(np.mean(recalls)) if recalls else 1.0, min(recalls, default=1.0), filtered
    )
    collection.note("recall", report.recall)
    return report


def _queries(records: list[Record], *, seed: int, scale: float) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    queries = []
    for record in records:
        vector = np.asarray(record.vector, dtype=np.float64)
        spread = scale * float(np.abs(vector).mean() or 1.0)
        queries.append((vector + rng.standard_normal(len(vector)) * spread).astype(np.float32))
    return queries


async def _recall_of(
    collection: Collection, query: np.ndarray[Any, Any], *, top_k: int, node: Filter | None, scope: Scope
) -> float:
    exact = await collection.search(vector=query, top_k=top_k, filter=node, exact=True, scope=scope)
    usual = await collection.search(vector=query, top_k=top_k, filter=node, scope=scope)
    return found_share(exact, usual)
