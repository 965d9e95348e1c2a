"""Codes of a stored collection: kept in its snapshot, and never trusted further than they can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.vectors import clustered, recall, unit, write
from vpa.base.index_options import IndexOptions
from vpa.base.query import SearchRequest
from vpa.base.records import CollectionInfo
from vpa.base.scope import Scope
from vpa.engine.database import Database
from vpa.engine.indexes.base import Dump, Part
from vpa.engine.indexes.coded import CodedIndex
from vpa.engine.table import Table
from vpa.engine.writer import Writer
from vpa.filters.ast import ALWAYS

ROWS, QUERIES = unit(clustered(25_000, 96)), unit(clustered(30, 96, seed=1))
KINDS = pytest.mark.parametrize("first_pass", ["signs", "turbovec", "faiss"])


def stored(path: Path, *, first_pass: str = "turbovec", metric: str = "cosine") -> None:
    options = IndexOptions(first_pass=first_pass, recall=0.95)  # type: ignore[arg-type]
    database = Database(str(path))
    made = database.create(CollectionInfo(name="docs", dimension=96, metric=metric, index=options))  # type: ignore[arg-type]
    write(made, ROWS)
    made.upkeep.run(stop=lambda: False)
    database.close()


def answers(made: Table) -> list[list[str]]:
    return [[match.id for match in answer.matches] for answer in made.search(SearchRequest(vectors=QUERIES), ALWAYS)]


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.engine.indexes.coded.seconds", lambda call, runs: 0.0 if runs == 16 else 1.0)


@KINDS
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_they_are_there_at_the_first_answer(tmp_path: Path, first_pass: str, metric: str) -> None:
    stored(tmp_path, first_pass=first_pass, metric=metric)
    database = Database(str(tmp_path))
    made = database.get("docs")
    stats = made.index.stats()
    assert stats["first_pass"] == first_pass
    assert stats["coded_rows"] == 25_000
    assert not made.upkeep.wants_codes
    assert not made.index.unsaved
    assert recall(made, QUERIES) >= 0.95
    write(made, unit(clustered(4_000, 96, seed=2)), first=25_000)
    made.upkeep.run(stop=lambda: False)
    assert made.index.stats()["coded_rows"] == 29_000
    assert recall(made, QUERIES) >= 0.95
    before = answers(made)
    database.close()
    database = Database(str(tmp_path))
    assert database.get("docs").index.stats()["coded_rows"] == 29_000
    assert answers(database.get("docs")) == before
    database.close()


def test_codes_made_after_the_last_write_are_kept_at_close(tmp_path: Path) -> None:
    database = Database(str(tmp_path))
    options = IndexOptions(first_pass="signs", recall=0.9)  # type: ignore[arg-type]
    made = database.create(CollectionInfo(name="docs", dimension=96, metric="cosine", index=options))  # type: ignore[arg-type]
    write(made, ROWS)
    database.close()
    for ready in (False, True, True):
        database = Database(str(tmp_path))
        made = database.get("docs")
        assert made.upkeep.wants_codes is not ready
        made.upkeep.run(stop=lambda: False)
        database.close()


def test_rows_that_died_before_the_snapshot_leave_no_wrong_numbers(tmp_path: Path) -> None:
    stored(tmp_path)
    database = Database(str(tmp_path))
    made = database.get("docs")
    made.delete(ids=[str(n) for n in range(5_000)], node=ALWAYS, scope=Scope(), dry_run=False)
    write(made, ROWS[:2_000], first=30_000)
    database.close()
    database = Database(str(tmp_path))
    made = database.get("docs")
    found = made.search(SearchRequest(vectors=ROWS[5_000:5_050], top_k=1), ALWAYS)
    assert [answer.matches[0].id for answer in found] == [str(n) for n in range(5_000, 5_050)]
    made.upkeep.run(stop=lambda: False)
    assert recall(made, QUERIES) >= 0.95
    database.close()


@pytest.mark.parametrize(
    "broken",
    [
        {"name": "unknown"},
        {"measured": None},
        {"scale": "wide"},
        {"promised_recall": 0.5},
        {"codes": b"no codes"},
        {"codes": None},
        {"centre": np.zeros(3, dtype=np.float32)},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_codes_that_cannot_be_used_are_made_anew(broken: dict[str, Any]) -> None:
    made = Table(CollectionInfo(name="docs", dimension=96, metric="cosine", index=IndexOptions(first_pass="turbovec")))  # type: ignore[arg-type]
    write(made, ROWS)
    made.upkeep.run(stop=lambda: False)
    dump = made.index.dump(made.view)
    assert dump is not None
    [part] = dump.parts
    facts = {**part.facts, **{name: value for name, value in broken.items() if name not in ("codes", "centre")}}
    codes = part.codes if broken.get("codes", 0) == 0 else (broken["codes"] or bytes(made.index.stats()["code_bytes"]))
    fresh = CodedIndex(made.info.index, Writer(made.info, made.view.rows))
    fresh.restore(made.view.rows, Dump(dump.facts, [Part(facts, broken.get("centre", part.centre), codes)]))
    assert fresh.wants(made.view)
    sound = CodedIndex(made.info.index, Writer(made.info, made.view.rows))
    sound.restore(made.view.rows, dump)
    assert not sound.wants(made.view)
