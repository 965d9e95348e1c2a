"""Watching goes on whatever becomes of the paths: editors replace files, and folders go and come back."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.ingest.finding import Search
from vpa.rag.intake import watching

Next = Callable[[], Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_DEBOUNCE_MS", 100)
    monkeypatch.setattr(watching, "_STEP_MS", 20)
    monkeypatch.setattr(watching, "_LOOK_MS", 50)


@asynccontextmanager
async def watched(*paths: Path, **search: Any) -> AsyncGenerator[Next, None]:
    """A function that waits for the next paths that changed; the watch has begun."""
    stop = asyncio.Event()
    changes = watching.changes([str(path) for path in paths], Search(**search), stop)
    waiting = asyncio.ensure_future(anext(changes))

    async def following() -> Sequence[str]:
        nonlocal waiting
        changed = await asyncio.wait_for(asyncio.shield(waiting), 20)
        waiting = asyncio.ensure_future(anext(changes))
        return changed

    # Until it looks, a change is not one.
    await asyncio.sleep(0.3)
    yield following
    stop.set()
    with pytest.raises(StopAsyncIteration):
        await waiting


def replace(path: Path, text: str) -> None:
    """As editors save."""
    path.with_name("saving").write_text(text)
    os.replace(path.with_name("saving"), path)


async def test_a_named_file_is_seen_each_time_that_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    async with watched(path) as following:
        for text in ("second", "the third"):
            replace(path, text)
            assert await following() == [str(path)]
        path.unlink()
        assert await following() == [str(path)]
        path.write_text("again")
        assert await following() == [str(path)]


async def test_a_folder_that_goes_is_told_once_and_seen_when_it_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    other = tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    async with watched(folder, other) as following:
        folder.rename(tmp_path / "away")
        assert str(folder) in await following()
        (other / "b.txt").write_text("text")
        assert await following() == [str(other / "b.txt")]
        folder.mkdir()
        assert str(folder) in await following()
        (folder / "a.txt").write_text("text")
        assert await following() == [str(folder / "a.txt")]
        shutil.rmtree(folder)
        shutil.rmtree(other)
        changed: set[str] = set()
        while not {str(folder), str(other)} <= changed:
            changed |= set(await following())
        other.mkdir()
        assert await following() == [str(other)]


async def test_a_link_that_leads_elsewhere_is_followed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "current").symlink_to("first")
    async with watched(tmp_path / "current") as following:
        (tmp_path / "next").symlink_to("second")
        os.replace(tmp_path / "next", tmp_path / "current")
        assert await following() == [str(tmp_path / "current")]
        (tmp_path / "second" / "a.txt").write_text("text")
        assert await following() == [str(tmp_path / "second" / "a.txt")]


async def test_a_change_counts_that_any_of_the_paths_accepts(tmp_path: Path) -> None:
    (tmp_path / ".h").mkdir()
    (tmp_path / ".other").mkdir()
    async with watched(tmp_path, tmp_path / ".h") as following:
        (tmp_path / ".other" / "x.txt").write_text("text")
        (tmp_path / ".h" / "x.txt").write_text("text")
        assert await following() == [str(tmp_path / ".h" / "x.txt")]


async def test_a_config_map_that_is_replaced_is_seen_and_the_own_files_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "cfg"
    for version in ("..1", "..2"):
        (folder / version).mkdir(parents=True)
        (folder / version / "guide.md").write_text(version)
    (folder / "..data").symlink_to("..1")
    (folder / "guide.md").symlink_to("..data/guide.md")
    own = folder / "store"
    own.mkdir()
    async with watched(folder, own, own=[str(own)]) as following:
        (own / "log").write_text("text")
        (folder / "..new").symlink_to("..2")
        os.replace(folder / "..new", folder / "..data")
        assert not any(path.startswith(str(own)) for path in await following())


async def test_what_does_not_exist_is_no_path_to_watch(tmp_path: Path) -> None:
    async with vpa.create_enhanced_rag_system(embedder="hashing") as rag:
        with pytest.raises(vpa.ConfigurationError, match="does not exist, so it cannot be watched"):
            async for _ in rag.watch(tmp_path / "nowhere"):
                pass
