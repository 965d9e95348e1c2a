"""The Weaviate test server imitates what the real one's source shows: each trap of the list, seen through the real
client.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import weaviate
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, MetadataQuery, Sort
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInsertManyAllFailedError, WeaviateQueryError

from wire.weaviate_server import Behaviour, weaviate_server


class Opened:
    def __init__(self, client: Any, app: Any) -> None:
        self.client, self.app = client, app

    async def docs(self, distance: VectorDistances = VectorDistances.COSINE) -> Any:
        return await self.client.collections.create(
            "Docs",
            properties=[
                Property(name="word", data_type=DataType.TEXT),
                Property(name="field", data_type=DataType.TEXT, tokenization=Tokenization.FIELD),
                Property(name="whole", data_type=DataType.INT),
                Property(name="number", data_type=DataType.NUMBER),
            ],
            vector_config=Configure.Vectors.self_provided(
                vector_index_config=Configure.VectorIndex.hnsw(distance_metric=distance)
            ),
        )


async def opened(behaviour: Behaviour, key: str | None = None, given: str | None = None) -> AsyncIterator[Opened]:
    with weaviate_server(key=key, behaviour=behaviour) as (url, app):
        parts = urlsplit(url)
        client = weaviate.use_async_with_custom(
            http_host="127.0.0.1",
            http_port=parts.port or 0,
            http_secure=False,
            grpc_host="127.0.0.1",
            grpc_port=int(parse_qs(parts.query)["grpc_port"][0]),
            grpc_secure=False,
            skip_init_checks=True,
            auth_credentials=None if given is None else weaviate.classes.init.Auth.api_key(given),
        )
        try:
            await client.connect()
            yield Opened(client, app)
        finally:
            await client.close()


@pytest.fixture
async def store() -> AsyncIterator[Opened]:
    async for one in opened(Behaviour()):
        yield one


async def fill(docs: Any, rows: list[dict[str, Any]]) -> None:
    await docs.data.insert_many([DataObject(properties=row, vector=[1.0, float(n)]) for n, row in enumerate(rows)])


async def found(docs: Any, chosen: Any) -> set[Any]:
    answer = await docs.query.fetch_objects(limit=100, filters=chosen)
    return {one.properties.get("whole") for one in answer.objects}


async def test_no_key_is_refused() -> None:
    with pytest.raises(UnexpectedStatusCodeError, match="401"):
        async for _ in opened(Behaviour(), key="secret"):
            pass
    async for store in opened(Behaviour(), key="secret", given="secret"):
        assert await store.client.collections.list_all() == {}


async def test_ten_come_by_default_and_ten_thousand_at_most(store: Opened) -> None:
    docs = await store.docs()
    await fill(docs, [{"whole": n} for n in range(15)])
    assert len((await docs.query.fetch_objects()).objects) == 10
    with pytest.raises(WeaviateQueryError, match="maximum results"):
        await docs.query.fetch_objects(limit=10_001)
    with pytest.raises(WeaviateQueryError, match="after"):
        await docs.query.fetch_objects(
            limit=1, after="00000000-0000-0000-0000-000000000001", filters=Filter.by_property("whole").equal(1)
        )


async def test_field_trims_word_splits_and_stop_words_alone_are_an_error(store: Opened) -> None:
    docs = await store.docs()
    await fill(
        docs, [{"whole": 1, "field": " a b ", "word": "Hello-World"}, {"whole": 2, "field": "A b", "word": "hello"}]
    )
    assert await found(docs, Filter.by_property("field").equal("a b")) == {1}
    assert await found(docs, Filter.by_property("word").equal("HELLO")) == {1, 2}
    assert await found(docs, Filter.by_property("word").equal("world hello")) == {1}
    with pytest.raises(WeaviateQueryError, match="stopwords"):
        await found(docs, Filter.by_property("word").equal("the"))


async def test_numbers_are_float64_and_an_int_refuses_a_fraction(store: Opened) -> None:
    docs = await store.docs()
    await fill(docs, [{"number": float(2**53) + 1, "whole": 1}])
    [one] = (await docs.query.fetch_objects()).objects
    assert one.properties["number"] == float(2**53)
    with pytest.raises(WeaviateInsertManyAllFailedError):
        await fill(docs, [{"whole": 1.5}])


async def test_negations_hold_on_missing_fields_and_are_younger_than_1_33(store: Opened) -> None:
    docs = await store.docs()
    await fill(docs, [{"whole": 1, "field": "x"}, {"whole": 2}])
    assert await found(docs, Filter.by_property("field").not_equal("y")) == {1, 2}
    assert await found(docs, Filter.by_property("field").contains_none(["x"])) == {2}
    assert await found(docs, Filter.not_(Filter.by_property("field").equal("x"))) == {2}
    async for old in opened(Behaviour(version="1.32.0")):
        earlier = await old.docs()
        await fill(earlier, [{"whole": 1}])
        with pytest.raises(WeaviateQueryError, match="operator"):
            await found(earlier, Filter.by_property("field").contains_none(["x"]))


async def test_wrong_kinds_unknown_properties_and_classes_are_unknown_errors(store: Opened) -> None:
    docs = await store.docs()
    await fill(docs, [{"whole": 1}])
    for chosen, text in (
        (Filter.by_property("field").equal(1), "data type filter cannot use"),
        (Filter.by_property("nope").equal("x"), "no such prop with name 'nope'"),
    ):
        with pytest.raises(WeaviateQueryError, match=text) as caught:
            await found(docs, chosen)
        assert "UNKNOWN" in str(caught.value.__cause__ or caught.value.__context__)
    with pytest.raises(WeaviateQueryError, match="could not find class"):
        await store.client.collections.get("Nope").query.fetch_objects()


async def test_auto_schema_makes_what_is_missing_unless_it_is_off(store: Opened) -> None:
    await fill(store.client.collections.get("Stray"), [{"made_up": "x"}])
    assert await store.client.collections.exists("Stray")
    async for strict in opened(Behaviour(auto_schema=False)):
        with pytest.raises(WeaviateInsertManyAllFailedError):
            await fill(strict.client.collections.get("Stray"), [{"made_up": "x"}])


async def test_the_first_vector_fixes_the_size_and_errors_are_by_object(store: Opened) -> None:
    docs = await store.docs()
    rows = [DataObject(properties={"whole": n}, vector=[1.0] * (3 if n == 1 else 2)) for n in range(3)]
    answer = await docs.data.insert_many(rows)
    assert list(answer.errors) == [1]
    assert "new node has a vector with length 3" in str(answer.errors[1].message)
    assert (await docs.aggregate.over_all(total_count=True)).total_count == 2
    with pytest.raises(WeaviateQueryError, match="lengths don't match"):
        await docs.query.near_vector([1.0, 2.0, 3.0])


async def test_a_delete_stops_at_the_cap(store: Opened) -> None:
    store.app.behaviour.maximum_results = 4
    docs = await store.docs()
    await fill(docs, [{"whole": n} for n in range(6)])
    answer = await docs.data.delete_many(where=Filter.by_property("whole").greater_or_equal(0))
    assert (answer.matches, answer.successful) == (6, 4)


async def test_names_are_re_cased_and_twins_refused(store: Opened) -> None:
    await store.docs()
    assert await store.client.collections.exists("docs")
    with pytest.raises(UnexpectedStatusCodeError, match="already exists"):
        await store.client.collections.create("dOCS")


async def test_a_filter_of_one_leaf_is_cut_before_the_sort_which_ignores_case(store: Opened) -> None:
    docs = await store.docs()
    await fill(docs, [{"whole": 1, "field": "b"}, {"whole": 2, "field": "C"}, {"whole": 3, "field": "a"}])
    order = Sort.by_property("field", ascending=True)
    everything = Filter.by_property("whole").greater_or_equal(0)
    cut = await docs.query.fetch_objects(limit=2, filters=everything, sort=order)
    assert [one.properties["field"] for one in cut.objects] == ["b", "C"]
    whole = await docs.query.fetch_objects(limit=3, filters=everything & everything, sort=order)
    assert [one.properties["field"] for one in whole.objects] == ["a", "b", "C"]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (VectorDistances.COSINE, [0.0, 0.29289]),
        (VectorDistances.DOT, [-2.0, -2.0]),
        (VectorDistances.L2_SQUARED, [1.0, 2.0]),
    ],
)
async def test_distances_are_weaviates(store: Opened, distance: VectorDistances, expected: list[float]) -> None:
    docs = await store.docs(distance)
    await fill(docs, [{"whole": 0}, {"whole": 1}])
    answer = await docs.query.near_vector([2.0, 0.0], return_metadata=MetadataQuery(distance=True))
    assert [one.metadata.distance for one in answer.objects] == pytest.approx(expected, abs=1e-4)
