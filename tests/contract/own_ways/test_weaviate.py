"""What is particular to Weaviate: collections of others, objects refused one by one, classes that were dropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vpa
from contract.own_ways.shared import VECTORS, check_a_collection_of_others
from deployments import PROVIDERS, RunningStores
from vpa import Record
from vpa.base import errors
from wire.weaviate_server import weaviate_server


async def _made_by_the_client(config: Any) -> None:
    import weaviate
    from weaviate.classes.config import Configure, DataType, Property
    from weaviate.classes.data import DataObject

    client = weaviate.use_async_with_custom(
        http_host=config.host,
        http_port=config.port,
        http_secure=False,
        grpc_host=config.host,
        grpc_port=int(config.options["grpc_port"]),
        grpc_secure=False,
        auth_credentials=weaviate.classes.init.Auth.api_key("secret"),
        skip_init_checks=True,
    )
    async with client:
        made = await client.collections.create(
            "Theirs",
            properties=[Property(name="text", data_type=DataType.TEXT), Property(name="n", data_type=DataType.NUMBER)],
            vector_config=Configure.Vectors.self_provided(),
        )
        await made.data.insert_many(
            [DataObject(properties={"n": float(n), "text": f"text {n}"}, vector=VECTORS[n].tolist()) for n in range(6)]
        )


async def test_a_collection_of_others_is_read_and_brought_in(stores: RunningStores, tmp_path: Path) -> None:
    config = stores.config(PROVIDERS["weaviate"])
    await _made_by_the_client(config)
    await check_a_collection_of_others(config, tmp_path)


async def test_objects_that_weaviate_refuses_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db:
            docs = await db.create_collection("docs", dimension=3)
            store = type(app)._store

            def refuse(self: Any, one: Any) -> None:
                from wire.weaviate_server import _Failure

                if "bad" in json.dumps(dict(one.properties.non_ref_properties.items())):
                    raise _Failure("shard is read-only")
                store(self, one)

            monkeypatch.setattr(type(app), "_store", refuse)
            rows = [Record(name, vector=VECTORS[n]) for n, name in enumerate(("good", "bad", "fine"))]
            with pytest.raises(errors.PartialWriteError) as caught:
                await docs.upsert(rows)
            assert caught.value.written == ("good", "fine")
            assert caught.value.failed == {"bad": "shard is read-only"}
            assert await docs.count() == 2


async def test_a_class_that_is_gone_is_not_made_again_by_weaviate() -> None:
    with weaviate_server() as (url, app):
        async with vpa.connect(url) as db, vpa.connect(url) as other:
            docs = await db.create_collection("docs", dimension=3)
            await docs.upsert([Record("a", vector=VECTORS[0])])
            await other.drop_collection("docs")
            with pytest.raises(errors.CollectionNotFoundError):
                await docs.upsert([Record("a", vector=VECTORS[0])])
            assert app.classes == {}
