"""Pages by intervals: in order, complete, and the first one reads about as much as any other, however many records
there are.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import pytest

from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow
from vpa.stores.layout.keyspace import IntervalPages, key_number
from vpa.stores.layout.tokens import record_key


class Sorted:
    """A store that reads a whole interval to answer; without bounds it returns any records at once."""

    def __init__(self, scopes: Sequence[Scope], each: int) -> None:
        self.keys = sorted(record_key(scope, f"r{n}") for scope in scopes for n in range(each))
        self._numbers = [key_number(key) for key in self.keys]
        self.read = self.requests = 0

    async def fetch(self, low: int | None, high: int | None, most: int) -> list[StoredRow]:
        start = 0 if low is None else bisect.bisect_left(self._numbers, low)
        end = len(self.keys) if high is None else bisect.bisect_right(self._numbers, high)
        self.requests += 1
        self.read += min(most, end - start) if end - start == len(self.keys) else end - start
        # In no order: from the middle on.
        found = self.keys[start:end]
        middle = len(found) // 2
        return [StoredRow(key) for key in (found[middle:] + found[:middle])[:most]]

    async def total(self) -> int:
        return len(self.keys)


async def pages(store: Sorted, scope: Scope | None, limit: int) -> list[list[str]]:
    intervals, after, result = IntervalPages(), "", []
    while page := await intervals.page("s", store.fetch, scope=scope, after=after, limit=limit, total=store.total):
        result.append([row.key for row in page])
        after = page[-1].key
    return result


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("scopes", [1, 2, 9])
@pytest.mark.parametrize("each", [0, 1, 50, 400])
async def test_every_record_comes_once_in_order(scopes: int, each: int, limit: int) -> None:
    names = [Scope("t", f"n{n}") for n in range(scopes)]
    store = Sorted(names, each)
    assert [key for page in await pages(store, None, limit) for key in page] == store.keys
    one = [record_key(names[0], f"r{n}") for n in range(each)]
    assert [key for page in await pages(store, names[0], limit) for key in page] == sorted(one)


@pytest.mark.parametrize("scopes", [1, 5])
@pytest.mark.parametrize("all_scopes", [False, True])
async def test_the_first_page_reads_as_much_of_many_as_of_few(scopes: int, all_scopes: bool) -> None:
    names = [Scope("t", f"n{n}") for n in range(scopes)]
    reads = []
    for each in (2_000, 20_000):
        store = Sorted(names, each)
        scope = None if all_scopes else names[0]
        await IntervalPages().page("s", store.fetch, scope=scope, after="", limit=100, total=store.total)
        reads.append(store.read)
        assert store.requests < 20
    # Of several scopes, the first is found through records of others.
    assert max(reads) < 1_000 if scopes == 1 or not all_scopes else reads[1] < 20_000 * scopes
