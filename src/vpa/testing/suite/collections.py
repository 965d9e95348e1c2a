"""Collections: names, what is stored with them, and every way to ask for one that is not as expected."""

from __future__ import annotations

import pytest

from vpa.base import errors
from vpa.base.records import FORMAT_VERSION, LAYOUT_VERSION, EmbeddingIdentity, Metric, Record
from vpa.client.manager import VectorDatabaseManager
from vpa.testing.suite.base import DIMENSION, StoreSuite, vector

BAD_NAMES = ("", " ab", "ab ", "a\nb", "a\0b", "a\u200bb", "\ud800", "a" * 129, "ä" * 65)
NAMES = ("RAG files {}", "Docs.{}", "7-{}_", "../{}", "ä'\"{}", "%{}\\", "{}" + "_" * 60, "ß" * 40 + "{}")
MODEL = EmbeddingIdentity(name="model-a", revision="1", dimension=DIMENSION)
OTHER = EmbeddingIdentity(name="model-b", revision="1", dimension=DIMENSION)


class CollectionSuite(StoreSuite):
    """create, collection, list, drop, and the identity of the model."""

    @pytest.mark.parametrize("metric", list(Metric))
    async def test_a_new_collection_is_described_as_it_was_made(
        self, db: VectorDatabaseManager, name: str, metric: Metric
    ) -> None:
        made = await db.create_collection(name, dimension=DIMENSION, metric=metric, embedding=MODEL)
        info = (await db.collection(name)).info
        assert info == made.info
        assert (info.name, info.dimension, info.metric, info.embedding) == (name, DIMENSION, metric, MODEL)
        assert (info.format_version, info.layout_version) == (FORMAT_VERSION, LAYOUT_VERSION)

    async def test_a_collection_that_is_made_again_has_another_identity(
        self, db: VectorDatabaseManager, name: str
    ) -> None:
        first = (await db.create_collection(name, dimension=DIMENSION)).info.identity
        again = await db.create_collection(name, dimension=DIMENSION, exist_ok=True)
        assert first == again.info.identity == (await db.collection(name)).info.identity != ""
        await db.drop_collection(name)
        assert (await db.create_collection(name, dimension=DIMENSION)).info.identity not in ("", first)

    async def test_a_new_collection_is_listed_once_and_empty(self, db: VectorDatabaseManager, name: str) -> None:
        docs = await db.create_collection(name, dimension=DIMENSION)
        assert (await db.list_collections()).count(name) == 1
        assert await docs.count() == 0
        assert list(await docs.search(vector=vector(1))) == []

    async def test_names_are_listed_in_order(self, db: VectorDatabaseManager, name: str) -> None:
        for suffix in ("c", "a", "b"):
            await db.create_collection(name + suffix, dimension=2)
        names = [found for found in await db.list_collections() if found.startswith(name)]
        assert names == [name + "a", name + "b", name + "c"]

    @pytest.mark.parametrize("form", NAMES)
    async def test_a_name_of_any_characters_is_kept(self, db: VectorDatabaseManager, name: str, form: str) -> None:
        odd = form.format(name)
        docs = await db.create_collection(odd, dimension=2)
        await docs.upsert([Record(id="a", vector=[1.0, 0.0], metadata={"n": 1})])
        assert (await db.list_collections()).count(odd) == 1
        again = await db.collection(odd)
        assert again.name == odd
        assert [match.id for match in await again.search(vector=[1.0, 0.0])] == ["a"]
        assert [record.metadata async for record in again.scan()] == [{"n": 1}]
        await db.drop_collection(odd)
        assert odd not in await db.list_collections()
        with pytest.raises(errors.CollectionNotFoundError):
            await db.collection(odd)

    async def test_names_of_another_case_are_others(self, db: VectorDatabaseManager, name: str) -> None:
        for position, one in enumerate((f"ab-{name}", f"AB-{name}", f"Ab-{name}", f"aB-{name}")):
            docs = await db.create_collection(one, dimension=2)
            await docs.upsert([Record(id=str(position), vector=[1.0, 0.0])])
        for position, one in enumerate((f"ab-{name}", f"AB-{name}", f"Ab-{name}", f"aB-{name}")):
            assert [record.id async for record in (await db.collection(one)).scan()] == [str(position)]

    @pytest.mark.parametrize("bad", BAD_NAMES)
    async def test_a_bad_name_is_refused(self, db: VectorDatabaseManager, bad: str) -> None:
        with pytest.raises(errors.ConfigurationError):
            await db.create_collection(bad, dimension=2)

    async def test_creating_it_twice_is_an_error(self, db: VectorDatabaseManager, name: str) -> None:
        await db.create_collection(name, dimension=2)
        with pytest.raises(errors.CollectionExistsError, match=name):
            await db.create_collection(name, dimension=2)

    async def test_creating_it_twice_with_exist_ok_keeps_the_records(
        self, db: VectorDatabaseManager, name: str
    ) -> None:
        docs = await db.create_collection(name, dimension=2)
        await docs.upsert([Record("a", vector=[1, 0])])
        again = await db.create_collection(name, dimension=2, exist_ok=True)
        assert await again.count() == 1

    @pytest.mark.parametrize("exist_ok", [True, False])
    async def test_another_dimension_is_an_error_with_both_numbers(
        self, db: VectorDatabaseManager, name: str, exist_ok: bool
    ) -> None:
        await db.create_collection(name, dimension=3)
        with pytest.raises(errors.DimensionMismatchError, match=r"3.*7|7.*3"):
            await db.create_collection(name, dimension=7, exist_ok=exist_ok)

    @pytest.mark.parametrize("exist_ok", [True, False])
    async def test_another_metric_is_an_error_with_both_names(
        self, db: VectorDatabaseManager, name: str, exist_ok: bool
    ) -> None:
        await db.create_collection(name, dimension=3, metric="dot")
        with pytest.raises(errors.ConfigurationError, match=r"dot.*euclidean"):
            await db.create_collection(name, dimension=3, metric="euclidean", exist_ok=exist_ok)

    async def test_opening_with_another_dimension_is_an_error(self, db: VectorDatabaseManager, name: str) -> None:
        await db.create_collection(name, dimension=3)
        with pytest.raises(errors.DimensionMismatchError):
            await db.collection(name, dimension=4)

    async def test_opening_with_another_metric_is_an_error(self, db: VectorDatabaseManager, name: str) -> None:
        await db.create_collection(name, dimension=3)
        with pytest.raises(errors.ConfigurationError):
            await db.collection(name, metric="dot")

    async def test_opening_what_is_not_there_is_an_error(self, db: VectorDatabaseManager, name: str) -> None:
        with pytest.raises(errors.CollectionNotFoundError, match=name):
            await db.collection(name)

    async def test_dropping_removes_every_record(self, db: VectorDatabaseManager, name: str) -> None:
        docs = await db.create_collection(name, dimension=2)
        await docs.upsert([Record("a", vector=[1, 0])])
        await db.drop_collection(name)
        assert name not in await db.list_collections()
        again = await db.create_collection(name, dimension=5)
        assert await again.count() == 0

    async def test_dropping_what_is_not_there_is_an_error(self, db: VectorDatabaseManager, name: str) -> None:
        with pytest.raises(errors.CollectionNotFoundError):
            await db.drop_collection(name)

    async def test_a_handle_on_a_dropped_collection_says_so(self, db: VectorDatabaseManager, name: str) -> None:
        docs = await db.create_collection(name, dimension=2)
        await db.drop_collection(name)
        with pytest.raises(errors.CollectionNotFoundError):
            await docs.upsert([Record("a", vector=[1, 0])])

    @pytest.mark.parametrize("dimension", [0, -1, 65_536, 2.5, True])
    async def test_an_impossible_dimension_is_refused(
        self, db: VectorDatabaseManager, name: str, dimension: int
    ) -> None:
        with pytest.raises(errors.ConfigurationError):
            await db.create_collection(name, dimension=dimension)

    async def test_an_unknown_metric_is_refused_with_the_known_ones(self, db: VectorDatabaseManager, name: str) -> None:
        with pytest.raises(errors.ConfigurationError, match="cosine, dot, euclidean"):
            await db.create_collection(name, dimension=2, metric="manhattan")  # type: ignore[arg-type]

    async def test_an_empty_collection_adopts_a_model(self, db: VectorDatabaseManager, name: str) -> None:
        await db.create_collection(name, dimension=DIMENSION)
        await db.create_collection(name, dimension=DIMENSION, embedding=MODEL, exist_ok=True)
        assert (await db.collection(name)).info.embedding == MODEL

    async def test_another_model_of_the_same_dimension_is_refused(self, db: VectorDatabaseManager, name: str) -> None:
        await db.create_collection(name, dimension=DIMENSION, embedding=MODEL)
        with pytest.raises(errors.EmbeddingMismatchError, match=r"model-a.*model-b"):
            await db.create_collection(name, dimension=DIMENSION, embedding=OTHER, exist_ok=True)

    async def test_a_collection_with_records_of_an_unknown_model_is_not_adopted(
        self, db: VectorDatabaseManager, name: str
    ) -> None:
        docs = await db.create_collection(name, dimension=DIMENSION)
        await docs.upsert([Record("a", vector=vector(1))])
        with pytest.raises(errors.EmbeddingMismatchError):
            await db.create_collection(name, dimension=DIMENSION, embedding=MODEL, exist_ok=True)

    async def test_a_closed_manager_says_so(self, db: VectorDatabaseManager, name: str) -> None:
        docs = await db.create_collection(name, dimension=2)
        await db.drop_collection(name)
        await db.close()
        with pytest.raises(errors.ClosedError):
            await docs.count()
        with pytest.raises(errors.ClosedError):
            await db.list_collections()
        await db.close()
        await db.connect()

    async def test_a_healthy_store_says_so(self, db: VectorDatabaseManager) -> None:
        health = await db.health()
        assert health["healthy"] is True
        assert health["latency_s"] >= 0
