"""Stores that were written some time ago are read, to the last value; those of other formats are refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import vpa
from compat.make_store import METADATA, write
from vpa.base.scope import ALL_SCOPES

FORMATS = sorted(path for path in Path(__file__).parent.iterdir() if path.name.startswith("format-"))

REFUSED = Path(__file__).parent / "refused" / "format-2"


async def _contents(directory: Path, *, read_only: bool = False) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    async with vpa.connect(f"mock://{directory}", read_only=read_only) as db:
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
    assert await _contents(stored, read_only=True) == await _contents(tmp_path / "new")
    old = await _contents(tmp_path / "old")
    assert len(old) == 3
    assert old == await _contents(tmp_path / "new")
    assert repr(METADATA[1]) in str(old)


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_store_of_an_early_format_is_refused_by_name_and_not_touched(tmp_path: Path, read_only: bool) -> None:
    shutil.copytree(REFUSED, tmp_path / "old")
    before = {path: path.read_bytes() for path in (tmp_path / "old").rglob("*") if path.is_file()}
    with pytest.raises(vpa.errors.ConfigurationError, match=r"reads format 3 only.*vpa export"):
        await vpa.connect(f"mock://{tmp_path}/old", read_only=read_only).connect()
    assert {path: path.read_bytes() for path in (tmp_path / "old").rglob("*") if path.is_file()} == before
