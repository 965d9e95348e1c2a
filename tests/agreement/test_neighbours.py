"""A literal of few digits beside stored numbers that differ from it in the last bit."""

from __future__ import annotations

import math

import pytest

from deployments import STORES, RunningStores
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F

LITERALS = (91.59448117, 9.745, 0.90420177085, 0.0003778048, -3.1, 4_503_599_627_370_495.5, 393_138_036_105_645.5)


@pytest.mark.parametrize("form", STORES)
async def test_numbers_next_to_a_literal(stores: RunningStores, form: str) -> None:
    values = {}
    for n, literal in enumerate(LITERALS):
        values |= {f"same-{n}": literal, f"over-{n}": math.nextafter(literal, math.inf)}
        values |= {f"under-{n}": math.nextafter(literal, -math.inf)}
    async with VectorDatabaseManager(stores.config(form)) as db:
        docs = await db.create_collection("neighbours", dimension=3)
        try:
            written = [
                Record(key, vector=[1, n, 2], metadata={"x": value}) for n, (key, value) in enumerate(values.items())
            ]
            await docs.upsert(written)
            for literal in LITERALS:
                for node, holds in (
                    (F("x") == literal, lambda value, given: value == given),
                    (F("x") > literal, lambda value, given: value > given),
                    (F("x") >= literal, lambda value, given: value >= given),
                    (F("x") < literal, lambda value, given: value < given),
                    (F("x") <= literal, lambda value, given: value <= given),
                ):
                    wanted = {key for key, value in values.items() if holds(value, literal)}
                    assert {one.id async for one in docs.scan(filter=node)} == wanted, (node, literal)
                    assert await docs.count(filter=node) == len(wanted)
            assert {
                key: one.metadata["x"] for key, one in zip(values, await docs.get(list(values)), strict=True)
            } == values
            for literal in LITERALS:
                assert await docs.delete(filter=F("x") == literal) == 1
        finally:
            await db.drop_collection("neighbours")
