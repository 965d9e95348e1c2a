"""What the embedded store says of itself."""

from __future__ import annotations

from pathlib import Path

import vpa


async def test_a_damaged_collection_is_a_concern_and_the_others_go_on(tmp_path: Path) -> None:
    async with vpa.connect(tmp_path) as db:
        for name in ("one", "two"):
            await db.create_collection(name, dimension=2)
        assert (await db.health())["concerns"] == []
    (tmp_path / "collections" / "one" / "collection.json").write_text("{")
    async with vpa.connect(tmp_path) as db:
        health = await db.health()
        assert health["healthy"]
        [concern] = health["concerns"]
        assert concern.startswith("collection 'one' is damaged: ")
        assert concern.endswith("; vpa doctor --salvage")
        assert await (await db.collection("two")).count() == 0
