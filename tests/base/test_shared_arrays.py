"""What a caller gives is taken as it is then: its arrays may be filled anew for the next batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa

COLUMNS: dict[str, Any] = {
    "integers": np.full(3000, 2020, dtype=np.int64),
    "floats": np.full(3000, 2020.5),
    "booleans": np.ones(3000, dtype=np.bool_),
    "small integers": np.full(3000, 20, dtype=np.int16),
    "masked": np.ma.array(np.full(3000, 2020, dtype=np.int64), mask=np.arange(3000) % 2 == 0),
}


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("kind", COLUMNS)
async def test_columns_are_copied(tmp_path: Path, kind: str, durable: bool) -> None:
    values = COLUMNS[kind].copy()
    first = values[1].item()
    expected = 3000 if kind != "masked" else 1500
    place = f"mock://{tmp_path}" if durable else "mock://"
    async with vpa.connect(place) as db:
        docs = await db.create_collection("docs", dimension=2)
        batch = vpa.RecordBatch.from_columns(
            ids=[str(n) for n in range(3000)],
            vectors=np.random.default_rng(0).standard_normal((3000, 2)),
            metadata={"v": values},
        )
        values[:] = 0
        await docs.upsert(batch)
        values[:] = 1 if kind != "booleans" else 0
        assert await docs.count(filter={"v": first}) == expected
        assert await docs.delete(filter={"v": 0}) == 0
        await docs.optimize()
        assert await docs.count(filter={"v": first}) == expected
    if durable:
        async with vpa.connect(place) as db:
            assert await (await db.collection("docs")).count(filter={"v": first}) == expected


async def test_masked_values_are_no_numbers_of_a_vector() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        masked = np.ma.array([1.0, 2.0], mask=[True, False])
        with pytest.raises(vpa.errors.InvalidRecordError, match="masked values"):
            await docs.upsert([vpa.Record("a", vector=masked)])
        with pytest.raises(vpa.errors.InvalidQueryError, match="masked values"):
            await docs.search(vector=masked)
        assert await docs.upsert([vpa.Record("a", vector=np.ma.array([1.0, 2.0]))]) == 1
        with pytest.raises(vpa.errors.InvalidQueryError, match="cursor is that of an earlier batch"):
            [batch async for batch in docs.scan_batches(cursor=5)]  # type: ignore[arg-type]
        with pytest.raises(vpa.errors.InvalidRecordError, match="not a mapping"):
            await docs.delete(ids={"a": 1})
        with pytest.raises(vpa.errors.ConfigurationError, match="native_fields is a list"):
            await db.create_collection("more", dimension=2, native_fields="abc")
