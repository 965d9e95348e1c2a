"""What the functions beside the verbs refuse: a manager for a collection, a collection for a manager, a text, a
coroutine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.base import errors

OF_A_COLLECTION: dict[str, Callable[[Any, Any], Any]] = {
    "verify": lambda v, wrong: v.verify(wrong, wrong),
    "check": lambda v, wrong: v.check(wrong),
    "audit": lambda v, wrong: v.audit(wrong, []),
    "repair": lambda v, wrong: v.repair(wrong, []),
    "export_parquet": lambda v, wrong: v.export_parquet(wrong, "never.parquet"),
    "check_recall": lambda v, wrong: v.check_recall(wrong),
}


async def filled(db: vpa.VectorDatabaseManager) -> vpa.Collection:
    docs = await db.create_collection("docs", dimension=2)
    await docs.upsert([vpa.Record("a", vector=[1, 0]), vpa.Record("b", vector=[0, 1])])
    return docs


@pytest.mark.parametrize("name", OF_A_COLLECTION)
async def test_a_manager_or_a_name_is_no_collection(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with vpa.connect("mock://", index_name="docs", dimension=2) as db:
        for wrong, described in ((db, "not a manager"), ("docs", "the text 'docs'"), (None, "a NoneType")):
            with pytest.raises(errors.ConfigurationError, match=rf"vpa\.{name} takes .*db\.collection.*{described}"):
                await OF_A_COLLECTION[name](vpa, wrong)
        with pytest.raises(errors.ConfigurationError, match="await is missing"):
            await OF_A_COLLECTION[name](vpa, db.collection("docs"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OF_A_COLLECTION)
def test_the_same_without_await(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with vpa.sync.connect("mock://", index_name="docs", dimension=2) as db:
        for wrong in (db, "docs", None):
            with pytest.raises(errors.ConfigurationError, match=rf"vpa\.{name} takes .*db\.collection"):
                OF_A_COLLECTION[name](vpa.sync, wrong)
    assert list(tmp_path.iterdir()) == []


async def test_what_belongs_to_the_other_world_is_refused() -> None:
    with vpa.sync.connect("mock://", index_name="docs", dimension=2) as db:
        docs: Any = db.collection("docs")
        with pytest.raises(errors.ConfigurationError, match=r"use vpa\.sync\.check"):
            await vpa.check(docs)
    async with vpa.connect("mock://", index_name="docs", dimension=2) as other:
        with pytest.raises(errors.ConfigurationError, match=r"use await vpa\.check"):
            vpa.sync.check(await other.collection("docs"))


async def test_a_copy_is_between_managers_of_a_collection_by_its_name(tmp_path: Path) -> None:
    options: dict[str, Any] = {"state_directory": str(tmp_path)}
    async with vpa.connect("mock://") as here, vpa.connect("mock://") as there:
        docs: Any = await filled(here)
        for ends, argument in (((docs, there), "source"), ((here, docs), "target"), (("mock://", there), "source")):
            with pytest.raises(errors.ConfigurationError, match=f"takes as {argument} a connected manager"):
                await vpa.migrate(*ends, collection="docs", **options)
        for names in ({"collection": docs}, {"collection": "docs", "to_collection": docs}):
            with pytest.raises(errors.ConfigurationError, match="the name of a collection, as text"):
                await vpa.migrate(here, there, **names, **options)
        with pytest.raises(errors.ConfigurationError, match="takes as manager a connected manager"):
            await vpa.import_parquet(docs, tmp_path / "absent.parquet")
        assert await there.list_collections() == []


async def test_a_backup_is_of_a_directory(tmp_path: Path) -> None:
    async with vpa.connect(f"mock://{tmp_path}/store") as db:
        docs: Any = await filled(db)
        wrong: Any
        for wrong in (db, docs, None, 5):
            with pytest.raises(errors.ConfigurationError, match=r"vpa\.backup takes as source .*db\.config\.path"):
                await vpa.backup(wrong, tmp_path / "copy")
            with pytest.raises(errors.ConfigurationError, match=r"vpa\.backup takes as target"):
                await vpa.backup(tmp_path / "store", wrong)
        assert (await vpa.backup(db.config.path or "", tmp_path / "copy")).records == 2
    with (
        vpa.sync.connect(f"mock://{tmp_path}/store") as same,
        pytest.raises(errors.ConfigurationError, match=r"db\.config\.path"),
    ):
        vpa.sync.backup(same, tmp_path / "other")


async def test_a_source_gives_records() -> None:
    async with vpa.connect("mock://") as db:
        docs = await filled(db)
        wrong: Any
        for wrong, said in (
            (docs, r"give collection\.scan"),
            ("a", "not a str"),
            ({"id": "a"}, "not a dict"),
            ([{"id": "a"}], "gave a dict, not a Record"),
            (None, "not a NoneType"),
        ):
            for function in (vpa.audit, vpa.repair):
                with pytest.raises(errors.InvalidRecordError, match=said):
                    await function(docs, wrong)
        with pytest.raises(errors.InvalidQueryError, match="scope must be"):
            await vpa.audit(docs, [], scope=vpa.ALL_SCOPES)  # type: ignore[arg-type]
        assert (await vpa.audit(docs, docs.scan())).ok
