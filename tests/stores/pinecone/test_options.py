"""Store options on the double of Pinecone, with the real client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pinecone import AsyncPinecone

from deployments import RunningStores
from stores.option_cases import check_options, check_refused, settings_of
from vpa.base.errors import ConfigurationError, PermissionDeniedError
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from wire import pinecone_server

DEFAULT = {
    "cloud": "aws",
    "region": "us-east-1",
    "deletion_protection": "disabled",
    "read_capacity": "on demand",
    "read_node_type": None,
}


@pytest.fixture
async def db(stores: RunningStores) -> AsyncIterator[VectorDatabaseManager]:
    async with VectorDatabaseManager(stores.config("pinecone, missing fields match nothing")) as manager:
        yield manager


@contextmanager
def behaving(**behaviour: str) -> Iterator[VectorDatabaseConfig]:
    with pinecone_server.pinecone_server(behaviour=pinecone_server.Behaviour(**behaviour)) as (url, _):
        yield VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")


def name_of(value: Any) -> str:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize(
    "options",
    [
        {"cloud": "gcp", "region": "us-central1"},
        {"region": "us-west-2", "deletion_protection": "disabled"},
        {"read_node_type": "b1"},
        {"read_node_type": "t1", "read_replicas": 2, "read_shards": 3},
    ],
    ids=name_of,
)
async def test_options_are_taken_and_searches_mean_the_same(db: VectorDatabaseManager, options: dict[str, Any]) -> None:
    dedicated = {"read_capacity": "dedicated", "read_replicas": 1, "read_shards": 1}
    settings = DEFAULT | (dedicated if "read_node_type" in options else {}) | options
    await check_options(db, options, settings=settings)


async def test_an_index_under_protection_is_not_dropped(db: VectorDatabaseManager) -> None:
    await db.create_collection("kept", dimension=2, store_options={"deletion_protection": "enabled"})
    with pytest.raises(PermissionDeniedError, match="Deletion protection is enabled"):
        await db.drop_collection("kept")
    assert (await settings_of(db, "kept"))["deletion_protection"] == "enabled"
    async with AsyncPinecone("secret", host=db.config.url) as client:
        await client.indexes.configure("kept", deletion_protection="disabled")
    await db.drop_collection("kept")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "mars-1"}, r"region='mars-1': .*cloud: aws region: mars-1 not found"),
        ({"read_node_type": "x9"}, "'read_node_type' of pinecone is one of b1, t1, not 'x9'"),
        ({"read_replicas": 2}, "'read_replicas' of pinecone belongs to dedicated nodes: give read_node_type too"),
        ({"deletion_protection": "on"}, "'deletion_protection' of pinecone is one of enabled, disabled, not 'on'"),
        ({"regoin": "us-west-2"}, "no store option 'regoin'; did you mean 'region'"),
    ],
    ids=name_of,
)
async def test_what_does_not_fit_is_refused(db: VectorDatabaseManager, options: dict[str, Any], message: str) -> None:
    await check_refused(db, options, message=message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": "us-west-2"}, "region='us-west-2': .*Your free plan does not support indexes in the us-west-2"),
        ({"read_node_type": "b1"}, "read_node_type='b1': .*Dedicated read nodes are not available on your plan"),
    ],
    ids=name_of,
)
async def test_what_a_plan_does_not_include_is_refused(options: dict[str, Any], message: str) -> None:
    with behaving(plan="starter") as config:
        async with VectorDatabaseManager(config) as db:
            await check_refused(db, options, message=message)


async def test_an_index_that_does_not_start_is_not_left() -> None:
    with behaving(state="InitializationFailed") as config:
        async with VectorDatabaseManager(config) as db:
            with pytest.raises(ConfigurationError, match=r"region='us-west-2': .*[Ii]nit"):
                await db.create_collection("failed", dimension=2, store_options={"region": "us-west-2"})
            assert await db.list_collections() == []
