"""REST and gRPC write and read the same, bit for bit, and refuse alike."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.http import models

from vpa import F, Record, Scope
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import Filter, normal, split
from vpa.filters.ast import NEVER, Not, StartsWith
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout.driver import Where
from vpa.stores.qdrant import filters, messages
from vpa.stores.qdrant.errors import MissingIndexError, translate
from vpa.stores.qdrant.points import Depth, Selection
from vpa.testing import strategies
from wire.qdrant_grpc import qdrant_servers

PROTOCOLS = ("on", "off")
WAYS = list(itertools.product(PROTOCOLS, PROTOCOLS))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, int]]:
    with qdrant_servers(tmp_path, key="secret") as found:
        yield found


def manager(server: tuple[str, int], mode: str, key: str = "secret", **changes: Any) -> VectorDatabaseManager:
    options = MappingProxyType({"grpc": mode, "grpc_port": str(server[1])})
    config = VectorDatabaseConfig(
        provider="qdrant", url=server[0], api_key=key, **{"max_retries": 0, "options": options, **changes}
    )
    return VectorDatabaseManager(config)


METADATA: dict[str, dict[str, Any]] = {
    "integers": {"zero": 0, "small": -1, "2**53": 2**53 + 1, "most": 2**63 - 1, "least": -(2**63)},
    "floats": {"whole": 2.0, "minus zero": -0.0, "tenth": 0.1, "third": 1 / 3, "least": 5e-324, "most": 1.7e308},
    "integer and float of one value": {"i": 3, "f": 3.0},
    "null": {"n": None, "in a list": [None, 1, None]},
    "booleans": {"t": True, "f": False, "list": [True, False]},
    "empty": {"object": {}, "list": [], "text": "", "inner": {"object": {}, "list": []}},
    "keys out of order": {"z": {"c": "", "a": {"y": 1, "x": 2}}},
    "nested": {"a": {"b": {"c": [1, 2.5], "d": {"e": None}}}},
    "long text": {"v": "ä€𝄞 " * 50_000},
    "names": {"a[]": 3, "Ω": 4, "a b": 5},
}


@pytest.mark.parametrize("case", METADATA)
@pytest.mark.parametrize(("writes", "reads"), WAYS)
async def test_a_record_comes_back_as_it_was(server: tuple[str, int], writes: str, reads: str, case: str) -> None:
    record = Record("a", vector=[1 / 3, -2 / 7, 1e-7], text="text", metadata=METADATA[case])
    async with manager(server, writes) as db, manager(server, reads) as other:
        made = await db.create_collection("docs", dimension=3, metric="euclidean")
        await made.upsert([record])
        docs = await other.collection("docs")
        [got] = await docs.get(["a"])
        [match] = await docs.search(vector=[0, 0, 0], include_vectors=True)
        [scanned] = [one async for one in docs.scan()]
        for found in (got, match, scanned):
            assert _sorted(found.metadata) == _sorted(METADATA[case])
            assert found.vector.tobytes() == np.asarray(record.vector, np.float32).tobytes()


def _sorted(metadata: Any) -> str:
    """With types, but not the order of keys."""
    if isinstance(metadata, dict):
        return "{" + ", ".join(f"{key!r}: {_sorted(metadata[key])}" for key in sorted(metadata)) + "}"
    return "[" + ", ".join(map(_sorted, metadata)) + "]" if isinstance(metadata, list) else repr(metadata)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
async def test_scores_and_vectors_are_the_same_bits(server: tuple[str, int], metric: str) -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((200, 24)).astype(np.float32)
    async with manager(server, "on") as by_grpc, manager(server, "off") as by_rest:
        docs = await by_grpc.create_collection("docs", dimension=24, metric=metric)
        await docs.upsert([Record(f"r{n}", vector=vector) for n, vector in enumerate(vectors[:100])])
        others = await by_rest.collection("docs")
        await others.upsert([Record(f"r{n + 100}", vector=vector) for n, vector in enumerate(vectors[100:])])
        for exact, query in itertools.product((True, False), random.standard_normal((10, 24))):
            asked: dict[str, Any] = {"vector": query, "top_k": 200, "exact": exact, "include_vectors": True}
            left, right = await docs.search(**asked), await others.search(**asked)
            assert [(m.id, m.score.hex(), m.distance.hex()) for m in left] == [
                (m.id, m.score.hex(), m.distance.hex()) for m in right
            ]
            assert [m.vector.tobytes() for m in left] == [m.vector.tobytes() for m in right]


@pytest.mark.parametrize(("writes", "reads"), WAYS)
async def test_a_number_equals_itself(server: tuple[str, int], writes: str, reads: str) -> None:
    """Also where the engine reads another last bit, because the index is made after the records were written."""
    chance = random.Random(3)
    numbers = [chance.uniform(-1, 1) * 10.0 ** chance.randint(-20, 20) for _ in range(60)]
    numbers += [1234567890123456, 123456789012345, 1 / 3, 0.1, 5e-324, 1e22]
    async with manager(server, writes) as db, manager(server, reads) as other:
        made = await db.create_collection("docs", dimension=2)
        await made.upsert([Record(f"r{n}", vector=[1, n], metadata={"n": x}) for n, x in enumerate(numbers)])
        docs = await other.collection("docs")
        for position, number in enumerate(numbers):
            assert (await docs.search(vector=[1, 0], filter=F("n") == number, top_k=5)).ids == [f"r{position}"]
            for chosen, holds in (
                (F("n") >= number, lambda x, y: x >= y),
                (F("n") > number, lambda x, y: x > y),
                (F("n") <= number, lambda x, y: x <= y),
                (F("n") < number, lambda x, y: x < y),
            ):
                assert await docs.count(filter=chosen) == sum(holds(x, number) for x in numbers)


async def test_foreign_points_read_the_same(server: tuple[str, int]) -> None:
    url, _ = server
    payload = {"text": "hello", "n": 2**60, "f": 2.0, "list": ["a", "b"], "none": None, "in": {"x": 1}}
    async with httpx.AsyncClient(base_url=url, headers={"api-key": "secret"}) as client:
        await client.put("/collections/theirs", json={"vectors": {"size": 2, "distance": "Cosine"}})
        ids = [7, 12, 2**63, "00000000-0000-8000-8000-000000000001"]
        points = [{"id": name, "vector": [1, n], "payload": payload} for n, name in enumerate(ids)]
        await client.put("/collections/theirs/points", json={"points": points})
    seen = []
    for mode in PROTOCOLS:
        async with manager(server, mode) as db:
            docs = await db.collection("theirs")
            records = [record async for record in docs.scan()] + await docs.get([str(name) for name in ids])
            matches = await docs.search(vector=[1, 0])
            seen.append(
                [
                    [(r.id, r.text, _sorted(r.metadata), r.vector.tobytes()) for r in records],
                    [(m.id, m.score.hex(), m.text, _sorted(m.metadata)) for m in matches],
                ]
            )
    assert seen[0] == seen[1]
    assert [one[0] for one in seen[0][0]] == [str(name) for name in ids] * 2


def supports(leaf: Filter) -> bool:
    """What the driver says."""
    return not isinstance(leaf.part if isinstance(leaf, Not) else leaf, StartsWith)


@given(strategies.filters)
def test_a_filter_is_the_same_condition(pair: strategies.Pair) -> None:
    node = split(normal(pair.json), supports).native
    for scope in (None, Scope(), Scope("t", "n")):
        if node is NEVER:
            return
        spelled = filters.spell(Where(scope, node))
        if spelled is None:
            assert messages.filter_of(spelled) is None
            continue
        theirs = RestToGrpc.convert_filter(models.Filter.model_validate(spelled))
        assert messages.filter_of(spelled) == theirs
        assert RestToGrpc.convert_filter(GrpcToRest.convert_filter(theirs)) == theirs


@given(st.integers(1, 2000), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_an_upsert_is_what_the_client_would_send(dimension: int, count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    ids = [f"00000000-0000-8000-8000-{n:012}" for n in range(count)]
    payloads = [{"id": "x", "n": n, "text": "y" * (n * 200)} for n in range(count)]
    points = [
        models.PointStruct(id=name, vector=vector.tolist(), payload=payload)
        for name, vector, payload in zip(ids, vectors, payloads, strict=True)
    ]
    theirs = messages.messages.UpsertPoints(
        collection_name="docs", wait=True, points=[RestToGrpc.convert_point_struct(point) for point in points]
    )
    ours = messages.messages.UpsertPoints.FromString(messages.upsert("docs", ids, vectors=vectors, payloads=payloads))
    assert ours == theirs


@pytest.mark.parametrize("exact", [True, False])
def test_a_query_is_what_the_client_would_send(exact: bool) -> None:
    query = np.arange(5, dtype=np.float32) / 7
    chosen = filters.spell(Where(Scope("t")))
    selection = Selection(vectors=True)
    ours = messages.messages.QueryPoints.FromString(
        messages.query("docs", query, chosen, limit=300, depth=Depth(exact, 300), selection=selection)
    )
    theirs = messages.messages.QueryPoints(
        collection_name="docs",
        query=RestToGrpc.convert_query(models.NearestQuery(nearest=query.tolist())),
        filter=messages.filter_of(chosen),
        params={"exact": True} if exact else {"hnsw_ef": 300},
        limit=300,
        with_payload=messages.payload_selector(selection),
        with_vectors={"enable": True},
    )
    assert ours == theirs


async def test_a_record_larger_than_a_message_of_grpc_usually_is(server: tuple[str, int]) -> None:
    text = "long text " * 600_000
    async with manager(server, "on") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], text=text)])
        assert (await docs.search(vector=[1, 0]))[0].text == text


async def test_a_key_that_may_only_read_is_refused_alike(server: tuple[str, int]) -> None:
    async with manager(server, "on") as db, manager(server, "on", "reader") as reader:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], metadata={"n": 1})])
        theirs = await reader.collection("docs")
        assert (await theirs.search(vector=[1, 0])).ids == ["a"]
        with pytest.raises(errors.PermissionDeniedError, match="may write"):
            await theirs.upsert([Record("b", vector=[1, 0])])
        with pytest.raises(MissingIndexError, match="strict mode"):
            await theirs.count(filter=F("n") == 1)


REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.ProviderError,
    grpc.StatusCode.UNAUTHENTICATED: errors.AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDeniedError,
    grpc.StatusCode.NOT_FOUND: errors.CollectionNotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.CollectionExistsError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RateLimitedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.OperationTimeoutError,
    grpc.StatusCode.UNAVAILABLE: errors.ConnectionFailedError,
    grpc.StatusCode.CANCELLED: errors.ConnectionFailedError,
    grpc.StatusCode.INTERNAL: errors.ServiceUnavailableError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.ProviderError,
}


def refusal(code: grpc.StatusCode, text: str, *trailing: tuple[str, str]) -> errors.VectorDatabaseError:
    metadata = grpc.aio.Metadata(*trailing)
    found = translate(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, details=text))
    assert found is not None
    return found


@pytest.mark.parametrize("code", REFUSALS)
def test_a_code_is_an_error_of_ours(code: grpc.StatusCode) -> None:
    found = refusal(code, "said the server")
    assert type(found) is REFUSALS[code]
    assert "said the server" in found.message or "API key" in found.message


def test_a_busy_server_says_how_long() -> None:
    found = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "rate limit", ("retry-after", "3"))
    assert isinstance(found, errors.RateLimitedError)
    assert found.retry_after == 3.0


def test_a_message_that_is_too_large_is_no_rate_limit() -> None:
    asked = refusal(grpc.StatusCode.OUT_OF_RANGE, "Error, decoded message length too large: found 9 bytes")
    assert isinstance(asked, errors.InvalidRecordError)
    answered = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT: Received message larger than max (9 vs. 4)")
    assert type(answered) is errors.ProviderError
