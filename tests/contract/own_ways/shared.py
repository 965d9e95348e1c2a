"""What several stores have in common among their own ways: collections that others wrote, fields for their own
tools.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import F, Record
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager

VECTORS = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)


async def check_a_collection_of_others(config: Any, directory: Path, *, counted: bool = True) -> None:
    """The six records of a collection "theirs" are read, searched and brought in, not filtered and not written."""
    async with VectorDatabaseManager(config) as db, vpa.connect("mock://") as here:
        theirs = await db.collection("theirs")
        assert (theirs.info.layout_version, theirs.info.dimension) == (0, 3)
        if counted:
            assert await theirs.count() == 6
        matches = await theirs.search(vector=VECTORS[2], top_k=2)
        assert matches[0].text == "text 2"
        with pytest.raises(errors.UnsupportedFilterError, match="vpa migrate"):
            await theirs.search(vector=VECTORS[2], filter={"n": 2})
        with pytest.raises(errors.ConfigurationError, match="vpa migrate"):
            await theirs.upsert([Record("new", vector=[1, 0, 0])])
        done = await vpa.migrate(db, here, collection="theirs", to_collection="ours", state_directory=str(directory))
        assert (done.copied, done.verification.ok) == (6, True)
        ours = await here.collection("ours")
        assert {record.text async for record in ours.scan(filter=F("n") >= 4)} == {"text 4", "text 5"}
        await db.drop_collection("theirs")


async def check_native_fields(
    config: Any, read: Callable[[Any], Awaitable[dict[str, Any]]], *, removes: bool = True
) -> None:
    """What the store's own tools see of the fields that were named, after a write and after an update."""
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("native", dimension=3, native_fields=["year", "author.name"])
        assert (await db.collection("native")).info.native_fields == ("year", "author.name")
        metadata = {"year": 1999, "author": {"name": "Ann"}, "other": 1}
        await docs.upsert([Record("a", vector=VECTORS[0], metadata=metadata)])
        assert _ours_left_out(await read(config)) == {"year": 1999, "author.name": "Ann"}
        await docs.update_metadata(ids=["a"], set={"year": 2000}, remove=["author"])
        remains = {} if removes else {"author.name": "Ann"}
        assert _ours_left_out(await read(config)) == {"year": 2000, **remains}
        await db.drop_collection("native")


def _ours_left_out(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if not key.startswith("_vpa")}
