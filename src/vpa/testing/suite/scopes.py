"""Scopes: the same ids in two scopes never meet, whatever is done in one of them."""

from __future__ import annotations

from typing import Any

import pytest

from vpa.base.errors import InvalidQueryError
from vpa.base.records import Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F
from vpa.testing.suite.base import StoreSuite, vector

NONE = Scope()
A = Scope("acme")
B = Scope("acme", "notes")
C = Scope("", "notes")
SCOPES = (NONE, A, B, C)


class ScopeSuite(StoreSuite):
    """Four scopes hold the ids x and y, with `who` saying whose they are."""

    @pytest.fixture
    async def filled(self, docs: Collection) -> Collection:
        """x and y in every scope."""
        for number, scope in enumerate(SCOPES):
            records = [
                Record(name, vector=vector(number * 10 + i), metadata={"who": number}) for i, name in enumerate("xy")
            ]
            await docs.upsert(records, scope=scope)
        return docs

    async def whose(self, docs: Collection) -> dict[Scope, dict[str, Any]]:
        """Everything there is, by scope and id."""
        found: dict[Scope, dict[str, Any]] = {}
        async for batch in docs.scan_batches(scope=ALL_SCOPES):
            assert batch.scope is not None
            for record in batch:
                found.setdefault(batch.scope, {})[record.id] = record.metadata["who"]
        return found

    def untouched(self, *others: Scope) -> dict[Scope, dict[str, Any]]:
        """What every scope but `others` holds."""
        return {scope: {"x": n, "y": n} for n, scope in enumerate(SCOPES) if scope not in others}

    @pytest.mark.parametrize("number", range(4))
    async def test_reads_see_one_scope(self, filled: Collection, number: int) -> None:
        scope = SCOPES[number]
        assert [record.metadata["who"] for record in await filled.get(["x", "y"], scope=scope)] == [number] * 2
        assert await filled.count(scope=scope) == 2
        assert await filled.count(filter=F("who") != number, scope=scope) == 0
        found = await filled.search(vector=vector(0), top_k=100, scope=scope, exact=True)
        assert {match.metadata["who"] for match in found} == {number}
        assert [record.metadata["who"] async for record in filled.scan(scope=scope)] == [number] * 2
        assert await filled.distinct("who", scope=scope) == [number]
        [batch] = await filled.search_batch(vectors=[vector(0)], top_k=100, scope=scope)
        assert {match.metadata["who"] for match in batch} == {number}

    @pytest.mark.parametrize("scope", SCOPES)
    async def test_a_delete_stays_in_its_scope(self, filled: Collection, scope: Scope) -> None:
        assert await filled.delete(ids=["x", "y"], scope=scope) == 2
        assert await self.whose(filled) == self.untouched(scope)

    @pytest.mark.parametrize("scope", SCOPES)
    async def test_a_delete_of_all_stays_in_its_scope(self, filled: Collection, scope: Scope) -> None:
        assert await filled.delete(filter={}, allow_all=True, scope=scope) == 2
        assert await self.whose(filled) == self.untouched(scope)

    @pytest.mark.parametrize("scope", SCOPES)
    async def test_an_update_stays_in_its_scope(self, filled: Collection, scope: Scope) -> None:
        assert await filled.update_metadata(filter={}, set={"who": "changed"}, allow_all=True, scope=scope) == 2
        found = await self.whose(filled)
        assert found.pop(scope) == {"x": "changed", "y": "changed"}
        assert found == self.untouched(scope)

    @pytest.mark.parametrize("scope", SCOPES)
    async def test_an_upsert_stays_in_its_scope(self, filled: Collection, scope: Scope) -> None:
        await filled.upsert([Record("x", vector=vector(5), metadata={"who": "new"})], scope=scope)
        found = await self.whose(filled)
        assert found.pop(scope)["x"] == "new"
        assert found == self.untouched(scope)

    async def test_replacing_stays_in_its_scope(self, filled: Collection) -> None:
        await filled.upsert([Record("z", vector=vector(5), metadata={"who": "new"})], replacing=F("who") >= 0, scope=B)
        found = await self.whose(filled)
        assert found.pop(B) == {"z": "new"}
        assert found == self.untouched(B)

    async def test_conflicts_are_within_a_scope(self, docs: Collection) -> None:
        await docs.upsert([Record("x", vector=vector(1))], scope=A)
        assert await docs.upsert([Record("x", vector=vector(1))], scope=B, on_conflict="error") == 1
        assert await docs.upsert([Record("x", vector=vector(1))], scope=A, on_conflict="skip") == 0

    async def test_dropping_removes_every_scope(self, db: VectorDatabaseManager, filled: Collection) -> None:
        await db.drop_collection(filled.name)
        again = await db.create_collection(filled.name, dimension=filled.info.dimension)
        assert await self.whose(again) == {}

    async def test_an_unknown_scope_is_empty(self, filled: Collection) -> None:
        scope = Scope("nobody", "here")
        assert await filled.count(scope=scope) == 0
        assert list(await filled.search(vector=vector(1), scope=scope)) == []
        assert await filled.get(["x"], scope=scope) == []
        assert await filled.delete(ids=["x"], scope=scope) == 0

    async def test_names_do_not_run_together(self, docs: Collection) -> None:
        pairs = [
            Scope("a", "b.c"),
            Scope("a.b", "c"),
            Scope("a-b", "c"),
            Scope("ab", "c"),
            Scope("a", "bc"),
            Scope("a_b", "c"),
        ]
        for number, scope in enumerate(pairs):
            await docs.upsert([Record("x", vector=vector(number), metadata={"n": number})], scope=scope)
        for number, scope in enumerate(pairs):
            assert [record.metadata async for record in docs.scan(scope=scope)] == [{"n": number}]

    @pytest.mark.parametrize("bad", ["a b", "a/b", "ä", "x" * 65, "a\n", None, 1])
    async def test_other_characters_are_refused(self, docs: Collection, bad: Any) -> None:
        with pytest.raises(InvalidQueryError):
            await docs.count(scope=Scope(bad))

    @pytest.mark.parametrize("verb", ["count", "get", "delete", "search", "upsert", "update_metadata"])
    async def test_only_scan_takes_all_scopes(self, filled: Collection, verb: str) -> None:
        known: dict[str, dict[str, Any]] = {
            "get": {"ids": ["x"]},
            "delete": {"ids": ["x"]},
            "search": {"vector": vector(1)},
            "upsert": {"records": [Record("x", vector=vector(1))]},
            "update_metadata": {"ids": ["x"], "set": {"a": 1}},
        }
        with pytest.raises(InvalidQueryError, match="scope"):
            await getattr(filled, verb)(scope=ALL_SCOPES, **known.get(verb, {}))
        assert await self.whose(filled) == self.untouched()
