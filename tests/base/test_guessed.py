"""Names of other libraries, guessed on ours, are answered with what does that here."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import vpa
import vpa.sync
from vpa.base import guessed


def answer(owner: object, name: str) -> str:
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    return str(caught.value)


async def test_verbs_of_other_libraries_are_answered_on_a_collection_and_a_manager() -> None:
    async with vpa.connect("mock://") as db:
        docs = await db.create_collection("docs", dimension=2)
        assert answer(docs, "query").startswith(
            "'Collection' object has no attribute 'query'; here it is search(vector)"
        )
        assert "here it is upsert(records), or add_texts" in answer(docs, "add")
        assert answer(docs, "serch").endswith("here it is search")
        assert answer(docs, "unheard_of").endswith("no attribute 'unheard_of'")
        assert "here it is open_collection" in answer(db, "get_or_create_collection")
        assert "here it is drop_collection" in answer(db, "delete_collection")
        assert not hasattr(docs, "peek")


def test_the_synchronous_twins_answer_alike() -> None:
    with vpa.sync.connect("mock://") as db:
        docs = db.create_collection("docs", dimension=2)
        assert answer(docs, "peek").endswith("here it is scan(limit=10)")
        assert "here it is list_collections" in answer(db, "has_collection")
        assert db.config.provider == vpa.VectorDatabaseProvider.MOCK


def test_fields_systems_and_modules_answer_alike() -> None:
    assert answer(vpa.F("price"), "between").endswith('here it is (F("x") >= low) & (F("x") <= high)')
    assert "starts_with" in answer(vpa.F("price"), "startswith")
    assert repr(copy.copy(vpa.F("a"))) == "F('a')"
    assert answer(vpa, "PersistentClient").endswith("here it is connect(url)")
    assert answer(vpa, "Recrod").endswith("here it is Record")
    assert answer(vpa.sync, "Client") == "module 'vpa.sync' has no attribute 'Client'; here it is connect(url)"
    assert answer(vpa.create_enhanced_rag_system(), "query").endswith("here it is search_knowledge(query)")


@pytest.mark.parametrize(
    ("table", "owner"),
    [
        (guessed.RECORD_VERBS, vpa.Collection),
        (guessed.STORE_VERBS, vpa.VectorDatabaseManager),
        (guessed.DOCUMENT_VERBS, vpa.EnhancedRAGSystem),
        (guessed.FILTER_VERBS, vpa.F),
    ],
)
def test_what_is_named_exists_and_what_is_guessed_does_not(table: dict[str, str], owner: type) -> None:
    names = {name for name, _ in inspect.getmembers(owner)}
    for guess, meant in table.items():
        assert guess not in names, guess
        words = {word.split("(")[0].strip(" ,;") for word in meant.replace("F(", "").split()}
        assert words & names or meant.startswith(("(F", "F(", "the operators", "vpa.", "db.")), (guess, meant)


async def test_parts_of_answers_are_answered_with_ours() -> None:
    async with vpa.connect("embedded://") as db:
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0], text="t", metadata={"n": 1})])
        matches = await docs.search([1, 0])
        for owner, name, meant in (
            (matches, "scores", "match.score for match"),
            (matches, "points", "for match in matches"),
            (matches[0], "payload", "here it is metadata"),
            (matches[0], "page_content", "here it is text"),
            (docs, "dimension", "info, which has metric, dimension"),
            (docs, "list_tenants", "scan_batches(scope=ALL_SCOPES)"),
            (db, "rename_collection", "vpa.migrate(db, db"),
        ):
            with pytest.raises(AttributeError) as caught:
                getattr(owner, name)
            assert meant in str(caught.value)
        assert pickle.loads(pickle.dumps(matches)) == copy.deepcopy(matches) == matches


def test_filters_that_python_reads_otherwise_say_so() -> None:
    for wrong in (
        lambda: vpa.F("y") > 2000 & vpa.F("l") == "go",  # type: ignore[operator]
        lambda: (vpa.F("y") > 1) & {"a": 1},  # type: ignore[operator]
        lambda: vpa.F("y") | vpa.F("z"),
    ):
        with pytest.raises(TypeError, match="put each comparison in parentheses"):
            wrong()
    with pytest.raises(TypeError, match=r"F\('a\.b'\)"):
        vpa.F("a")["b"]
    assert vpa.F("x").is_in("a", "b") == vpa.F("x").is_in(["a", "b"])
    assert vpa.F("x").contains_any(["a", "b"]) == vpa.F("x").contains_any("a", "b")


def test_urls_of_no_store_say_what_is_meant() -> None:
    for url, meant in (
        ("http://localhost:6333", "name the store, as in qdrant"),
        ("memory://", "embedded://"),
        ("pg://localhost", "did you mean 'postgresql'"),
    ):
        with pytest.raises(vpa.ConfigurationError, match=meant):
            vpa.sync.connect(url).connect()


def test_square_brackets_are_answered_with_the_verb() -> None:
    with vpa.sync.connect("embedded://") as db:
        docs = db.create_collection("docs", dimension=2)
        docs.upsert([vpa.Record("a", vector=[1, 0])])
        matches = docs.search([1, 0])
        for call, meant in (
            (lambda: db["docs"], r"collection\(name\)"),
            (lambda: docs["a"], r"get_one\(id\)"),
            (lambda: list(docs), r"scan\(\)"),
            (lambda: matches[0]["id"], r"attributes, \.id"),
        ):
            with pytest.raises(TypeError, match=meant):
                call()
        assert [match.id for match in matches[:1]] == ["a"]
