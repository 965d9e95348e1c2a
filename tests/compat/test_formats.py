"""Stores that earlier versions wrote are read, to the last value."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import vpa
from compat.make_store import METADATA, write
from vpa.base.scope import ALL_SCOPES

FORMATS = sorted(path for path in Path(__file__).parent.iterdir() if path.name.startswith("format-"))


async def _contents(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    async with vpa.connect(f"mock://{directory}") as db:
        for name in await db.list_collections():
            docs = await db.collection(name)
            rows: list[tuple[object, ...]] = [(docs.info.metric, docs.info.embedding)]
            async for batch in docs.scan_batches(scope=ALL_SCOPES):
                rows += [(batch.scope, r.id, r.text, repr(r.metadata), r.vector.tobytes()) for r in batch]  # type: ignore[union-attr]
            rows.append(tuple((await docs.search(vector=[1, 2, 3], filter={"n": {"$exists": True}})).ids))
            found[name] = rows
    return found


@pytest.mark.parametrize("stored", FORMATS, ids=lambda path: path.name)
async def test_a_store_of_an_earlier_version_is_read(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "old")
    await write(str(tmp_path / "new"))
    old = await _contents(tmp_path / "old")
    assert len(old) == 3
    assert old == await _contents(tmp_path / "new")
    assert repr(METADATA[1]) in str(old)
