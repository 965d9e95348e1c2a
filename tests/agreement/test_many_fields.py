"""Records with thousands of fields: kept whole and found by each of them, or refused by a named error."""

from __future__ import annotations

import numpy as np
import pytest

from deployments import STORES, RunningStores
from vpa.base import errors
from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F

FIELDS = 5_000


@pytest.mark.parametrize("form", STORES)
async def test_a_record_with_thousands_of_fields(stores: RunningStores, form: str) -> None:
    wide = {f"field {n}": n if n % 2 else f"value {n}" for n in range(FIELDS)}
    async with VectorDatabaseManager(stores.config(form)) as db:
        docs = await db.create_collection("many-fields", dimension=3)
        try:
            await docs.upsert([Record("narrow", vector=[1, 0, 0], metadata={"field 1": 1})])
            try:
                await docs.upsert([Record("wide", vector=np.ones(3), metadata=wide)])
            except errors.VectorDatabaseError as error:
                assert isinstance(error, errors.InvalidRecordError), error
                assert "wide" in str(error)
                # Nothing of it is there.
                assert await docs.count() == 1
                return
            [found] = await docs.get(["wide"])
            assert found.metadata == wide
            for n in (0, 1, 2_498, 4_999):
                name = f"field {n}"
                assert {one.id for one in await docs.search(vector=[1, 1, 1], filter={name: wide[name]})} >= {"wide"}
                assert await docs.count(filter=F(name) == wide[name]) == (2 if n == 1 else 1)
            assert (await docs.search(vector=[1, 1, 1], filter=F("field 4999") > 4_998)).ids == ["wide"]
            assert (await docs.search(vector=[1, 1, 1], filter=F("field 4998").starts_with("value 4"))).ids == ["wide"]
            # Of a field that no record has nothing is found, and nothing else happens.
            assert (await docs.search(vector=[1, 1, 1], filter=F("field 5000") > 1)).ids == []
        finally:
            await db.drop_collection("many-fields")
