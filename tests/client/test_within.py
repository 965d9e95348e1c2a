"""A collection that is confined to one scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import vpa
from vpa import errors

ACME, OTHER = vpa.Scope("acme", "eu"), vpa.Scope("other")


@pytest.fixture
async def docs() -> AsyncIterator[vpa.Collection]:
    async with vpa.connect("mock://") as manager:
        made = await manager.create_collection("docs", dimension=2)
        for scope in (ACME, OTHER, vpa.Scope()):
            await made.upsert([{"id": "a", "vector": [1, 0], "metadata": {"of": scope.tenant}}], scope=scope)
        yield made


async def test_every_verb_works_in_its_scope(docs: vpa.Collection) -> None:
    acme = docs.within(ACME)
    assert acme.scope == ACME
    assert "acme" in repr(acme)
    await acme.upsert([{"id": "b", "vector": [0, 1], "metadata": {"of": "acme"}}])
    assert [await docs.count(scope=scope) for scope in (ACME, OTHER, vpa.Scope())] == [2, 1, 1]
    assert await acme.count() == 2
    assert await acme.distinct("of") == ["acme"]
    assert await acme.fields() == {"of": {"str": 2}}
    assert await acme.min_max("of") == {"string": ("acme", "acme")}
    assert {match.metadata["of"] for match in await acme.search([1, 0])} == {"acme"}
    assert [len(found) for found in await acme.search_batch([[1, 0]])] == [2]
    assert [record.id async for record in acme.scan()] == ["a", "b"]
    assert [batch.scope async for batch in acme.scan_batches()] == [ACME]
    assert await acme.update_metadata(["a"], set={"of": "changed"}) == 1
    assert await acme.delete(["a"]) == 1
    assert [record.metadata["of"] for record in await docs.get("a", scope=OTHER)] == ["other"]


CALLS: list[Callable[[vpa.Collection, Any], Any]] = [
    lambda docs, scope: docs.upsert([{"id": "x", "vector": [1, 0]}], scope=scope),
    lambda docs, scope: docs.get("a", scope=scope),
    lambda docs, scope: docs.get_one("a", scope=scope),
    lambda docs, scope: docs.count(scope=scope),
    lambda docs, scope: docs.search([1, 0], scope=scope),
    lambda docs, scope: docs.search_batch([[1, 0]], scope=scope),
    lambda docs, scope: docs.delete("a", scope=scope),
    lambda docs, scope: docs.update_metadata("a", set={"x": 1}, scope=scope),
    lambda docs, scope: docs.distinct("of", scope=scope),
    lambda docs, scope: docs.fields(scope=scope),
    lambda docs, scope: docs.min_max("of", scope=scope),
    lambda docs, scope: anext(docs.scan(scope=scope)),
    lambda docs, scope: anext(docs.scan_batches(scope=scope)),
]


@pytest.mark.parametrize("call", CALLS)
async def test_no_verb_leaves_its_scope(docs: vpa.Collection, call: Callable[[vpa.Collection, Any], Any]) -> None:
    acme = docs.within(ACME)
    for scope in (OTHER, vpa.Scope(), vpa.ALL_SCOPES):
        with pytest.raises(errors.InvalidQueryError):
            await call(acme, scope)
    await call(acme, ACME)
    assert await docs.count(scope=OTHER) == 1


async def test_a_confined_collection_is_not_confined_anew_elsewhere(docs: vpa.Collection) -> None:
    acme = docs.within(ACME)
    assert await acme.within(ACME).count() == 1
    with pytest.raises(errors.InvalidQueryError, match="acme"):
        acme.within(OTHER)
    with pytest.raises(errors.InvalidQueryError, match=r"vpa\.Scope"):
        docs.within("acme")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidQueryError):
        docs.within(vpa.ALL_SCOPES)  # type: ignore[arg-type]


async def test_a_scan_stops_at_its_limit(docs: vpa.Collection) -> None:
    await docs.upsert([{"id": f"r{n}", "vector": [1, n]} for n in range(50)])
    assert [record.id async for record in docs.scan(limit=3, batch_size=2)] == ["a", "r0", "r1"]
    assert [record.id async for record in docs.scan(limit=0)] == []
    assert len([record.id async for record in docs.scan(limit=500)]) == 51
    for wrong in (-1, True, 1.5):
        with pytest.raises(errors.InvalidQueryError, match="limit"):
            await anext(docs.scan(limit=wrong))  # type: ignore[arg-type]
