"""No memory in the middle of a write: the collection is as it was, and takes writes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from persist.stores import INFO, SCOPE, records, write
from vpa.base.errors import ProviderError
from vpa.engine import rows as rows_module
from vpa.engine.columns import Columns
from vpa.engine.compaction import Compaction
from vpa.engine.database import Database
from vpa.engine.growable import Heap
from vpa.filters.ast import ALWAYS


def ids(database: Database) -> set[str]:
    names = [f"r{n}" for n in range(30)]
    return {one.id for one in database.get("docs").get(names, scope=SCOPE, include_vectors=True)}


def named(stop: int) -> set[str]:
    return {f"r{n}" for n in range(stop)}


@pytest.mark.parametrize(
    "place", [(Columns, "append"), (Heap, "extend"), (rows_module.RowStore, "append_plain")], ids=str
)
@pytest.mark.parametrize("durable", [True, False])
def test_a_collection_takes_writes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str], durable: bool
) -> None:
    database = Database(str(tmp_path) if durable else None)
    database.create(INFO)
    write(database, 0, 5)

    def fail(*arguments: object, **options: object) -> None:
        raise MemoryError("none left")

    with monkeypatch.context() as broken:
        broken.setattr(*place, fail)
        with pytest.raises(ProviderError, match="MemoryError: none left"):
            write(database, 5, 10)
        assert ids(database) == named(5)
        broken.setattr(Compaction, "begin", fail)
        with pytest.raises(ProviderError, match="no memory to mend it"):
            write(database, 10, 15)
    write(database, 10, 15)
    # What the log holds has happened; what only memory was to hold has not.
    kept = named(15) if durable else named(5) | {f"r{n}" for n in range(10, 15)}
    assert ids(database) == kept
    assert database.get("docs").count(ALWAYS, SCOPE) == len(kept)
    if durable:
        database.close()
        database = Database(str(tmp_path))
        assert ids(database) == kept
    assert len(records(0, 5)) == 5
    database.close()
