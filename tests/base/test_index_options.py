"""Index options: what they take, what they say, and where they go."""

from __future__ import annotations

from typing import Any

import pytest

import vpa
from vpa.base.errors import ConfigurationError
from vpa.base.index_options import IndexOptions
from vpa.base.records import CollectionInfo


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recal": 0.9}, "no option 'recal'"),
        ({"recall": 0}, "above 0 and at most 1, not 0"),
        ({"recall": 1.5}, "not 1.5"),
        ({"recall": True}, "not True"),
        ({"recall": float("nan")}, "not nan"),
        ({"index_type": "hnsw"}, "'hnsw' is unknown: use one of auto, flat"),
        ({"first_pass": "magic"}, "auto, signs, turbovec"),
        ("fast", "a mapping, not str"),
    ],
)
def test_a_wrong_option_is_named(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        IndexOptions.parse(given)


def test_they_are_stored_with_the_collection() -> None:
    options = IndexOptions(index_type="flat", recall=0.95)  # type: ignore[arg-type]
    info = CollectionInfo(name="docs", dimension=2, metric="cosine", index=options)  # type: ignore[arg-type]
    assert CollectionInfo.from_json(info.to_json()) == info
    older = info.to_json()
    del older["index"]
    assert CollectionInfo.from_json(older).index == IndexOptions()


async def test_an_open_collection_keeps_its_options() -> None:
    async with vpa.connect("mock://") as db:
        made = await db.create_collection("docs", dimension=2, index={"recall": 0.95})
        assert made.info.index.recall == 0.95
        again = await db.create_collection("docs", dimension=2, exist_ok=True)
        assert again.info.index.recall == 0.95
        with pytest.raises(ConfigurationError, match=r"recall=0\.95.*recall=0\.9,"):
            await db.create_collection("docs", dimension=2, index={"recall": 0.9}, exist_ok=True)


async def test_a_store_with_an_index_of_its_own_refuses_them() -> None:
    from vpa.testing.fakes import WeakStore

    manager = vpa.VectorDatabaseManager(vpa.VectorDatabaseConfig(), store=WeakStore())  # type: ignore[call-arg]
    async with manager as db:
        with pytest.raises(ConfigurationError, match="has an index of its own"):
            await db.create_collection("docs", dimension=2, index={"index_type": "flat"})
        await db.create_collection("docs", dimension=2, index={})


async def test_a_url_says_what_new_collections_get() -> None:
    async with vpa.connect("mock://?recall=0.95&quantization=binary&originals=false") as db:
        docs = await db.create_collection("docs", dimension=3)
        assert docs.info.index == IndexOptions.parse({"recall": 0.95, "quantization": "binary", "originals": False})
        other = await db.create_collection("other", dimension=3, index={"recall": 0.9})
        assert other.info.index == IndexOptions(recall=0.9)
