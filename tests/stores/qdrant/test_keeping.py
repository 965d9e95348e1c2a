"""Order of keys and last bits of numbers come back, and cost no second copy of a record's text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import RunningStores
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.layout.payload import decode
from vpa.stores.layout.rows import Row, encode
from vpa.stores.qdrant.fields import payload_of
from vpa.stores.qdrant.keeping import EXACT, INNER, read

TEXT = "a text that is long " * 100
NESTED = {"z": {"b": 1, "a": {"y": "", "x": [2]}}, "a": {"k": 1.5, "l": 2}, "m": 1}
KEYS = st.text("ab.z_", min_size=1, max_size=2)
VALUES = st.recursive(st.integers(0, 9) | st.just("x"), lambda inner: st.dictionaries(KEYS, inner, max_size=4))


def row_of(metadata: dict[str, Any]) -> Row:
    return encode(
        RecordBatch(ids=["a"], vectors=None, texts=[TEXT], metadata=[metadata]), scope=Scope(), indexed=False
    ).rows[0]


def through_grpc(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: through_grpc(value[key]) for key in sorted(value)}
    return [through_grpc(one) for one in value] if isinstance(value, list) else value


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_the_order_of_inner_keys_comes_back(metadata: dict[str, Any]) -> None:
    row = row_of(metadata)
    payload = payload_of(row, Scope())
    assert EXACT not in payload
    found = decode(read(through_grpc(payload)), key=row.key).record
    assert (found.text, found.metadata) == (TEXT, metadata)
    for name, value in metadata.items():
        assert json.dumps(found.metadata[name]) == json.dumps(value)
    if INNER in payload:
        assert json.dumps(found.metadata) == json.dumps(metadata)


@pytest.mark.parametrize("metadata", [NESTED, {"n": 1.3886418537998319e-08, **NESTED}])
def test_no_second_copy_of_the_text_is_stored(metadata: dict[str, Any]) -> None:
    payload = payload_of(row_of(metadata), Scope())
    beside = {name: value for name, value in payload.items() if name not in ("text", "_vpa")}
    assert len(json.dumps(beside)) < 2 * len(json.dumps(metadata)) + 150


@pytest.mark.parametrize(
    "order",
    [
        "",
        "{",
        "[1]",
        '[[["z"],[0,0]]]',
        '[[["z"],[0]]]',
        '[[["gone","z"],[1,0]]]',
        '[[[1],["x"]]]',
        "null",
        '[[["z"],[0,"a"]]]',
        "[[[[]],[0,[]]]]",
        7,
    ],
)
def test_what_others_changed_is_read_in_any_order(order: object) -> None:
    row = row_of(NESTED)
    payload = through_grpc({**payload_of(row, Scope()), INNER: order})
    assert decode(read(payload), key=row.key).record.metadata == NESTED


@pytest.mark.parametrize("name", ["qdrant engine", "qdrant engine over REST", "qdrant local mode"])
async def test_both_come_back_from_the_store(stores: RunningStores, name: str) -> None:
    async with VectorDatabaseManager(stores.config(name)) as db:
        docs = await db.create_collection("keeping", dimension=2)
        given = [NESTED, {"n": 1.3886418537998319e-08, **NESTED}]
        await docs.upsert([Record(f"r{n}", vector=[1, n], text=TEXT, metadata=one) for n, one in enumerate(given)])
        for metadata, found in zip(given, await docs.get(["r0", "r1"]), strict=True):
            assert found.text == TEXT
            assert json.dumps(found.metadata) == json.dumps(metadata)
        await docs.update_metadata(ids=["r0"], set={"z": {"c": 1, "b": 2}}, remove=["a", "m"])
        assert json.dumps((await docs.get(["r0"]))[0].metadata) == json.dumps({"z": {"c": 1, "b": 2}})
        await db.drop_collection("keeping")
