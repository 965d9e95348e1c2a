"""Small stores on real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo, Metric, Record
from vpa.base.scope import Scope
from vpa.base.validation import check_batch
from vpa.engine.database import Database

INFO = CollectionInfo(name="docs", dimension=4, metric=Metric.COSINE)
SCOPE = Scope()


def records(start: int, stop: int) -> list[Record]:
    """That follow from their numbers."""
    rng = np.random.default_rng(start)
    return [
        Record(f"r{n}", vector=rng.standard_normal(4), text=f"text {n}", metadata={"n": n}) for n in range(start, stop)
    ]


def write(database: Database, start: int, stop: int) -> None:
    """As one change."""
    batch = check_batch(records(start, stop), info=INFO)
    database.get("docs").upsert(batch, scope=SCOPE, on_conflict=OnConflict.REPLACE, replacing=None)


def filled(directory: Path, *, close: bool = True, snapshot: bool = True) -> Database:
    """Two operations in the log, then a snapshot or only another log, then two more: twenty records."""
    database = Database(str(directory))
    database.create(INFO)
    write(database, 0, 5)
    write(database, 5, 10)
    journal = database.journal("docs")
    assert journal is not None
    if snapshot:
        journal.checkpoint()
    else:
        journal._rotate()
    write(database, 10, 15)
    write(database, 15, 20)
    if close:
        database.close()
    return database


def of_docs(directory: Path, name: str) -> Path:
    """A file of the collection."""
    return directory / "collections" / "docs" / name


def content(directory: Path) -> dict[str, bytes]:
    """Every file with its bytes."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
