"""Options of a store, tried on it: a collection is made, its settings read, ten records found as exactly as without."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from vpa.base.errors import ConfigurationError
from vpa.base.records import Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager

DIMENSION = 32
OTHER = Scope("acme", "docs")


def vectors(count: int, *, seed: int = 14) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


async def fill(docs: Collection, rows: np.ndarray, *, scope: Scope = Scope()) -> None:
    await docs.upsert(
        [Record(f"r{n}", vector=row, metadata={"even": n % 2 == 0}) for n, row in enumerate(rows)], scope=scope
    )


def distances(rows: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    """Of each row from the query, as SEMANTICS defines them."""
    left, right = rows.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        return np.sqrt(((left - right) ** 2).sum(axis=1))
    if metric == "dot":
        return -(left @ right)
    return 1 - left @ right / (np.linalg.norm(left, axis=1) * np.linalg.norm(right))


async def check_answers(
    docs: Collection, rows: np.ndarray, *, exact: bool, scope: Scope = Scope(), may_miss: bool = False
) -> None:
    """Ten records, the exact ones in the exact order with the exact scores, with a filter and without.

    `may_miss`: an index that is built with random numbers leaves out a record or two, once in thousands of collections.
    """
    query = vectors(1, seed=15)[0]
    expected = distances(rows, query, docs.info.metric)
    for filter, chosen in ((None, np.arange(len(rows))), ({"even": True}, np.arange(0, len(rows), 2))):
        best = chosen[np.argsort(expected[chosen], kind="stable")][:11]
        answer = await docs.search(vector=query, top_k=10, filter=filter, exact=exact, scope=scope)
        missed = sorted({f"r{n}" for n in best[:10]} - set(answer.ids))[:2] if may_miss and not exact else []
        best = [n for n in best if f"r{n}" not in missed][:10]
        expected_ids = [f"r{n}" for n in best]
        assert answer.ids == expected_ids, (filter, scope, exact, answer.exact, missed, expected_ids)
        assert [match.distance for match in answer] == pytest.approx([expected[n] for n in best], abs=1e-4)
        assert answer.exact or not exact


async def settings_of(db: VectorDatabaseManager, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await db.get_statistics())["collections"][name]["settings"]
    return found


async def check_options(
    db: VectorDatabaseManager,
    options: Mapping[str, Any],
    *,
    settings: Mapping[str, Any],
    metric: str = "cosine",
    count: int = 60,
    may_miss: bool = False,
) -> None:
    """Made as asked, said so, and searched in two scopes with the answers that exact arithmetic gives."""
    name, rows, others = "with-options", vectors(count), vectors(count, seed=16)
    docs = await db.create_collection(name, dimension=DIMENSION, metric=metric, store_options=options)
    try:
        assert docs.info.store_options == {"provider": str(db.config.provider), **options}
        reported = await settings_of(db, name)
        assert {key: reported.get(key) for key in settings} == dict(settings)
        await fill(docs, rows)
        await check_answers(docs, rows, exact=True)
        await check_answers(docs, rows, exact=False, may_miss=may_miss)
        await fill(docs, others, scope=OTHER)
        await docs.optimize()
        for scope, own in ((Scope(), rows), (OTHER, others)):
            await check_answers(docs, own, exact=True, scope=scope)
            await check_answers(docs, own, exact=False, scope=scope, may_miss=may_miss)
            assert await docs.count(scope=scope) == count
        scanned = [record.id async for record in docs.scan(scope=ALL_SCOPES)]
        assert sorted(scanned) == sorted(2 * [f"r{n}" for n in range(count)])
        assert await docs.delete(ids=["r0", "r1"], scope=OTHER) == 2
        assert len(await docs.get(["r0", "r1"])) == 2
        # Another manager finds the collection with its options.
        async with VectorDatabaseManager(dataclasses.replace(db.config)) as second:
            again = await second.create_collection(
                name, dimension=DIMENSION, metric=metric, store_options=options, exist_ok=True
            )
            await check_answers(again, rows, exact=True)
    finally:
        await db.drop_collection(name)


async def check_refused(
    db: VectorDatabaseManager, options: Mapping[str, Any], *, message: str, dimension: int = DIMENSION
) -> None:
    """Refused at creation, with what is allowed; nothing is left."""
    before = await db.list_collections()
    with pytest.raises(ConfigurationError, match=message):
        await db.create_collection("refused", dimension=dimension, store_options=options)
    assert await db.list_collections() == before
    again = await db.create_collection("refused", dimension=dimension)
    assert again.info.store_options == {}
    await db.drop_collection("refused")
