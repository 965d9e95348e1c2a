"""The functions of vpa without await: on the loop that owns what they are given."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import vpa
from vpa.base import errors

FUNCTIONS = [name for name in vpa.__all__ if inspect.iscoroutinefunction(getattr(vpa, name))]


def records() -> list[vpa.Record]:
    return [vpa.Record(f"r{n}", vector=[1, n], metadata={"n": n}) for n in range(5)]


def test_no_function_leaves_a_coroutine_to_its_caller() -> None:
    assert {"audit", "backup", "check", "check_recall", "export_parquet", "import_parquet", "migrate"} <= set(FUNCTIONS)
    for name in FUNCTIONS:
        assert not inspect.iscoroutinefunction(getattr(vpa.sync, name)), name
        assert getattr(vpa.sync, name).__doc__ == getattr(vpa, name).__doc__


def test_a_collection_is_checked_and_measured(tmp_path: Path) -> None:
    with vpa.sync.connect(f"mock://{tmp_path}/store") as db:
        docs = db.create_collection("docs", dimension=2)
        docs.upsert(records())
        assert vpa.sync.check(docs).ok
        assert vpa.sync.check_recall(collection=docs, sample=2, top_k=2).recall == 1.0
        assert vpa.sync.audit(docs, records()).ok
        vpa.sync.export_parquet(docs, tmp_path / "docs.parquet")
    assert vpa.sync.backup(tmp_path / "store", tmp_path / "copy").records == 5


def test_two_connections_are_refused_with_the_way_out() -> None:
    with vpa.sync.connect("mock://") as first, vpa.sync.connect("mock://") as second:
        source = first.create_collection("docs", dimension=2)
        with pytest.raises(errors.ConfigurationError, match=r"asynchronous vpa\.migrate"):
            vpa.sync.migrate(source, second)


def test_a_file_fills_a_collection_of_the_same_connection(tmp_path: Path) -> None:
    with vpa.sync.connect("mock://") as db:
        docs = db.create_collection("docs", dimension=2)
        docs.upsert(records())
        vpa.sync.export_parquet(docs, tmp_path / "docs.parquet")
        db.drop_collection("docs")
        vpa.sync.import_parquet(db, tmp_path / "docs.parquet")
        assert db.collection("docs").count() == 5
