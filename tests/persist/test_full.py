"""A full disk: what is stored can be opened, read, and deleted."""

from __future__ import annotations

import pytest

from vpa.base import errors
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, Record
from vpa.base.scope import Scope
from vpa.base.validation import check_batch
from vpa.engine.database import Database
from vpa.engine.indexes.base import Dump, Index
from vpa.engine.table import Table
from vpa.filters.ast import ALWAYS
from vpa.testing.disk import SimulatedDisk

INFO = CollectionInfo(name="docs", dimension=4, metric="cosine")  # type: ignore[arg-type]


def put(docs: Table, *names: str) -> None:
    batch = check_batch([Record(name, vector=[1, 2, 3, 4]) for name in names], info=INFO)
    docs.upsert(batch, scope=Scope(), on_conflict=OnConflict.REPLACE, replacing=None)


@pytest.mark.parametrize("how", ["closed", "killed in a write", "a failed checkpoint"])
def test_a_store_on_a_full_disk_is_opened_read_and_deleted_from(how: str) -> None:
    disk = SimulatedDisk(1)
    database = Database("/data", files=disk)
    docs = database.create(INFO)
    put(docs, *(f"r{n}" for n in range(10)))
    used = sum(len(disk.read(name)) for name in disk.files())
    if how == "a failed checkpoint":
        disk.faults.capacity_bytes = used + 100
        with pytest.raises(OSError, match="full"):
            database.journal("docs").checkpoint()  # type: ignore[union-attr]
    if how == "closed":
        database.close()
    after = disk.copy()
    if how == "killed in a write":
        log = "/data/collections/docs/log-00000000.vpa"
        after.put(log, bytes(after.read(log))[:-7])
    after.faults.capacity_bytes = sum(len(after.read(name)) for name in after.files())
    opened = Database("/data", files=after)
    docs = opened.get("docs")
    assert docs.count(ALWAYS, Scope()) == 10
    with pytest.raises(errors.StorageFullError):
        put(docs, "more")
    assert docs.delete(ids=["r1", "r2"], node=ALWAYS, scope=Scope(), dry_run=False) == 2
    opened.close()
    again = Database("/data", files=after.copy())
    assert again.get("docs").count(ALWAYS, Scope()) == 8
    again.close()


def test_codes_count_as_saved_when_the_snapshot_is_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []

    class Noting(Index):
        def search(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
            raise NotImplementedError

        def dump(self, view: object) -> Dump | None:
            saved.append("dumped")
            return None

        def saved(self) -> None:
            saved.append("saved")

    disk = SimulatedDisk(1)
    database = Database("/data", files=disk)
    docs = database.create(INFO)
    put(docs, "a")
    docs.index = Noting(INFO.index, docs.writer)
    disk.faults.capacity_bytes = sum(len(disk.read(name)) for name in disk.files()) + 600
    journal = database.journal("docs")
    assert journal is not None
    with pytest.raises((OSError, errors.VectorDatabaseError)):
        journal.checkpoint()
    assert "saved" not in saved
    disk.faults.capacity_bytes = None
    saved.clear()
    journal.checkpoint()
    assert saved == ["dumped", "saved"]
    del monkeypatch
