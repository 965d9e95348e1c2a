"""What newcomers write, taken as it is meant or answered in one line with the name that is meant."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import vpa
import vpa.sync
from vpa import errors
from vpa.base.arguments import explained
from vpa.client.verbs import CollectionVerbs


@pytest.fixture
async def db() -> AsyncIterator[vpa.VectorDatabaseManager]:
    async with vpa.connect("mock://") as manager:
        yield manager


@pytest.fixture
async def docs(db: vpa.VectorDatabaseManager) -> vpa.Collection:
    made = await db.create_collection("docs", dimension=2)
    await made.upsert([{"id": "a", "vector": [1, 0], "metadata": {"n": 1}}, {"id": "b", "vector": [0, 1]}])
    return made


async def test_the_first_argument_needs_no_name(docs: vpa.Collection) -> None:
    assert (await docs.search([1, 0])).ids == ["a", "b"]
    assert [matches.ids[0] for matches in await docs.search_batch([[1, 0], [0, 1]])] == ["a", "b"]
    assert await docs.count({"n": 1}) == 1
    assert await docs.update_metadata(["a", "b"], set={"k": 1}) == 2
    assert await docs.delete(["b"]) == 1
    assert [record.id for record in await docs.get(["a", "b"])] == ["a"]


async def test_one_record_is_asked_for_by_its_id(docs: vpa.Collection) -> None:
    record = await docs.get_one("a")
    assert record is not None
    assert record.metadata == {"n": 1}
    assert await docs.get_one("z") is None
    with pytest.raises(errors.InvalidRecordError, match="get takes a list"):
        await docs.get_one(["a"])  # type: ignore[arg-type]


async def test_texts_in_place_of_vectors_are_answered(docs: vpa.Collection) -> None:
    for wrong in ("rust", ["rust", "go"], ("rust",)):
        with pytest.raises(errors.InvalidQueryError, match=r"texts are given by name: texts="):
            await docs.search_batch(wrong)  # type: ignore[arg-type]


ASKED: list[tuple[str, dict[str, Any], str]] = [
    ("search", {"limit": 5}, "search takes top_k, not limit"),
    ("search", {"n_results": 5}, "search takes top_k, not n_results"),
    ("search", {"query_vector": [1, 0]}, "search takes vector, not query_vector"),
    ("search", {"where": {}}, "search takes filter, not where"),
    ("search", {"filters": {}}, "search takes filter, not filters"),
    ("search", {"namespace": "x"}, r"search takes scope, not namespace: scope=vpa\.Scope"),
    ("search", {"with_payload": True}, "texts and metadata always come along"),
    ("search", {"include_values": True}, "search takes include_vectors, not include_values"),
    ("search", {"tpo_k": 3}, "search takes top_k, not tpo_k"),
    ("search", {"zzz": 3}, "search takes no zzz; it takes vector, text, sparse, mode, fusion, top_k"),
    ("search_batch", {"query_embeddings": [[1, 0]]}, "search_batch takes vectors, not query_embeddings"),
    ("upsert", {"embeddings": [[1, 0]]}, r"upsert takes records, not embeddings: .*from_columns"),
    ("upsert", {"documents": ["x"]}, "upsert takes records, not documents"),
    ("update_metadata", {"payload": {}}, "update_metadata takes set, not payload"),
    ("delete", {"where": {}}, "delete takes filter, not where"),
    ("get", {"id": "a"}, "get takes ids, not id"),
    ("get", {"where": {}}, r"no where: get takes ids; records by filter: scan\(filter=…"),
    ("get", {"limit": 3}, r"no limit: get takes ids; some records, whichever: scan\("),
    ("get", {"offset": 3}, r"scan_batches\(batch_size=…, cursor=…\)"),
    ("upsert", {"ids": ["a"], "embeddings": [[1, 0]]}, r"upsert takes records, not ids: .*from_columns"),
    ("update_metadata", {"ids": ["a"]}, r"nothing is to be changed; give set="),
    ("upsert", {}, "upsert: missing a required argument: 'records'"),
]


async def test_what_exists_is_opened_whatever_was_not_asked_for(db: vpa.VectorDatabaseManager) -> None:
    made = await db.create_collection("dot", dimension=2, metric="dot", native_fields=["a"])
    assert (await db.create_collection("dot", dimension=2, exist_ok=True)).info == made.info
    assert (await db.create_collection("dot", dimension=2, native_fields=["a"], exist_ok=True)).info == made.info
    for asked in ({"metric": "cosine"}, {"native_fields": ["b"]}):
        with pytest.raises(errors.ConfigurationError, match="asked for"):
            await db.create_collection("dot", dimension=2, exist_ok=True, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [vpa, vpa.sync])
@pytest.mark.parametrize("name", [name for name in vpa.__all__ if inspect.isfunction(getattr(vpa, name))])
async def test_every_function_says_what_it_takes(module: Any, name: str) -> None:
    function = getattr(module, name)
    with pytest.raises(errors.ArgumentError, match=f"{name} takes"):
        await function(zzz=1)


def test_a_place_given_to_the_rag_system_is_one_of_a_manager() -> None:
    with pytest.raises(errors.ArgumentError, match=r"takes manager, not path: vpa\.connect"):
        vpa.sync.create_enhanced_rag_system(path="./x")  # type: ignore[call-arg]


@pytest.mark.parametrize(("verb", "keywords", "message"), ASKED, ids=[f"{verb}-{[*k]}" for verb, k, _ in ASKED])
async def test_a_foreign_or_misspelt_name_is_answered_with_ours(
    docs: vpa.Collection, verb: str, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.ArgumentError, match=message) as caught:
        await getattr(docs, verb)(**keywords)
    assert isinstance(caught.value, TypeError)
    assert caught.value.collection == "docs"


async def test_scans_answer_too_and_so_do_too_many_positions(docs: vpa.Collection) -> None:
    with pytest.raises(errors.ArgumentError, match="scan takes filter, not where"):
        [record async for record in docs.scan(where={})]  # type: ignore[call-arg]
    with pytest.raises(errors.ArgumentError, match="search takes vector by position; give the others by name: text="):
        await docs.search([1, 0], 5)  # type: ignore[call-arg]


async def test_managers_and_connect_answer_too(db: vpa.VectorDatabaseManager) -> None:
    with pytest.raises(errors.ArgumentError, match="create_collection takes dimension, not dim"):
        await db.create_collection("x", dim=2)  # type: ignore[call-arg]
    with pytest.raises(errors.ArgumentError, match="create_collection takes metric, not space"):
        await db.create_collection("x", dimension=2, space="l2")  # type: ignore[call-arg]
    with pytest.raises(errors.ArgumentError, match="connect takes timeout_seconds, not timeout"):
        vpa.connect("mock://", timeout=5)  # type: ignore[call-arg]
    with vpa.sync.connect("mock://") as blocking, pytest.raises(errors.ArgumentError, match="top_k, not k"):
        blocking.create_collection("docs", dimension=2).search(vector=[1, 0], k=3)  # type: ignore[attr-defined]


def test_a_type_error_inside_of_a_function_stays_what_it_is() -> None:
    @explained
    def broken(count: int) -> int:
        return count + "1"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand") as caught:
        broken(1)
    assert not isinstance(caught.value, errors.ArgumentError)


def test_signatures_stay_as_they_are_written() -> None:
    for name, verb in inspect.getmembers(CollectionVerbs, inspect.isfunction):
        kinds = {parameter.kind for parameter in inspect.signature(verb).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, name
        if name in ("scan", "scan_batches"):
            assert inspect.isasyncgenfunction(verb)
        elif not name.startswith("_"):
            assert inspect.iscoroutinefunction(verb), name


async def test_documents_and_files_answer_too(tmp_path: Path) -> None:
    async with vpa.connect("mock://") as db, vpa.create_enhanced_rag_system(manager=db, embedder="hashing") as rag:
        with pytest.raises(errors.ArgumentError, match="search_knowledge takes top_k, not k"):
            await rag.search_knowledge("x", k=3)  # type: ignore[call-arg]
        with pytest.raises(errors.ArgumentError, match="search_knowledge takes filters, not where"):
            await rag.search_knowledge("x", where={})  # type: ignore[call-arg]
        with pytest.raises(errors.ArgumentError, match="add_document takes content, not text"):
            await rag.add_document(document_id="a", text="x")  # type: ignore[call-arg]
        with pytest.raises(errors.ArgumentError, match="add_document takes document_id, not id"):
            await rag.add_document(id="a", content="x")  # type: ignore[call-arg]
        with pytest.raises(errors.ArgumentError, match="import_parquet takes collection, not collection_name"):
            await vpa.import_parquet(db, tmp_path / "x", collection_name="x")  # type: ignore[call-arg]
