"""Scans: every match once, in batches, with cursors that outlive the iterator, while others write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vpa.base.errors import InvalidQueryError
from vpa.base.records import Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.collection import Collection
from vpa.filters import F
from vpa.testing.suite.base import StoreSuite, vector

COUNT = 57
NAMES = [f"r{n:03d}" for n in range(COUNT)]


class ScanSuite(StoreSuite):
    """57 records, in odd order."""

    @pytest.fixture
    async def filled(self, docs: Collection) -> Collection:
        """Written in another order than that of the ids."""
        order = np.random.default_rng(1).permutation(COUNT)
        await docs.upsert(
            [Record(NAMES[n], vector=vector(int(n)), text=f"t{n}", metadata={"n": int(n)}) for n in order]
        )
        return docs

    @pytest.mark.parametrize("batch_size", [1, 7, 56, 57, 58, 1000])
    async def test_every_record_comes_once(self, filled: Collection, batch_size: int) -> None:
        found = [record.id async for record in filled.scan(batch_size=batch_size)]
        assert sorted(found) == NAMES

    async def test_two_scans_have_the_same_order(self, filled: Collection) -> None:
        first = [record.id async for record in filled.scan(batch_size=5)]
        assert first == [record.id async for record in filled.scan(batch_size=9)]

    async def test_batches_are_columns(self, filled: Collection) -> None:
        async for batch in filled.scan_batches(batch_size=10):
            assert 0 < len(batch) <= 10
            assert batch.vectors is not None
            assert batch.vectors.shape == (len(batch), 8)
            assert batch.vectors.dtype == np.float32
            assert batch.scope == Scope()
            assert isinstance(batch.cursor, str)

    @pytest.mark.parametrize("stop_after", [1, 3, 5])
    async def test_a_cursor_goes_on_where_a_scan_stopped(self, filled: Collection, stop_after: int) -> None:
        seen: list[str] = []
        cursor: str | None = None
        async for batch in filled.scan_batches(batch_size=10):
            seen.extend(batch.ids)
            cursor = batch.cursor
            stop_after -= 1
            if not stop_after:
                break
        rest = [name async for batch in filled.scan_batches(batch_size=10, cursor=cursor) for name in batch.ids]
        assert sorted(seen + rest) == NAMES

    async def test_a_cursor_works_over_all_scopes(self, filled: Collection) -> None:
        await filled.upsert([Record("x", vector=vector(1), metadata={"n": 0})], scope=Scope("t"))
        seen: list[tuple[Any, str]] = []
        cursor: str | None = None
        while True:
            batch = await anext(aiter(filled.scan_batches(batch_size=13, cursor=cursor, scope=ALL_SCOPES)), None)
            if batch is None:
                break
            seen += [(batch.scope, name) for name in batch.ids]
            cursor = batch.cursor
        assert len(seen) == len(set(seen)) == COUNT + 1

    async def test_a_filter_narrows_a_scan(self, filled: Collection) -> None:
        found = {record.metadata["n"] async for record in filled.scan(filter=F("n") >= 50, batch_size=3)}
        assert found == set(range(50, COUNT))

    async def test_deleting_inside_the_loop_is_safe(self, filled: Collection) -> None:
        found = []
        async for record in filled.scan(batch_size=4):
            found.append(record.id)
            await filled.delete(ids=[record.id])
        assert sorted(found) == NAMES
        assert await filled.count() == 0

    async def test_writing_inside_the_loop_leaves_the_rest_exact(self, filled: Collection) -> None:
        found = []
        async for record in filled.scan(batch_size=4):
            found.append(record.id)
            await filled.upsert([Record(f"new-{len(found)}", vector=vector(1), metadata={})])
            await filled.update_metadata(ids=[record.id], set={"seen": True})
            if len(found) > 3 * COUNT:
                break
        old = [name for name in found if name in NAMES]
        assert sorted(old) == NAMES

    async def test_vectors_are_left_out_when_asked(self, filled: Collection) -> None:
        assert [record.vector async for record in filled.scan(include_vectors=False)] == [None] * COUNT

    async def test_an_empty_collection_yields_nothing(self, docs: Collection) -> None:
        assert [record async for record in docs.scan()] == []
        assert [batch async for batch in docs.scan_batches(scope=ALL_SCOPES)] == []

    @pytest.mark.parametrize("batch_size", [0, -1, 2.5, None, 100_001])
    async def test_an_impossible_batch_size_is_refused(self, docs: Collection, batch_size: Any) -> None:
        with pytest.raises(InvalidQueryError, match="batch_size"):
            [batch async for batch in docs.scan_batches(batch_size=batch_size)]

    @pytest.mark.parametrize("cursor", ["nonsense", "e30=", "", "W10="])
    async def test_a_foreign_cursor_is_refused(self, filled: Collection, cursor: str) -> None:
        with pytest.raises(InvalidQueryError, match="cursor"):
            [batch async for batch in filled.scan_batches(cursor=cursor)]
