"""What Haystack's own tests of a document store do not ask: retrieval, policies, filters on a document's own fields."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haystack import Document, Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from hypothesis import given, settings
from hypothesis import strategies as st

import vpa
from vpa.base.errors import ClosedError, ConfigurationError, DimensionMismatchError, InvalidRecordError
from vpa.integrations.haystack import VPADocumentStore


@pytest.fixture
def store() -> Iterator[VPADocumentStore]:
    made = VPADocumentStore(dimension=2, tenant="acme")
    yield made
    made.close()


def line(count: int) -> list[Document]:
    """Documents d0, d1, … ever further in the direction of the second axis."""
    return [Document(id=f"d{n}", content=f"text {n}", meta={"n": n}, embedding=[1.0, float(n)]) for n in range(count)]


def ids(documents: list[Document]) -> set[str]:
    return {document.id for document in documents}


def equal(field: str, value: Any, *, operator: str = "==") -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


# Retrieval


async def test_retrieval_finds_embedded_documents_only_and_keeps_filters(store: VPADocumentStore) -> None:
    await store.write_documents_async([*line(5), Document(id="bare", content="x", meta={"n": 1})])
    found = await store.embedding_retrieval_async([0.0, 1.0], filters=equal("meta.n", 4, operator="<"), top_k=3)
    assert [(document.id, document.score) for document in found] == [("d3", 3.0), ("d2", 2.0), ("d1", 1.0)]
    assert store.count_documents() == 6


def test_documents_without_an_embedding_take_no_place_among_the_nearest(store: VPADocumentStore) -> None:
    # Of two hundred placeholders many lie nearer to the query than these three.
    far = [Document(id=f"far{n}", content="x", embedding=[-1.0, -1.0 - n]) for n in range(3)]
    store.write_documents([*far, *(Document(id=f"bare{n}", content="x") for n in range(200))])
    assert [document.id for document in store.embedding_retrieval([0.0, 1.0], top_k=3)] == ["far0", "far1", "far2"]
    assert len(store.filter_documents(equal("embedding", None))) == 200
    assert ids(store.filter_documents(equal("embedding", None, operator="!="))) == ids(far)


def test_retrieval_returns_embeddings_on_demand_and_respects_a_threshold(store: VPADocumentStore) -> None:
    store.write_documents(line(5))
    plain = store.embedding_retrieval([0.0, 1.0], score_threshold=3.0)
    assert [(document.id, document.embedding) for document in plain] == [("d4", None), ("d3", None)]
    [nearest] = store.embedding_retrieval([0.0, 1.0], top_k=1, return_embedding=True)
    assert nearest.embedding == [1.0, 4.0]
    assert store.embedding_retrieval([0.0, 1.0], top_k=0) == []


def test_a_retrieval_by_content_or_id_goes_as_deep_as_it_must(store: VPADocumentStore) -> None:
    store.write_documents(line(300))
    query = [0.0, 1.0]
    by_content = {"filters": equal("content", ["text 3", "text 7", "text 250"], operator="in")}
    assert [document.id for document in store.embedding_retrieval(query, top_k=2, **by_content)] == ["d250", "d7"]
    by_id = {"filters": equal("id", ["d3", "d7", "nobody"], operator="in")}
    found = store.embedding_retrieval(query, top_k=5, return_embedding=True, **by_id)
    assert [(document.id, document.score, document.embedding) for document in found] == [
        ("d7", 7.0, [1.0, 7.0]),
        ("d3", 3.0, [1.0, 3.0]),
    ]
    assert [document.id for document in store.embedding_retrieval(query, score_threshold=5.0, **by_id)] == ["d7"]
    without = {"filters": equal("id", "d299", operator="!=")}
    assert [document.id for document in store.embedding_retrieval(query, top_k=1, **without)] == ["d298"]


# Policies


def test_the_policies_count_as_haystacks_own_store_does(store: VPADocumentStore) -> None:
    first, second = Document(id="1", content="first"), Document(id="1", content="second")
    other = Document(id="2", content="other")
    with pytest.raises(DuplicateDocumentError, match="'1' occurs twice"):
        store.write_documents([first, second])
    assert store.count_documents() == 0
    assert store.write_documents([first, second, other], policy=DuplicatePolicy.SKIP) == 2
    assert ids(store.filter_documents(equal("content", "first"))) == {"1"}
    assert store.write_documents([other, second], policy=DuplicatePolicy.SKIP) == 0
    assert store.write_documents([first, second], policy=DuplicatePolicy.OVERWRITE) == 2
    assert ids(store.filter_documents(equal("content", "second"))) == {"1"}
    with pytest.raises(DuplicateDocumentError):
        store.write_documents([other, Document(id="3")], policy=DuplicatePolicy.FAIL)
    assert store.write_documents([]) == 0
    assert store.count_documents() == 2


# Filters


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (equal("id", "d1"), {"d1"}),
        (equal("id", "nobody"), set()),
        (equal("id", ""), set()),
        (equal("id", 5), set()),
        (equal("id", ["d1", "d2", "d1"], operator="in"), {"d1", "d2"}),
        (equal("id", ["d1", "d2"], operator="not in"), {"d0", "d3"}),
        (equal("content", "text 2"), {"d2"}),
        (equal("content", None), set()),
        (equal("content", None, operator="!="), {"d0", "d1", "d2", "d3"}),
        (equal("n", 2), {"d2"}),
        (equal("meta.n", [1, 3], operator="in"), {"d1", "d3"}),
        (equal("meta.id", "d1"), set()),
        ({"operator": "AND", "conditions": [equal("id", ["d1", "d2"], operator="in"), equal("n", 2)]}, {"d2"}),
        ({"operator": "OR", "conditions": [equal("id", "d1"), equal("n", 3)]}, {"d1", "d3"}),
        ({"operator": "NOT", "conditions": [equal("content", "text 0"), equal("n", 0)]}, {"d1", "d2", "d3"}),
        (
            {
                "operator": "AND",
                "conditions": [
                    {"operator": "NOT", "conditions": [equal("id", "d0")]},
                    {"operator": "OR", "conditions": [equal("n", 0), equal("meta.n", 1, operator=">")]},
                ],
            },
            {"d2", "d3"},
        ),
        ({"operator": "OR", "conditions": []}, set()),
        ({"operator": "AND", "conditions": []}, {"d0", "d1", "d2", "d3"}),
    ],
)
def test_filters_see_a_documents_own_fields(store: VPADocumentStore, filters: Any, expected: set[str]) -> None:
    store.write_documents(line(4))
    assert ids(store.filter_documents(filters)) == expected
    assert store.count_documents_by_filter(filters) == len(expected)
    assert store.get_metadata_field_unique_values("n", filters=filters)[1] == len(expected)
    assert store.count_unique_metadata_by_filter(filters, ["meta.n"]) == {"n": len(expected)}
    assert ids(store.embedding_retrieval([0.0, 1.0], filters=filters)) == expected
    if filters == {"operator": "AND", "conditions": []}:
        with pytest.raises(FilterError, match="holds for every document"):
            store.update_by_filter(filters, {"seen": True})
        with pytest.raises(FilterError, match="holds for every document"):
            store.delete_by_filter(filters)
        return
    assert store.update_by_filter(filters, {"seen": True}) == len(expected)
    assert ids(store.filter_documents(equal("meta.seen", True))) == expected
    assert store.delete_by_filter(filters) == len(expected)
    assert store.count_documents() == 4 - len(expected)


def test_dates_are_compared_as_iso_text_and_moments_as_moments(store: VPADocumentStore) -> None:
    from datetime import UTC, date, datetime

    store.write_documents(
        [
            Document(id="day", meta={"at": "2021-05-01"}),
            Document(id="moment", meta={"at": "2021-05-02T10:00:00+02:00"}),
            Document(id="objects", meta={"at": datetime(2021, 5, 3), "day": date(2021, 5, 3)}),
        ]
    )
    assert ids(store.filter_documents(equal("meta.at", "2021-05-02", operator=">="))) == {"moment", "objects"}
    assert ids(store.filter_documents(equal("meta.at", "2021-05-02T08:00:00Z"))) == {"moment"}
    assert ids(store.filter_documents(equal("meta.at", datetime(2021, 5, 2, 8, tzinfo=UTC)))) == {"moment"}
    assert ids(store.filter_documents(equal("meta.day", date(2021, 5, 3)))) == {"objects"}


@pytest.mark.parametrize(
    "filters",
    [
        equal("meta", {"n": 1}),
        equal("blob", None),
        equal("embedding", [1.0, 2.0]),
        equal("meta.tags", ["a"]),
        equal("meta.tags", {"a": 1}),
        equal("meta.n", "soon", operator=">"),
        equal("content", "soon", operator="<="),
        equal("meta.n", 1, operator="~"),
        equal(5, 1),  # type: ignore[arg-type]
        {"operator": "XOR", "conditions": []},
        {"operator": "AND", "conditions": equal("meta.n", 1)},
        {"operator": "AND", "conditions": ["n = 1"]},
        {"n": 1},
    ],
)
async def test_a_filter_that_means_nothing_is_a_filter_error(store: VPADocumentStore, filters: Any) -> None:
    with pytest.raises(FilterError):
        store.filter_documents(filters)
    with pytest.raises(FilterError):
        await store.embedding_retrieval_async([0.0, 1.0], filters=filters)


def test_filters_of_vpa_are_answered_with_haystacks(store: VPADocumentStore) -> None:
    for wrong in (vpa.F("n") > 3, {"n": {"$gt": 3}}, [{"field": "meta.n"}]):
        with pytest.raises(FilterError, match=r'Haystack\'s notation.*"field": "meta\.year"'):
            store.filter_documents(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="filter_documents takes filters, not where"):
        store.filter_documents(where={})  # type: ignore[call-arg]


def test_a_policy_may_be_its_name(store: VPADocumentStore) -> None:
    document = Document(id="p", content="x", embedding=[1.0, 2.0])
    assert store.write_documents([document], policy="overwrite") == 1
    assert store.write_documents([document], policy="SKIP") == 0
    with pytest.raises(ValueError, match="policy is one of"):
        store.write_documents([document], policy="replace")


def test_an_empty_filter_changes_nothing(store: VPADocumentStore) -> None:
    store.write_documents(line(2))
    with pytest.raises(FilterError, match="delete_all_documents"):
        store.delete_by_filter({})
    with pytest.raises(FilterError):
        store.update_by_filter({}, {"seen": True})
    assert store.count_documents() == 2


# What is kept


def test_overlapping_parts_of_a_splitter_are_written_and_come_back(store: VPADocumentStore) -> None:
    pipeline = Pipeline()
    pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=4, split_overlap=2))
    pipeline.add_component("write", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    pipeline.connect("split.documents", "write.documents")
    text = Document(content="one two three four five six seven eight nine", meta={"source": "count"})
    split = {"split": {"documents": [text]}}
    written = pipeline.run(split, include_outputs_from={"split"})
    parts = written["split"]["documents"]
    assert len(parts) > 2
    assert written["write"]["documents_written"] == len(parts)
    assert any(part.meta["_split_overlap"] for part in parts)
    read = {document.id: document.meta for document in store.filter_documents()}
    # The splitter writes ranges as tuples, which JSON reads back as lists.
    assert read == {part.id: json.loads(json.dumps(part.meta)) for part in parts}
    assert ids(store.filter_documents(equal("meta.split_id", 0))) == {parts[0].id}


KEPT_AS_JSON: dict[str, Any] = {
    "lists of mappings": [{"a": 1}, {"a": None}],
    "lists of lists": [[1, 2], ["x"]],
    "mixed lists": [1, "a", True, None, 2.5],
    "nested": {"deep": {"list": [{"x": [1, [2]]}], "n": 3}, "$odd": 1},
    "too large": 2**70,
    "NUL": "a\0b",
    "looks like JSON": "vpa:json:[1]",
    "list that looks like JSON": ["vpa:json:[1]", "b"],
    "inside": {"text": "vpa:json:{", "more": ["é", "\n"]},
    "plain": {"text": "a", "list": [1, 2], "none": None, "empty": {}, "nothing": []},
}


@pytest.mark.parametrize("value", KEPT_AS_JSON.values(), ids=KEPT_AS_JSON.keys())
def test_metadata_that_records_cannot_hold_comes_back_too(store: VPADocumentStore, value: Any) -> None:
    document = Document(id="1", content="x", meta={"value": value, "n": 1})
    store.write_documents([document, Document(id="2", content="y")])
    assert store.filter_documents(equal("meta.n", 1)) == [document]
    assert store.update_by_filter(equal("id", "2"), {"value": value}) == 1
    assert store.filter_documents(equal("id", "2"))[0].meta == {"value": value}
    assert store.filter_documents(equal("meta.missing", None, operator="!=")) == []


_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
)
_KEYS = st.text("abc.$_ é", min_size=1, max_size=5)
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4))


@given(values=st.lists(_JSON, min_size=1, max_size=5))
@settings(max_examples=50)
def test_whatever_json_holds_comes_back_as_it_was(values: list[Any]) -> None:
    with VPADocumentStore(dimension=2) as store:
        documents = [Document(id=str(n), content="x", meta={"value": value}) for n, value in enumerate(values)]
        store.write_documents(documents)
        read = {document.id: document for document in store.filter_documents()}
    assert [repr(read[document.id].meta) for document in documents] == [repr(document.meta) for document in documents]


def test_a_text_that_looks_like_json_is_found_by_itself(store: VPADocumentStore) -> None:
    store.write_documents([Document(id="1", meta={"x": "vpa:json:[1]"}), Document(id="2", meta={"x": [[1]]})])
    assert ids(store.filter_documents(equal("x", "vpa:json:[1]"))) == {"1"}
    assert ids(store.filter_documents(equal("x", ["vpa:json:[1]"], operator="in"))) == {"1"}
    assert store.get_metadata_field_unique_values("x") == ([[[1]], "vpa:json:[1]"], 2)
    assert store.get_metadata_field_min_max("x") == {"min": None, "max": None}
    assert store.get_metadata_fields_info() == {"x": {"type": "keyword"}}


def test_what_is_no_json_is_refused_with_its_place(store: VPADocumentStore) -> None:
    with pytest.raises(InvalidRecordError, match=r"'1'.*'x'"):
        store.write_documents([Document(id="1", meta={"x": object()})])
    with pytest.raises(InvalidRecordError, match="blob"):
        store.write_documents([Document(id="1", blob=ByteStream(b"x", meta={"x": object()}))])


def test_blob_sparse_embedding_and_score_are_kept(store: VPADocumentStore) -> None:
    documents = [
        Document(id="1", blob=ByteStream(b"\x00\xff", meta={"name": "x"}, mime_type="image/png"), embedding=[0.5, 1.0]),
        Document(id="2", content="a", sparse_embedding=SparseEmbedding(indices=[1, 7], values=[0.5, 2.0])),
        Document(id="3", content="", score=0.25),
    ]
    store.write_documents(documents)
    assert sorted(store.filter_documents(), key=lambda document: document.id) == documents
    [found] = store.embedding_retrieval([1.0, 1.0])
    assert (found.score, found.blob) == (1.5, documents[0].blob)


def test_an_embedding_is_kept_once_in_float32(tmp_path: Path) -> None:
    with VPADocumentStore(place=f"mock://{tmp_path}") as store:
        store.write_documents([Document(id="1", content="x", embedding=[0.1, 0.2]), Document(id="2", content="y")])
        [document] = store.filter_documents(equal("id", "1"))
        assert document.embedding == pytest.approx([0.1, 0.2])
    with vpa.sync.connect(f"mock://{tmp_path}") as db:
        records = {record.id: record.system for record in db.collection("haystack").scan()}
    assert records == {"1": {}, "2": {"no_embedding": True}}


def test_no_two_documents_share_the_vector_that_stands_for_no_embedding(tmp_path: Path) -> None:
    bare = [Document(id=f"{n}", content="x") for n in range(50)]
    with VPADocumentStore(place=f"mock://{tmp_path}", dimension=8) as store:
        store.write_documents(bare)
    with vpa.sync.connect(f"mock://{tmp_path}") as db:
        first = {record.id: tuple(record.vector) for record in db.collection("haystack").scan()}
    assert len(set(first.values())) == 50
    with VPADocumentStore(place=f"mock://{tmp_path}") as store:
        store.write_documents(bare[::-1], policy=DuplicatePolicy.OVERWRITE)
    with vpa.sync.connect(f"mock://{tmp_path}") as db:
        assert {record.id: tuple(record.vector) for record in db.collection("haystack").scan()} == first


def test_embeddings_are_left_out_where_the_store_was_told_to() -> None:
    with VPADocumentStore(return_embedding=False) as store:
        store.write_documents(line(1))
        assert [document.embedding for document in store.filter_documents()] == [None]


# The collection


def test_reading_makes_no_collection_and_the_first_embedding_says_the_dimension(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    with VPADocumentStore(place=place) as store:
        assert store.count_documents() == 0
        assert store.filter_documents() == []
        assert store.embedding_retrieval([0.1, 0.2]) == []
        assert store.count_unique_metadata_by_filter({}, ["n"]) == {"n": 0}
        store.delete_all_documents(recreate_index=True)
        with vpa.sync.connect(place, read_only=True) as db:
            assert db.list_collections() == []
        store.write_documents([Document(id="bare"), *line(2)])
        assert store.count_documents() == 3
        with pytest.raises(DimensionMismatchError, match="3"):
            store.write_documents([Document(id="other", embedding=[1.0, 2.0, 3.0])])
    with VPADocumentStore(place=place) as again:
        # Without an embedding it fits into what exists.
        again.write_documents([Document(id="bare too")])
        assert again.count_documents() == 4


async def test_recreating_the_index_spares_the_documents_of_others(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    with VPADocumentStore(place=place, tenant="a") as mine, VPADocumentStore(place=place, tenant="b") as theirs:
        mine.write_documents(line(2))
        theirs.write_documents(line(3))
        mine.delete_all_documents(recreate_index=True)
        assert (mine.count_documents(), theirs.count_documents()) == (0, 3)
        await theirs.delete_all_documents_async(recreate_index=True)
        with vpa.sync.connect(place, read_only=True) as db:
            assert db.list_collections() == []
        mine.write_documents(line(1))
        assert (mine.count_documents(), theirs.count_documents()) == (1, 0)


def test_a_recreated_index_takes_another_dimension() -> None:
    with VPADocumentStore() as store:
        store.write_documents(line(2))
        store.delete_all_documents(recreate_index=True)
        store.write_documents([Document(id="wide", embedding=[1.0, 2.0, 3.0])])
        assert store.count_documents() == 1


def test_a_metric_is_that_of_the_collection_unless_it_is_given(tmp_path: Path) -> None:
    place = f"mock://{tmp_path}"
    with VPADocumentStore(place=place, metric="cosine") as store:
        store.write_documents(line(3))
        with VPADocumentStore(place=place) as again:
            assert again.embedding_retrieval([2.0, 0.0])[0].score == pytest.approx(1.0)
        with VPADocumentStore(place=place, metric="dot") as other, pytest.raises(ConfigurationError, match="cosine"):
            other.count_documents()
    with VPADocumentStore(place=place, collection="new") as new:
        new.write_documents(line(3))
        assert new.embedding_retrieval([2.0, 0.0])[0].score == 2.0


# Opening and closing


async def test_eight_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    for place in ("mock://", f"mock://{tmp_path}"):
        store = VPADocumentStore(place=place)
        writes = [store.write_documents_async([Document(id=f"{n}", embedding=[1.0, float(n)])]) for n in range(8)]
        assert await asyncio.gather(*writes) == [1] * 8
        assert await store.count_documents_async() == 8
        store.close()


def test_two_stores_on_one_directory_see_each_others_documents(tmp_path: Path) -> None:
    with VPADocumentStore(place=f"mock://{tmp_path}") as first, VPADocumentStore(place=f"mock://{tmp_path}") as second:
        first.write_documents(line(2))
        assert second.count_documents() == 2
        second.write_documents([Document(id="more", embedding=[1.0, 1.0])])
        first.close()
        assert second.count_documents() == 3


async def test_a_manager_or_collection_of_the_caller_may_be_the_place() -> None:
    async with vpa.connect("mock://") as db:
        with VPADocumentStore(place=db, collection="docs") as first:
            assert await first.write_documents_async(line(2)) == 2
            assert await asyncio.to_thread(first.count_documents) == 2
        with VPADocumentStore(place=await db.collection("docs")) as second:
            assert await second.count_documents_async() == 2
            # Who gave it holds it still.
            await second.delete_all_documents_async(recreate_index=True)
        assert await (await db.collection("docs")).count() == 0


def test_a_manager_without_await_may_be_the_place() -> None:
    with vpa.sync.connect("mock://") as db:
        with VPADocumentStore(place=db, collection="docs") as store:
            store.write_documents(line(2))
        assert db.collection("docs").count() == 2


async def test_a_closed_store_says_so(store: VPADocumentStore) -> None:
    store.write_documents(line(1))
    store.close()
    store.close()
    with pytest.raises(ClosedError):
        store.count_documents()
    with pytest.raises(ClosedError):
        await store.write_documents_async(line(1))
    unused = VPADocumentStore()
    unused.close()
    with pytest.raises(ClosedError):
        unused.count_documents()
