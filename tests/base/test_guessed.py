"""Names of other libraries, guessed on ours, are answered with what does that here."""

from __future__ import annotations

import copy
import inspect

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
        assert words & names or meant.startswith(("(F", "F(", "the operators")), (guess, meant)
