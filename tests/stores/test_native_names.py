"""Native fields stand among what a store or the record itself keeps there: the names of that are refused."""

from __future__ import annotations

import pytest

from deployments import PROVIDERS, RunningStores
from vpa.base.errors import ConfigurationError
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager

OF_THE_RECORD = ("id", "text", "metadata", "system", "scope")
REFUSED = {
    "qdrant": (*OF_THE_RECORD, "_vpa", "_vpa_exact", "$x"),
    "chromadb": ("_vpa_scope", "_vpa_t", "chroma:document", "#document"),
    "pinecone": ("_vpa_payload", "$x"),
}


@pytest.mark.parametrize("provider", REFUSED)
async def test_reserved_names_are_refused_at_creation_and_listed(stores: RunningStores, provider: str) -> None:
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider])) as db:
        for name in REFUSED[provider]:
            with pytest.raises(
                ConfigurationError, match=r"native_fields may not name .*reserved are .*'_vpa'"
            ) as found:
                await db.create_collection("names", dimension=3, native_fields=["year", name])
            assert repr(name) in found.value.message
            assert "'year'" not in found.value.message
        assert await db.list_collections() == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_record_keeps_its_own_fields_beside_native_ones_of_their_names(
    stores: RunningStores, provider: str
) -> None:
    refused = REFUSED.get(provider, ())
    names = [name for name in (*OF_THE_RECORD, "document", "v", "k", "c", "n", "p") if name not in refused]
    async with VectorDatabaseManager(stores.config(PROVIDERS[provider])) as db:
        docs = await db.create_collection("names", dimension=3, native_fields=names)
        for text in (None, "text"):
            record = Record("a", vector=[1, 2, 3], text=text, metadata=dict.fromkeys(names, "native"))
            await docs.upsert([record])
            await docs.update_metadata(ids=["a"], set={names[0]: "other"})
            [found] = await docs.get(["a"])
            assert (found.id, found.text, dict(found.system)) == ("a", text, {})
            assert found.metadata == {**record.metadata, names[0]: "other"}
        await db.drop_collection("names")
