"""rerank="light" from documents to results: token vectors are made with documents, and read by searches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vpa
from vpa import errors
from vpa.base.arrays import FloatMatrix
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.compose.rag import token_shelf
from vpa.config.sections.rag import RagOptions
from vpa.config.settings import DeploymentConfig
from vpa.core.enhanced_rag import EnhancedRAGSystem, create_enhanced_rag_system
from vpa.embeddings.contract import Embedder, Kind
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.memory import MemoryShelf
from vpa.rag.tokens.layout import TOKEN_VECTORS
from vpa.stores.config import VectorDatabaseConfig

NAMED = "the order is as it was"


class Words(Embedder):
    """A vector for each word; that of a text is their mean. Notes what it is asked."""

    identity = EmbeddingIdentity(name="words", dimension=8)

    def __init__(self, token_width: int | None = 8) -> None:
        self._width = token_width
        self.texts: list[tuple[str, str]] = []

    @property
    def token_width(self) -> int | None:
        return self._width

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        self.texts += [(kind, text) for text in texts]
        return np.stack([_unit(sum(map(_word, text.split())))[0] for text in texts])

    async def embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
        return await self.embed(texts, kind=kind), [_tokens(text) for text in texts]

    def asked(self, kind: str) -> int:
        return sum(one == kind for one, _ in self.texts)


def _word(word: str) -> np.ndarray:
    seed = int.from_bytes(blake2b(word.lower().strip(".?,").encode(), digest_size=8).digest(), "big")
    return _unit(np.random.default_rng(seed).standard_normal(8))[0]


def _unit(vector: Any) -> FloatMatrix:
    rows = np.atleast_2d(np.asarray(vector, dtype=np.float32))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _tokens(text: str) -> TokenVectors:
    rows = np.stack([_word(word) for word in text.split()])
    spans, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        spans.append((at, at + len(word)))
    return TokenVectors(rows, np.add.reduceat(rows, np.arange(0, len(rows), 16), axis=0), text, spans)


def documents(count: int) -> list[dict[str, Any]]:
    return [
        {"document_id": f"d{n:02}", "title": f"Part {n}", "content": f"Pump {n} needs oil and seal {n * 7} in spring."}
        for n in range(count)
    ]


def system(embedder: Any, **settings: Any) -> EnhancedRAGSystem:
    config = DeploymentConfig(embedding_model="hashing", **{"cache_size_mb": 0, **settings})
    return create_enhanced_rag_system(config, embedder=embedder)


async def light(rag: EnhancedRAGSystem, query: str = "seal 21 pump", **options: Any) -> list[vpa.SearchResult]:
    return await rag.search_knowledge(query, **{"top_k": 10, "rerank": "light", **options})


def notes(results: Sequence[vpa.SearchResult]) -> tuple[str, ...]:
    why = results[0].why
    assert why is not None
    return why.notes


def scores(results: Sequence[vpa.SearchResult]) -> dict[str, float | None]:
    return {result.document_id: None if result.why is None else result.why.reranked for result in results}


# In memory


@pytest.mark.parametrize("mode", [None, "dense", "keyword", "hybrid"])
async def test_results_are_looked_at_again_and_nothing_is_embedded_but_the_question(mode: Any) -> None:
    embedder = Words()
    async with system(embedder) as rag:
        await rag.add_documents(documents(20))
        made = embedder.asked("document")
        assert made == 20
        results = await light(rag, mode=mode)
        assert embedder.asked("document") == made
        # Words alone need no vector of the question, but its tokens.
        assert embedder.asked("query") == 1
        assert notes(results) == ()
        for result in results:
            assert result.why is not None
            assert result.why.reranked is not None
            assert set(result.why.parts) == {"maxsim", "window"}
            assert 1 <= (result.why.rank_before or 0) <= 20
        assert scores(results)["d03"] == max(value or 0.0 for value in scores(results).values())


async def test_none_and_nothing_at_all_leave_the_order() -> None:
    async with system(Words()) as rag:
        await rag.add_documents(documents(20))
        plain = await rag.search_knowledge("seal 21 pump")
        assert await rag.search_knowledge("seal 21 pump", rerank="none") == plain
        assert set(scores(plain).values()) == {None}


async def test_the_setting_is_what_is_meant_where_nothing_is_said() -> None:
    async with system(Words(), rerank="light") as rag:
        await rag.add_documents(documents(20))
        asked = await light(rag)
        assert await rag.search_knowledge("seal 21 pump", top_k=10) == asked
        assert set(scores(await rag.search_knowledge("seal 21 pump", rerank="none")).values()) == {None}


async def test_answers_are_remembered_apart() -> None:
    async with system(Words(), cache_size_mb=10) as rag:
        await rag.add_documents(documents(20))
        for rerank in ("light", "none", "light", "none"):
            results = await rag.search_knowledge("seal 21 pump", rerank=rerank)
            assert (results[0].why is not None and results[0].why.reranked is not None) == (rerank == "light")
        assert (await rag.get_system_stats())["search_statistics"]["cache_hits"] == 2


async def test_what_is_longer_is_reranked_by_chunks_and_with_other_options() -> None:
    async with system(Words(), chunk_size=60, chunk_overlap=10) as rag:
        await rag.add_documents(one | {"content": f"{one['content']} " * 4} for one in documents(12))
        results = await light(
            rag, group_by="document", boosts={"title": 2.0}, diversity=0.2, expand="feedback", fusion="minmax", top_k=4
        )
        assert len({result.document_id for result in results}) == 4
        results = await light(rag, history=["what of pumps?"], expand=lambda question: [question + " oil"])
        assert notes(results) == ()


async def test_neighbours_count_from_500_records_on() -> None:
    embedder = Words()
    async with system(embedder) as rag:
        await rag.add_documents(documents(499))
        for mode in ("dense", "hybrid"):
            [result, *_] = await light(rag, mode=mode)
            assert result.why is not None
            assert "neighbours" not in result.why.parts
        await rag.add_document(document_id="last", content="One more.")
        for mode in ("dense", "hybrid"):
            [result, *_] = await light(rag, mode=mode)
            assert result.why is not None
            assert "neighbours" in result.why.parts


# What is missing


async def test_a_handful_that_is_missing_is_made_and_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Words()
    async with system(embedder) as rag:
        await rag.add_documents(documents(12))
        shelf = rag._tokens._shelf
        assert isinstance(shelf, MemoryShelf)
        held = dict(shelf._values)
        before = scores(await light(rag))

        shelf.put(dict.fromkeys(held, b""))
        shelf._drop(list(shelf._values))
        shelf.put(dict(list(held.items())[5:]))
        embedder.texts.clear()
        again = await light(rag)
        assert scores(again) == before
        assert (embedder.asked("document"), notes(again)) == (5, ())
        assert dict(shelf.get(list(held))) == held

        shelf._drop(list(shelf._values))
        shelf.put(dict(list(held.items())[6:]))
        embedder.texts.clear()
        again = await light(rag)
        assert embedder.asked("document") == 0
        assert notes(again)[0].startswith("6 of 12 candidates have no token vectors; they are made when documents are")

        shelf._drop(list(shelf._values))
        plain = await rag.search_knowledge("seal 21 pump", top_k=10)
        none = await light(rag)
        assert [result.document_id for result in none] == [result.document_id for result in plain]
        assert notes(none)[0].startswith(f"none of the 12 candidates has token vectors: {NAMED}; ")


async def test_with_too_little_room_the_oldest_are_missing() -> None:
    async with system(Words(), token_vectors_mb=0.003) as rag:
        await rag.add_documents(documents(20))
        assert "candidates have no token vectors" in notes(await light(rag))[0]
    async with system(Words(), token_vectors_mb=0) as rag:
        await rag.add_documents(documents(20))
        assert notes(await light(rag))[0].startswith("none of the 20 candidates has token vectors")


# In a directory


async def test_they_lie_beside_the_data_where_the_setting_asks_for_them(tmp_path: Path) -> None:
    place = {"vector_db_path": str(tmp_path / "data")}
    async with system(Words(), **place) as rag:
        await rag.add_documents(documents(20))
        assert notes(await light(rag))[0].startswith("none of the 20 candidates has token vectors")
    assert not (tmp_path / "data" / TOKEN_VECTORS.file_name).exists()

    embedder = Words()
    async with system(embedder, rerank="light", **place) as rag:
        # Vectors are there, token vectors are not: all is embedded once more.
        report = await rag.add_documents(documents(20))
        assert (report.reused, embedder.asked("document")) == (0, 20)
        assert (await rag.add_documents(documents(20))).reused == 20
        before = await light(rag)
        assert notes(before) == ()
    assert (tmp_path / "data" / TOKEN_VECTORS.file_name).exists()
    assert not list((tmp_path / "data").glob(f"{TOKEN_VECTORS.file_name}-*"))

    async with system(Words(), **place) as rag:
        after = await light(rag)
        assert scores(after) == scores(before)
        # What is there goes on to be used.
        await rag.add_document(document_id="new", content="Another pump, another seal 21.")
        assert scores(await light(rag))["new"] is not None


def test_a_file_of_the_first_layout_is_read(tmp_path: Path) -> None:
    # As it was written before shelves had other uses.
    with sqlite3.connect(tmp_path / "t") as file:
        file.executescript(
            """
            CREATE TABLE tokens (
                number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL
            );
            CREATE TABLE total (id INTEGER PRIMARY KEY CHECK (id = 1), bytes INTEGER NOT NULL);
            INSERT INTO total VALUES (1, 5);
            INSERT INTO tokens (key, value) VALUES (x'01', x'76616c7565');
            PRAGMA application_id = 1987076468;
            PRAGMA user_version = 1;
            """
        )
    file.close()
    shelf = FileShelf(str(tmp_path / "t"), layout=TOKEN_VECTORS, max_bytes=1 << 20)
    assert (set(shelf.get([b"\x01"])), shelf.size_bytes) == ({b"\x01"}, 5)
    shelf.put({b"\x02": b"more"})
    assert shelf.size_bytes == 9
    shelf.close()


async def test_a_reader_beside_the_writer_reads_them_too(tmp_path: Path) -> None:
    async with system(Words(), rerank="light", vector_db_path=str(tmp_path)) as rag:
        await rag.add_documents(documents(20))
        config = VectorDatabaseConfig(path=str(tmp_path), read_only=True)
        async with (
            vpa.VectorDatabaseManager(config) as manager,
            create_enhanced_rag_system(
                DeploymentConfig(embedding_model="hashing"), manager=manager, embedder=Words()
            ) as reader,
        ):
            assert scores(await light(reader)) == scores(await light(rag))


async def test_a_backup_and_a_check_of_the_store_do_not_mind_the_file(tmp_path: Path) -> None:
    async with system(Words(), rerank="light", vector_db_path=str(tmp_path / "data")) as rag:
        await rag.add_documents(documents(5))
        copied = await vpa.backup(tmp_path / "data", tmp_path / "copy")
        assert copied.records == 5
    assert not (tmp_path / "copy" / TOKEN_VECTORS.file_name).exists()
    async with system(Words(), vector_db_path=str(tmp_path / "copy")) as rag:
        assert len(await light(rag)) == 5


@pytest.mark.parametrize("damage", [b"no database " * 1000, None])
async def test_a_file_that_is_damaged_or_gone_leaves_the_order_and_the_documents(
    tmp_path: Path, damage: bytes | None
) -> None:
    settings: dict[str, Any] = {"rerank": "light", "vector_db_path": str(tmp_path)}
    async with system(Words(), **settings) as rag:
        await rag.add_documents(documents(20))
    if damage is None:
        (tmp_path / TOKEN_VECTORS.file_name).unlink()
    else:
        (tmp_path / TOKEN_VECTORS.file_name).write_bytes(damage)
    async with system(Words(), **settings) as rag:
        results = await light(rag)
        plain = await rag.search_knowledge("seal 21 pump", top_k=10, rerank="none")
        assert [result.document_id for result in results] == [result.document_id for result in plain]
        said = "none of the 20 candidates has token vectors" if damage is None else "there are no token vectors to"
        assert notes(results)[0].startswith(said)
        await rag.add_document(document_id="new", content="Another pump.")
        assert (await rag.get_document("new")).content == "Another pump."
    if damage is not None:
        assert (tmp_path / TOKEN_VECTORS.file_name).read_bytes() == damage


def test_where_they_are_kept(tmp_path: Path) -> None:
    def shelf(store: VectorDatabaseConfig, **options: Any) -> Any:
        return token_shelf(RagOptions(**options), store)

    memory, directory = VectorDatabaseConfig(), VectorDatabaseConfig(path=str(tmp_path))
    server = VectorDatabaseConfig(url="qdrant://localhost:6333")
    assert isinstance(shelf(memory), MemoryShelf)
    assert shelf(memory).is_made
    assert not shelf(server).is_made
    assert shelf(server, rerank="light").is_made
    assert shelf(server, rerank="light").max_bytes == 256 << 20
    assert not shelf(directory).is_made
    assert shelf(directory, rerank="light").path == str(tmp_path / TOKEN_VECTORS.file_name)
    for store in (memory, directory, server):
        named = shelf(store, rerank="light", token_vectors_path=str(tmp_path / "named"))
        assert isinstance(named, FileShelf)
        assert named.path == str(tmp_path / "named")


# What cannot be asked


async def test_another_embedder_is_refused_by_name() -> None:
    for embedder in (None, Words(token_width=None), lambda texts: [[1.0, 0.0]] * len(texts)):
        async with system(embedder) as rag:
            await rag.add_documents(documents(2))
            with pytest.raises(errors.InvalidQueryError, match=r"rerank='light' compares .* makes none; minilm does"):
                await light(rag)
    with pytest.raises(errors.ConfigurationError, match=r"VPA_RERANK='light' compares .* minilm does"):
        await system(None, rerank="light").initialize()


async def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    async with system(Words()) as rag:
        with pytest.raises(errors.InvalidQueryError, match=r"rerank is 'none', 'light', a function .* not 'heavy'"):
            await rag.search_knowledge("oil", rerank="heavy")  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigurationError, match=r"VPA_RERANK.* one of none, light"):
        RagOptions(rerank="heavy")


async def test_a_model_that_forgets_tokens_is_told_so() -> None:
    class Forgetful(Words):
        async def embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
            return await self.embed(texts, kind=kind), []

    async with system(Forgetful()) as rag:
        with pytest.raises(errors.EmbedderError, match="embedder words returned token vectors of 0 texts for 2"):
            await rag.add_documents(documents(2))


def test_the_synchronous_system_has_it_too() -> None:
    config = DeploymentConfig(embedding_model="hashing")
    with vpa.sync.create_enhanced_rag_system(config, embedder=Words()) as rag:
        rag.add_documents(documents(20))
        results = rag.search_knowledge("seal 21 pump", rerank="light")
        assert results[0].document_id == "d03"
        assert json.loads(json.dumps(results[0].to_json()))["why"]["parts"]["maxsim"] > 0


# With MiniLM


async def test_minilm_makes_them_with_the_documents() -> None:
    async with system("minilm") as rag:
        await rag.add_document(document_id="wing", title="Wings", content="The lift of a wing grows with its angle.")
        await rag.add_document(document_id="bread", title="Bread", content="Yeast makes dough rise in the oven.")
        await rag.add_document(document_id="long", title="A title " * 60, content="Salt. " * 400)
        for mode in ("hybrid", "dense"):
            results = await light(rag, "what makes bread rise?", mode=mode)
            assert results[0].document_id == "bread"
            assert results[0].why is not None
            assert results[0].why.reranked is not None
            assert notes(results) == ()
