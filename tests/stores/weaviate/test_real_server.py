"""Weaviate's own server: collections of others with named vectors and tenants, keys with few rights, and the
messages.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import structlog
import weaviate
from weaviate.classes.config import Configure
from weaviate.classes.init import Auth

import servers
from deployments import WEAVIATE_IS_BUILT, RunningStores
from vpa.base import errors
from vpa.base.calibration import Calibration
from vpa.base.records import Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.observe.log import configure_logging
from vpa.stores.config import VectorDatabaseConfig, parse_url

pytestmark = pytest.mark.skipif(not WEAVIATE_IS_BUILT, reason="the real Weaviate is not built here: make weaviate")


def _client(config: VectorDatabaseConfig) -> Any:
    return weaviate.use_async_with_custom(
        http_host=config.host,
        http_port=config.port,
        http_secure=False,
        grpc_host=config.host,
        grpc_port=int(config.options["grpc_port"]),
        grpc_secure=False,
        auth_credentials=Auth.api_key(str(config.api_key)),
        skip_init_checks=True,
    )


def _with(config: VectorDatabaseConfig, **options: str) -> VectorDatabaseConfig:

    return replace(config, options=MappingProxyType({**config.options, **options}))


async def _read(config: VectorDatabaseConfig, name: str, query: list[float]) -> tuple[int, str | None, list[float]]:
    async with VectorDatabaseManager(config) as db:
        theirs = await db.collection(name)
        [match] = await theirs.search(vector=query, include_vectors=True)
        [record] = [one async for one in theirs.scan()]
        assert (await theirs.get([record.id]))[0].text == match.text == record.text
        assert await theirs.count() == 1
        assert list(match.vector) == list(record.vector)
        return theirs.info.dimension, match.text, list(record.vector)


async def test_one_named_vector_of_others_is_read_and_of_several_one_is_named(stores: RunningStores) -> None:
    config = stores.config("weaviate server")
    one = Configure.Vectors.self_provided(name="v1")
    two = Configure.Vectors.self_provided(name="v2")
    async with _client(config) as client:
        for name, vectors in (("Onenamed", [one]), ("Twonamed", [one, two])):
            made = await client.collections.create(name, vector_config=vectors)
            given = {"v1": [1.0, 0.0, 0.0], "v2": [0.0, 1.0]}
            await made.data.insert({"text": "t"}, vector={key: given[key] for key in ("v1", "v2")[: len(vectors)]})
    assert await _read(config, "onenamed", [1, 0, 0]) == (3, "t", [1.0, 0.0, 0.0])
    assert await _read(_with(config, vector="v2"), "twonamed", [0, 1]) == (2, "t", [0.0, 1.0])
    for chosen, message in (
        (config, r"v1, v2; name one in the URL: .*\?vector=v1"),
        (_with(config, vector="v3"), "no vector 'v3'"),
    ):
        async with VectorDatabaseManager(chosen) as db:
            with pytest.raises(errors.ConfigurationError, match=message):
                await db.collection("twonamed")
    async with VectorDatabaseManager(config) as db:
        await db.drop_collection("onenamed")
    async with VectorDatabaseManager(_with(config, vector="v1")) as db:
        await db.drop_collection("twonamed")


async def test_a_collection_of_others_with_tenants_is_read_tenant_by_tenant(stores: RunningStores) -> None:
    config = stores.config("weaviate server")
    async with _client(config) as client:
        made = await client.collections.create(
            "Tenanted",
            multi_tenancy_config=Configure.multi_tenancy(enabled=True),
            vector_config=Configure.Vectors.self_provided(),
        )
        await made.tenants.create(["red", "blue"])
        await made.with_tenant("red").data.insert({"text": "in red"}, vector=[1.0, 0.0])
        await made.with_tenant("blue").data.insert({"text": "in blue"}, vector=[1.0, 0.0])
    async with VectorDatabaseManager(config) as db:
        with pytest.raises(errors.ConfigurationError, match=r"by tenant; name one in the URL: .*\?tenant=NAME"):
            await db.collection("tenanted")
    for tenant in ("red", "blue"):
        assert (await _read(_with(config, tenant=tenant), "tenanted", [1, 0]))[1] == f"in {tenant}"
    async with VectorDatabaseManager(_with(config, tenant="red")) as db:
        await db.drop_collection("tenanted")


WRITES: dict[str, Callable[[Collection], Awaitable[object]]] = {
    "upsert": lambda docs: docs.upsert([Record("b", vector=[1, 0], metadata={"n": 1})]),
    "upsert of a new field": lambda docs: docs.upsert([Record("b", vector=[1, 0], metadata={"other": 1})]),
    "delete": lambda docs: docs.delete(ids=["a"]),
    "delete by filter": lambda docs: docs.delete(filter={"n": 1}),
    "update": lambda docs: docs.update_metadata(ids=["a"], set={"n": 2}),
}


async def test_a_viewers_key_reads_and_is_denied_every_write(stores: RunningStores) -> None:
    config = stores.config("weaviate server")
    async with VectorDatabaseManager(config) as owner:
        docs = await owner.create_collection("viewed", dimension=2)
        await docs.upsert([Record("a", vector=[1, 0], metadata={"n": 1})])
        async with VectorDatabaseManager(stores.config("weaviate server", api_key="reader")) as db:
            viewed = await db.collection("viewed")
            assert (await viewed.search(vector=[1, 0])).ids == ["a"]
            for write in WRITES.values():
                with pytest.raises(errors.PermissionDeniedError) as caught:
                    await write(viewed)
                assert caught.value.message.startswith("the API key does not have the right to do this; Weaviate: ")
                assert "insufficient permissions" in caught.value.message
                assert "{'error'" not in caught.value.message
            with pytest.raises(errors.PermissionDeniedError):
                await db.create_collection("another", dimension=2)
        assert await docs.count() == 1
        await owner.drop_collection("viewed")


async def test_a_server_that_was_killed_and_started_again_is_told_with_how_to_check_it(tmp_path: Path) -> None:
    server = servers.weaviate(tmp_path).start()
    log = io.StringIO()
    configure_logging(level="WARNING", fmt="json", stream=log)
    try:
        config = VectorDatabaseConfig(**parse_url(server.url), api_key="secret")
        async with VectorDatabaseManager(config) as db:
            docs = await db.create_collection("killed", dimension=2)
            await docs.upsert([Record("a", vector=[1, 0])])
            server.kill()
            await asyncio.sleep(0.5)  # Down, as long as a server takes to start.
            server.start()
            assert await _soon(lambda: docs.get(["a"])) is not None
            await asyncio.sleep(1.5)  # gRPC waits up to a second between two attempts.
    finally:
        structlog.reset_defaults()
        server.kill()
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in told].count("server_was_unreachable") == 1
    assert "vpa check" in next(line["advice"] for line in told if line["event"] == "server_was_unreachable")


async def _soon(work: Callable[[], Awaitable[object]]) -> object:
    for _ in range(100):
        try:
            return await work()
        except errors.VectorDatabaseError:
            await asyncio.sleep(0.1)
    return None


async def test_records_that_come_while_the_index_is_changed_are_written(stores: RunningStores) -> None:
    config = stores.config("weaviate server")
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("changing", dimension=3)
        changes = 0

        async def change() -> None:
            nonlocal changes
            # Weaviate takes nothing meanwhile, and says so for each object or for the request.
            for ef in range(300, 360):
                await db._store.use_effort(replace(docs.info, calibration=Calibration(effort=ef)))  # type: ignore[union-attr]
                changes += 1

        async def write(writer: int) -> int:
            written = 0
            while not changing.done():
                new = range(written, written + 100)
                await docs.upsert([Record(f"r{writer}-{n}", vector=[1.0, n, writer]) for n in new])
                written += 100
                assert len(await docs.get([f"r{writer}-{n}" for n in new])) == 100
            return written

        changing = asyncio.create_task(change())
        written = await asyncio.gather(*map(write, range(4)))
        await changing
        assert (changes, await docs.count()) == (60, sum(written))
        await db.drop_collection("changing")


async def test_a_measurement_does_not_lower_what_another_process_found_to_be_enough(stores: RunningStores) -> None:
    config = stores.config("weaviate server")

    async def least(db: VectorDatabaseManager) -> int:
        found: int = (await db.get_statistics())["collections"]["measured"]["settings"]["dynamic_ef_min"]
        return found

    async with VectorDatabaseManager(config) as first, VectorDatabaseManager(config) as second:
        made = await first.create_collection("measured", dimension=3, recall=0.9)
        same = await second.collection("measured")
        await made.upsert([Record(f"r{n}", vector=[1.0, n, 0]) for n in range(50)])
        assert await least(first) == 100
        found = Calibration(effort=800, filtered=600, measured={"all": 1.0}, rows=50, total=50)
        await first._store.use_effort(await first._store.set_calibration("measured", found))  # type: ignore[union-attr]
        assert same.info.calibration is None
        seen = set()
        measuring = asyncio.create_task(same.optimize())
        while not measuring.done():
            seen.add(await least(first))
        await measuring
        assert seen | {await least(first)} == {800}
        await second._store.use_effort(replace(same.info, calibration=Calibration(effort=1200)))  # type: ignore[union-attr]
        assert await least(first) == 1200
        await first.drop_collection("measured")
