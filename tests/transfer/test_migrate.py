"""Copies between stores: the same on the other side, also after an interruption, and a mismatch is never called
done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from deployments import PROVIDERS, RunningStores
from vpa import Record, Scope
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.embedded.store import EmbeddedStore
from vpa.transfer.digest import digest

SCOPES = (Scope(), Scope("acme"), Scope("acme", "eu"))
METADATA: tuple[dict[str, Any], ...] = (
    {"n": 2**53 + 1, "f": 2.0, "t": ["a", None], "e": [], "m": {"x": -0.0}},
    {"text": 'it\'s "quoted"', "none": None, "b": True},
    {},
)


def records(count: int, seed: int = 0) -> list[Record]:
    rng = np.random.default_rng(seed)
    return [
        Record(
            f"r{n:04d}",
            vector=rng.standard_normal(8),
            text=f"text {n}",
            metadata={**METADATA[n % 3], "i": n},
            system={"v": n},
        )
        for n in range(count)
    ]


async def filled(db: VectorDatabaseManager, name: str, count: int, metric: str = "cosine") -> vpa.Collection:
    docs = await db.create_collection(name, dimension=8, metric=metric)
    for number, scope in enumerate(SCOPES):
        await docs.upsert(records(count, seed=number), scope=scope)
    return docs


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "mock"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
async def test_there_and_back_is_the_same_to_the_bit(
    stores: RunningStores, tmp_path: Path, provider: str, metric: str
) -> None:
    async with vpa.connect("mock://") as here, VectorDatabaseManager(stores.config(PROVIDERS[provider])) as there:
        docs = await filled(here, "docs", 40, metric)
        name = f"moved-{metric}"
        moved = await vpa.migrate(here, there, collection="docs", to_collection=name, state_directory=str(tmp_path))
        assert (moved.copied, moved.resumed) == (120, 0)
        assert moved.verification.ok
        assert moved.verification.queries == moved.verification.agreeing_queries == 15
        await vpa.migrate(there, here, collection=name, to_collection="back", state_directory=str(tmp_path))
        again = await digest(await here.collection("back"))
        assert {scope: one.to_json() for scope, one in again.items()} == {
            scope: one.to_json() for scope, one in (await digest(docs)).items()
        }
        assert list(tmp_path.iterdir()) == []
        await there.drop_collection(name)


async def test_an_interrupted_copy_goes_on_where_it_was(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        await filled(here, "docs", 30)
        seen = 0

        def stop(stage: str, count: int) -> None:
            nonlocal seen
            seen += count
            if stage == "copy" and seen >= 40:
                raise KeyboardInterrupt

        options: dict[str, Any] = {"collection": "docs", "batch_size": 10, "state_directory": str(tmp_path)}
        with pytest.raises(KeyboardInterrupt):
            await vpa.migrate(here, there, progress=stop, **options)
        done = await vpa.migrate(here, there, **options)
        assert (done.copied, done.resumed) == (50, 40)
        assert done.verification.ok


async def test_a_copy_that_differs_is_never_called_done(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        await filled(here, "docs", 5)

        async def spoil(stage: str) -> None:
            target = await there.collection("docs")
            await target.update_metadata(ids=["r0002"], set={"i": 99}, scope=Scope("acme"))
            await target.delete(ids=["r0003"], scope=Scope("acme"))
            await target.upsert([Record("extra", vector=[1] * 8)], scope=Scope("acme", "eu"))

        optimize = vpa.Collection.optimize

        async def spoiled(self: vpa.Collection) -> None:
            await optimize(self)
            await spoil("optimize")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vpa.Collection, "optimize", spoiled)
            with pytest.raises(errors.VerificationError, match="acme/eu") as caught:
                await vpa.migrate(here, there, collection="docs", state_directory=str(tmp_path))
        report: Any = caught.value.report
        assert report.examples == [
            "acme/- 'r0002': text or metadata differ",
            "acme/- 'r0003': is not in the target",
            "acme/eu 'extra': is only in the target",
        ]


async def test_a_target_with_records_of_its_own_is_refused(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        await filled(here, "docs", 2)
        await filled(there, "docs", 1)
        with pytest.raises(errors.ConfigurationError, match="holds records"):
            await vpa.migrate(here, there, collection="docs", state_directory=str(tmp_path))


async def test_verify_tells_vectors_apart() -> None:
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        left, right = await filled(here, "docs", 4, "dot"), await filled(there, "docs", 4, "dot")
        assert (await vpa.verify(left, right)).ok
        [record] = await right.get(["r0001"])
        await right.upsert(
            [
                Record(
                    "r0001",
                    vector=np.asarray(record.vector) + np.float32(1e-6),
                    text=record.text,
                    metadata=record.metadata,
                    system=record.system,
                )
            ]
        )
        report = await vpa.verify(left, right)
        assert report.differences == ["scope -/-: vectors"]
        assert report.examples == ["-/- 'r0001': vectors differ"]


async def test_parquet_is_read_by_others_and_comes_back(tmp_path: Path) -> None:
    import pyarrow.parquet

    async with vpa.connect("mock://") as db:
        docs = await filled(db, "docs", 12)
        assert await vpa.export_parquet(docs, tmp_path / "docs.parquet") == 36
        table = pyarrow.parquet.read_table(tmp_path / "docs.parquet")
        assert table.column_names[:7] == ["tenant", "namespace", "id", "vector", "text", "metadata", "system"]
        assert "metadata.n" in table.column_names
        assert table.num_rows == 36
        assert await vpa.import_parquet(db, tmp_path / "docs.parquet", collection="again") == 36
        assert (await vpa.verify(docs, await db.collection("again"))).ok


async def test_parquet_of_others_is_taken_with_its_columns_as_metadata(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table({"id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]], "text": ["x", None], "year": [2020, 2021]})
    pa.parquet.write_table(table, tmp_path / "theirs.parquet")
    async with vpa.connect("mock://") as db:
        assert await vpa.import_parquet(db, tmp_path / "theirs.parquet", collection="docs") == 2
        docs = await db.collection("docs")
        assert [(r.id, r.text, dict(r.metadata)) async for r in docs.scan()] == [
            ("a", "x", {"year": 2020}),
            ("b", None, {"year": 2021}),
        ]
        (tmp_path / "no.parquet").write_text("not parquet")
        for name in ("no.parquet", "absent.parquet"):
            with pytest.raises(errors.ConfigurationError, match="Parquet"):
                await vpa.import_parquet(db, tmp_path / name)


async def test_what_a_file_of_others_turns_into_something_else_is_said(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    when = pa.array([1_700_000_000_000_000, None], pa.timestamp("us", tz="Europe/Berlin"))
    kinds = pa.array(["x", "y"]).dictionary_encode()
    table = pa.table({"id": [1, 2], "vector": [[1.0, 0.0], [0.0, 1.0]], "when": when, "kind": kinds})
    pa.parquet.write_table(table, tmp_path / "theirs.parquet")
    said: list[str] = []
    async with vpa.connect("mock://") as db:
        await vpa.import_parquet(db, tmp_path / "theirs.parquet", collection="docs", converted=said.append)
        docs = await db.collection("docs")
        assert [(one.id, dict(one.metadata)) async for one in docs.scan()] == [
            ("1", {"kind": "x", "when": "2023-11-14T22:13:20.000000Z"}),
            ("2", {"kind": "y", "when": None}),
        ]
    assert [sentence.split(": ")[0] for sentence in said] == ["id", "when", "kind"]
    assert said[1] == "when: timestamp[us, tz=Europe/Berlin] became text of moments in UTC, with microseconds"


async def test_a_copy_begins_anew_where_the_target_was_dropped_or_nothing_is_known(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as source, vpa.connect("mock://") as target:
        await filled(source, "docs", 40)

        def stop(stage: str, count: int) -> None:
            raise KeyboardInterrupt

        async def copy(**options: Any) -> Any:
            return await vpa.migrate(
                source, target, collection="docs", batch_size=10, state_directory=str(tmp_path), **options
            )

        with pytest.raises(KeyboardInterrupt):
            await copy(progress=stop)
        [state] = tmp_path.glob(".vpa-migrate-*.json")
        await target.drop_collection("docs")
        assert (await copy()).resumed == 0
        assert list(tmp_path.iterdir()) == []
        await target.drop_collection("docs")
        state.write_text("{")
        assert (await copy()).verification.ok
        state.write_text("{")
        with pytest.raises(errors.ConfigurationError, match="if an interrupted copy left them"):
            await copy()


async def test_a_copy_that_ends_before_its_first_batch_is_done_goes_on(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as source, vpa.connect("mock://") as target:
        await filled(source, "docs", 40)
        made = await target.create_collection("docs", dimension=8)
        upsert = type(made).upsert
        with pytest.MonkeyPatch.context() as patch:

            async def dies(self: Any, *args: Any, **kwargs: Any) -> int:
                await upsert(self, *args, **kwargs)
                raise KeyboardInterrupt

            patch.setattr(type(made), "upsert", dies)
            with pytest.raises(KeyboardInterrupt):
                await vpa.migrate(source, target, collection="docs", state_directory=str(tmp_path))
        assert (await vpa.migrate(source, target, collection="docs", state_directory=str(tmp_path))).verification.ok


async def test_a_target_with_records_is_refused_after_one_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with vpa.connect("mock://") as source, vpa.connect("mock://") as target:
        await filled(source, "docs", 4)
        full = await filled(target, "docs", 2000)
        pages = 0
        scan = EmbeddedStore.scan

        async def counted(self: Any, info: Any, request: Any) -> Any:
            nonlocal pages
            async for batch in scan(self, info, request):
                pages += 1
                yield batch

        monkeypatch.setattr(EmbeddedStore, "scan", counted)
        with pytest.raises(errors.ConfigurationError, match="holds records"):
            await vpa.migrate(source, target, collection="docs", state_directory=str(tmp_path))
        assert pages == 1
        assert await full.count() == 2000


async def test_store_options_go_along_to_a_store_of_the_same_kind_and_can_be_replaced(
    stores: RunningStores, tmp_path: Path
) -> None:
    options = {"provider": "pgvector", "index": "hnsw", "m": 8}
    cases: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("pgvector", None, options),
        ("pgvector", vpa.PgvectorOptions(partitions=2), {"provider": "pgvector", "partitions": 2}),
        ("pgvector", {}, {}),
        ("qdrant engine", None, {}),
        ("qdrant engine", {"quantization": "scalar"}, {"provider": "qdrant", "quantization": "scalar"}),
    )
    async with VectorDatabaseManager(stores.config("pgvector")) as here:
        docs = await here.create_collection("tuned", dimension=8, store_options=options)
        await docs.upsert(records(30))
        for store, replacing, expected in cases:
            async with VectorDatabaseManager(stores.config(store)) as there:
                await vpa.migrate(
                    here,
                    there,
                    collection="tuned",
                    to_collection="retuned",
                    store_options=replacing,
                    state_directory=str(tmp_path),
                )
                assert (await there.collection("retuned")).info.store_options == expected
                await there.drop_collection("retuned")
        async with VectorDatabaseManager(stores.config("qdrant engine")) as there:
            with pytest.raises(errors.ConfigurationError, match="those of pgvector; pass QdrantOptions"):
                await vpa.migrate(here, there, collection="tuned", store_options=options, state_directory=str(tmp_path))
            assert "tuned" not in await there.list_collections()
        await here.drop_collection("tuned")


@pytest.mark.parametrize("provider", ["mock", "qdrant", "pgvector"])
@pytest.mark.parametrize("way", ["recall", "index"])
async def test_a_promised_recall_goes_along_to_every_store_and_back(
    stores: RunningStores, provider: str, way: str, tmp_path: Path
) -> None:
    name = f"promised-{way}"
    async with vpa.connect("mock://") as here, VectorDatabaseManager(stores.config(PROVIDERS[provider])) as there:
        asked: dict[str, Any] = {"recall": 0.97} if way == "recall" else {"index": {"recall": 0.97}}
        docs = await here.create_collection("docs", dimension=2, **asked)
        await docs.upsert([Record("a", vector=[1, 0]), Record("b", vector=[0, 1])])
        await vpa.migrate(here, there, collection="docs", to_collection=name, state_directory=str(tmp_path))
        assert (await there.collection(name)).info.recall == 0.97
        facts = (await there.get_statistics())["collections"][name]
        assert facts["promise"]["promised"] == 0.97
        assert ("recall" in (facts.get("index") or {})) is False
        await vpa.migrate(there, here, collection=name, to_collection="back", state_directory=str(tmp_path))
        back = (await here.collection("back")).info
        assert (back.recall, back.index.recall) == (0.97, 0.97)
        await there.drop_collection(name)


async def test_a_recall_by_default_is_no_promise_elsewhere(stores: RunningStores, tmp_path: Path) -> None:
    async with vpa.connect("mock://") as here, VectorDatabaseManager(stores.config(PROVIDERS["qdrant"])) as there:
        await filled(here, "docs", 2)
        await vpa.migrate(here, there, collection="docs", to_collection="plain", state_directory=str(tmp_path))
        assert (await there.collection("plain")).info.recall is None
        assert "index" not in (await there.get_statistics())["collections"]["plain"]
        await there.drop_collection("plain")


async def test_no_store_options_are_none_on_a_store_that_takes_none(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        await filled(here, "docs", 2)
        done = await vpa.migrate(here, there, collection="docs", store_options={}, state_directory=str(tmp_path))
        assert done.verification.ok
        with pytest.raises(errors.ConfigurationError, match="takes no store_options"):
            await here.create_collection("other", dimension=2, store_options={"m": 8})


async def test_the_model_of_vectors_that_others_wrote_is_said_while_they_are_copied(tmp_path: Path) -> None:
    model = vpa.EmbeddingIdentity(name="theirs", revision="1", dimension=8)
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        await filled(here, "docs", 3)
        await vpa.migrate(here, there, collection="docs", embedding=model, state_directory=str(tmp_path))
        assert (await there.collection("docs")).info.embedding == model
        other = vpa.EmbeddingIdentity(name="other", revision="1", dimension=8)
        with pytest.raises(errors.EmbeddingMismatchError, match="not of other"):
            await vpa.migrate(there, here, collection="docs", to_collection="back", embedding=other)
        narrow = vpa.EmbeddingIdentity(name="narrow", revision="1", dimension=4)
        with pytest.raises(errors.DimensionMismatchError, match="from another model"):
            await vpa.migrate(here, there, collection="docs", to_collection="narrow", embedding=narrow)
        assert await there.list_collections() == ["docs"]
