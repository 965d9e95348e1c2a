"""Vectors of documents on disk: a second run, another store and another process embed nothing again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

import vpa
from vpa import errors
from vpa.base.arrays import FloatMatrix
from vpa.base.records import EmbeddingIdentity
from vpa.base.tokens import TokenVectors
from vpa.compose.rag import create_enhanced_rag_system, token_shelf, vector_shelf
from vpa.config.sections.embedding import EmbeddingOptions
from vpa.config.sections.rag import RagOptions
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.cached import CacheStatistics
from vpa.embeddings.contract import Embedder, Kind
from vpa.embeddings.shelved import VECTORS
from vpa.kit.shelf.contract import Shelf
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.memory import MemoryShelf
from vpa.rag.system import EnhancedRAGSystem
from vpa.stores.config import VectorDatabaseConfig

IDENTITY = EmbeddingIdentity(name="counting", revision="1", dimension=16)


class Counting(Embedder):
    """Any float32 numbers that the text determines; notes what it embeds."""

    def __init__(self, identity: EmbeddingIdentity = IDENTITY, *, salt: str = "") -> None:
        self._identity = identity
        self._salt = salt
        self.texts: list[str] = []
        self.questions = 0

    @property
    def identity(self) -> EmbeddingIdentity:
        return self._identity

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
        if kind == "document":
            self.texts += texts
        else:
            self.questions += len(texts)
        return np.stack([row_of(self._salt + text, self._identity.dimension) for text in texts])


def row_of(text: str, dimension: int) -> np.ndarray:
    data = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    numbers = np.random.default_rng(int.from_bytes(data, "big")).standard_normal(dimension).astype(np.float32)
    numbers[:3] = (-0.0, 1e-42, np.float32(1) / 3)
    return numbers


def documents(count: int) -> list[dict[str, Any]]:
    return [
        {"document_id": f"d{n:02}", "title": f"Part {n}", "content": f"Pump {n} needs oil and seal {n * 7} in spring."}
        for n in range(count)
    ]


def system(embedder: Any, **settings: Any) -> EnhancedRAGSystem:
    config = DeploymentConfig(embedding_model="hashing", **settings)
    return create_enhanced_rag_system(config, embedder=embedder)


def file_shelf(path: Path, *, max_bytes: int = 1 << 24) -> FileShelf:
    return FileShelf(str(path), layout=VECTORS, max_bytes=max_bytes)


def batched(embedder: Any, shelf: Shelf | None, *, batch_size: int = 8) -> BatchedEmbedder:
    return BatchedEmbedder(lambda: embedder, batch_size=batch_size, shelf=shelf)


async def embedded(embedder: Embedder, path: Path, texts: Sequence[str], **options: Any) -> FloatMatrix:
    """By a new BatchedEmbedder, as by a process that starts and ends."""
    batches = batched(embedder, file_shelf(path, **options))
    try:
        return await batches.documents(texts)
    finally:
        await batches.close()


# Nothing is embedded twice


async def test_a_run_after_the_collection_was_dropped_embeds_nothing(tmp_path: Path) -> None:
    place = {"vector_db_path": str(tmp_path)}
    async with system(Counting(), **place) as rag:
        first = await rag.add_documents(documents(20))
        results = await rag.search_knowledge("seal 21 pump")
        await rag.manager.drop_collection("vpa-index")
    assert (first.chunks, first.cached) == (20, 0)

    embedder = Counting()
    async with system(embedder, **place) as rag:
        again = await rag.add_documents(documents(20))
        assert [(one.document_id, one.score) for one in await rag.search_knowledge("seal 21 pump")] == [
            (one.document_id, one.score) for one in results
        ]
        stats = await rag.get_system_stats()
    assert embedder.texts == []
    assert (again.chunks, again.reused, again.cached) == (20, 0, 20)
    counts = stats["document_statistics"]
    assert (counts["chunks_embedded"], counts["chunks_reused"], counts["chunks_cached"]) == (0, 0, 20)
    assert stats["embedding"]["cache"] == {"from_memory": 0, "from_disk": 20, "embedded": 0, "uses_disk": True}


async def test_another_store_embeds_nothing_where_both_name_one_file(tmp_path: Path) -> None:
    shared = {"embedding_cache_path": str(tmp_path / "cache.sqlite")}
    async with system(Counting(), vector_db_path=str(tmp_path / "one"), **shared) as rag:
        await rag.add_documents(documents(20))
    for place in ({"vector_db_path": str(tmp_path / "two")}, {}):
        embedder = Counting()
        async with system(embedder, **place, **shared) as rag:
            assert (await rag.add_documents(documents(20))).cached == 20
        assert embedder.texts == []
    assert not list(tmp_path.glob(f"*/{VECTORS.file_name}"))


async def test_vectors_come_back_bit_for_bit(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(600)] + ["", "\ud800", "a\x00b"]
    made = await embedded(Counting(), tmp_path / "c", texts)
    embedder = Counting()
    assert (await embedded(embedder, tmp_path / "c", texts)).tobytes() == made.tobytes()
    assert embedder.texts == []


async def test_minilm_is_cached_too(tmp_path: Path) -> None:
    texts = [f"Sentence number {number} of a text." for number in range(20)]
    async with system("minilm", vector_db_path=str(tmp_path)) as rag:
        made = await rag._embedder.documents(texts)
    async with system("minilm", vector_db_path=str(tmp_path)) as rag:
        assert (await rag._embedder.documents(texts)).tobytes() == made.tobytes()
        assert rag._embedder.cache_statistics() == CacheStatistics(from_disk=20, uses_disk=True)


async def test_only_new_texts_are_embedded_and_counted(tmp_path: Path) -> None:
    await embedded(Counting(), tmp_path / "c", ["a", "b"])
    embedder = Counting()
    batches = batched(embedder, file_shelf(tmp_path / "c"))
    seen: list[tuple[int, int]] = []
    result = await batches.embed_documents(
        ["b", "new", "a", "b", "new"], progress=lambda done, total: seen.append((done, total))
    )
    assert result.vectors.tobytes() == np.stack([row_of(text, 16) for text in ("b", "new", "a", "b", "new")]).tobytes()
    assert (embedder.texts, result.cached, seen) == (["new"], 3, [(5, 5)])
    assert (await batches.embed_documents(["new", "a"])).cached == 2
    assert batches.cache_statistics() == CacheStatistics(from_memory=1, from_disk=4, embedded=2, uses_disk=True)
    await batches.close()


async def test_a_run_that_was_cut_short_goes_on_where_it_was(tmp_path: Path) -> None:
    class Breaking(Counting):
        async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
            if "text 20" in texts:
                raise ValueError("out of money")
            return await super().embed(texts, kind=kind)

    texts = [f"text {number}" for number in range(40)]
    with pytest.raises(errors.EmbedderError, match="out of money"):
        await embedded(Breaking(), tmp_path / "c", texts)
    embedder = Counting()
    await embedded(embedder, tmp_path / "c", texts)
    assert embedder.texts == texts[16:]


async def test_questions_are_not_cached(tmp_path: Path) -> None:
    embedder = Counting()
    for _ in range(2):
        batches = batched(embedder, file_shelf(tmp_path / "c"))
        await batches.queries(["what"])
        await batches.close()
    assert embedder.questions == 2
    assert not (tmp_path / "c").exists()


async def test_a_title_and_its_chunk_are_one_text(tmp_path: Path) -> None:
    document = {"document_id": "a", "title": "Old", "content": "Pumps need oil."}
    embedder = Counting()
    async with system(embedder, vector_db_path=str(tmp_path)) as rag:
        for title in ("Old", "New", "Old"):
            await rag.add_document(**{**document, "title": title})
    assert embedder.texts == ["Old. Pumps need oil.", "New. Pumps need oil."]


# Which models


@pytest.mark.parametrize(
    "other", [{"revision": "2"}, {"name": "other"}, {"dimension": 8}, {"document_prefix": "passage: "}]
)
async def test_another_model_meets_none_of_the_old_vectors(tmp_path: Path, other: dict[str, Any]) -> None:
    texts = ["a", "b"]
    await embedded(Counting(), tmp_path / "c", texts)
    embedder = Counting(replace(IDENTITY, **other), salt="other")
    made = await embedded(embedder, tmp_path / "c", texts)
    assert embedder.texts == texts
    assert made.tobytes() == np.stack([row_of("other" + text, made.shape[1]) for text in texts]).tobytes()
    # A prefix of questions changes no vector of a document.
    asking = Counting(replace(IDENTITY, query_prefix="query: "))
    await embedded(asking, tmp_path / "c", texts)
    assert asking.texts == []


async def test_a_model_without_a_revision_is_not_cached(tmp_path: Path) -> None:
    def function(texts: list[str]) -> Any:
        return [[float(len(text)), 1.0] for text in texts]

    for embedder in (function, vpa.as_embedder(function, name="lengths"), Counting(replace(IDENTITY, revision=""))):
        with structlog.testing.capture_logs() as logged:
            async with system(embedder, vector_db_path=str(tmp_path / str(id(embedder)))) as rag:
                await rag.add_documents(documents(3))
                stats = await rag.get_system_stats()
        assert stats["embedding"]["cache"]["uses_disk"] is False
        assert "embeddings are not cached on disk" in [line["event"] for line in logged]
    assert not list(tmp_path.rglob(f"{VECTORS.file_name}*"))


async def test_a_model_of_others_is_cached_under_the_revision_that_it_is_given(tmp_path: Path) -> None:
    calls: list[str] = []

    def function(texts: list[str]) -> Any:
        calls.extend(texts)
        return [[float(len(text)), 1.0] for text in texts]

    for revision, count in (("1", 3), ("1", 3), ("2", 6)):
        embedder = vpa.as_embedder(function, name="lengths", revision=revision)
        assert embedder.identity.revision == revision
        await embedded(embedder, tmp_path / "c", ["a", "bb", "ccc"])
        # One more each time, by which the dimension is learned.
        assert len([text for text in calls if text != "dimension"]) == count


async def test_hashing_is_as_cheap_as_reading_and_not_cached(tmp_path: Path) -> None:
    named = {"embedding_cache_path": str(tmp_path / "cache.sqlite")}
    async with system(None, vector_db_path=str(tmp_path / "data"), **named) as rag:
        await rag.add_documents(documents(3))
    assert not (tmp_path / "cache.sqlite").exists()
    assert not (tmp_path / "data" / VECTORS.file_name).exists()


# Where


def test_where_the_file_is(tmp_path: Path) -> None:
    memory, directory = VectorDatabaseConfig(), VectorDatabaseConfig(path=str(tmp_path))
    server = VectorDatabaseConfig(url="qdrant://localhost:6333")
    assert vector_shelf(EmbeddingOptions(), memory) is None
    assert vector_shelf(EmbeddingOptions(), server) is None
    beside = vector_shelf(EmbeddingOptions(), directory)
    assert isinstance(beside, FileShelf)
    assert (beside.path, beside.max_bytes) == (str(tmp_path / "embeddings.sqlite"), 512 << 20)
    for store in (memory, directory, server):
        assert vector_shelf(EmbeddingOptions(cache_mb=0, cache_path="c"), store) is None
        named = vector_shelf(EmbeddingOptions(cache_mb=0.5, cache_path="~/c"), store)
        assert isinstance(named, FileShelf)
        assert (named.path, named.max_bytes) == (os.path.expanduser("~/c"), 1 << 19)


async def test_a_store_that_is_only_read_writes_nothing(tmp_path: Path) -> None:
    async with system(Counting(), vector_db_path=str(tmp_path)) as rag:
        await rag.add_documents(documents(3))
    (tmp_path / VECTORS.file_name).unlink()
    config = VectorDatabaseConfig(path=str(tmp_path), read_only=True)
    async with (
        vpa.VectorDatabaseManager(config) as manager,
        create_enhanced_rag_system(manager=manager, embedder=Counting()) as reader,
    ):
        await reader._embedder.documents(["a", "b"])
        with pytest.raises(errors.ReadOnlyError):
            await reader.add_documents(documents(5))
    assert not list(tmp_path.glob(f"{VECTORS.file_name}*"))


async def test_a_backup_leaves_the_file_out(tmp_path: Path) -> None:
    async with system(Counting(), vector_db_path=str(tmp_path / "data")) as rag:
        await rag.add_documents(documents(3))
        await vpa.backup(tmp_path / "data", tmp_path / "copy")
    assert (tmp_path / "data" / VECTORS.file_name).exists()
    assert not (tmp_path / "copy" / VECTORS.file_name).exists()


async def test_the_bound_holds_and_the_oldest_go_first(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(1000)]
    await embedded(Counting(), tmp_path / "c", texts, max_bytes=20_000)
    shelf = file_shelf(tmp_path / "c")
    assert 10_000 < shelf.size_bytes <= 20_000
    shelf.close()
    embedder = Counting()
    await embedded(embedder, tmp_path / "c", texts, max_bytes=20_000)
    # Of 68 bytes each.
    assert 1000 - 20_000 // 68 <= len(embedder.texts) <= 1000 - 10_000 // 68
    assert embedder.texts == texts[: len(embedder.texts)]


# With token vectors


class WithTokens(Counting):
    """A token for each text."""

    token_width = 4

    async def embed_tokens(self, texts: Sequence[str], *, kind: Kind) -> tuple[FloatMatrix, list[TokenVectors]]:
        rows = np.ones((1, 4), dtype=np.float32)
        return await self.embed(texts, kind=kind), [TokenVectors(rows, rows, text, [(0, 1)]) for text in texts]


async def test_what_lacks_token_vectors_is_embedded_for_them(tmp_path: Path) -> None:
    shared = {"embedding_cache_path": str(tmp_path / "cache.sqlite")}
    for name, rerank, count in (("a", "none", 5), ("b", "none", 0), ("c", "light", 5), ("c", "light", 0)):
        embedder = WithTokens()
        async with system(embedder, vector_db_path=str(tmp_path / name), rerank=rerank, **shared) as rag:
            await rag.add_documents(documents(5))
            await rag.manager.drop_collection("vpa-index")
        assert len(embedder.texts) == count


async def test_token_vectors_in_memory_give_way_to_a_cache_that_is_named(tmp_path: Path) -> None:
    named = EmbeddingOptions(cache_path=str(tmp_path / "c"))
    memory = VectorDatabaseConfig()
    assert not token_shelf(RagOptions(), memory, embedding=named).is_made
    assert token_shelf(RagOptions(rerank="light"), memory, embedding=named).is_made
    assert token_shelf(RagOptions(), memory, embedding=replace(named, cache_mb=0)).is_made
    for count in (5, 0):
        embedder = WithTokens()
        async with system(embedder, embedding_cache_path=str(tmp_path / "c")) as rag:
            await rag.add_documents(documents(5))
        assert len(embedder.texts) == count


# What fails


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE vectors (key BLOB, value BLOB)")
    other.close()


def _of_tokens(path: Path) -> None:
    from vpa.rag.tokens.layout import TOKEN_VECTORS

    shelf = FileShelf(str(path), layout=TOKEN_VECTORS, max_bytes=1000)
    shelf.put({b"key": b"value"})
    shelf.close()


def _noise(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_noise, "file is not a database"),
        (_foreign, "it holds no embeddings of this version"),
        (_of_tokens, "it holds no embeddings of this version"),
        (Path.mkdir, "Is a directory"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_of_once_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    path = tmp_path / VECTORS.file_name
    async with system(Counting(), vector_db_path=str(tmp_path)) as rag:
        spoil(path)
        before = path.read_bytes() if path.is_file() else None
        with structlog.testing.capture_logs() as logged:
            await rag.add_documents(documents(3))
            await rag.add_documents(documents(9))
        assert len(await rag.list_documents()) == 9
    warnings = [line for line in logged if line["log_level"] == "warning"]
    assert [line["event"] for line in warnings] == ["embedding cache unavailable"]
    assert str(path) in warnings[0]["reason"]
    assert reason in warnings[0]["reason"]
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_a_file_that_is_damaged_in_the_middle_fails_nothing(tmp_path: Path) -> None:
    path, texts = tmp_path / "c", [f"text {number}" for number in range(2000)]
    made = await embedded(Counting(), path, texts)
    data = bytearray(path.read_bytes())
    data[8192 : len(data) // 2] = b"\xa5" * (len(data) // 2 - 8192)
    path.write_bytes(data)
    assert (await embedded(Counting(), path, texts)).tobytes() == made.tobytes()


async def test_a_vector_whose_bits_changed_is_embedded_again_and_mended(tmp_path: Path) -> None:
    made = await embedded(Counting(), tmp_path / "c", ["a", "b", "c"])
    with sqlite3.connect(tmp_path / "c") as file:
        [(number, value)] = file.execute("SELECT number, value FROM vectors ORDER BY number LIMIT 1")
        flipped = value[:20] + bytes([value[20] ^ 1]) + value[21:]
        file.execute("UPDATE vectors SET value = ? WHERE number = ?", (flipped, number))
        file.execute("UPDATE vectors SET value = substr(value, 1, 30) WHERE number = ?", (number + 1,))
    file.close()
    for count in (2, 0):
        embedder = Counting()
        assert (await embedded(embedder, tmp_path / "c", ["a", "b", "c"])).tobytes() == made.tobytes()
        assert len(embedder.texts) == count


@pytest.mark.parametrize("folder", ["missing", "read-only"])
async def test_a_directory_that_cannot_be_written_to_fails_nothing(tmp_path: Path, folder: str) -> None:
    place = tmp_path / "missing"
    if folder == "read-only":
        # Of root, who may write to any directory on a disk.
        place = Path("/proc") if os.geteuid() == 0 else tmp_path / "read-only"
        if place.parent == tmp_path:
            place.mkdir(mode=0o500)
    with structlog.testing.capture_logs() as logged:
        async with system(Counting(), embedding_cache_path=str(place / "c")) as rag:
            await rag.add_documents(documents(3))
            assert len(await rag.list_documents()) == 3
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == ["embedding cache unavailable"]


_FULL = """
import asyncio, resource, sys
import numpy as np
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.shelved import VECTORS
from vpa.embeddings.contract import Embedder
from vpa.kit.shelf.file import FileShelf

class Plain(Embedder):
    identity = EmbeddingIdentity(name="plain", revision="1", dimension=1000)
    async def embed(self, texts, *, kind):
        return np.ones((len(texts), 1000), dtype=np.float32)

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    shelf = FileShelf(sys.argv[1], layout=VECTORS, max_bytes=1 << 30)
    batches = BatchedEmbedder(Plain, batch_size=8, shelf=shelf)
    vectors = await batches.documents([str(number) for number in range(200)])
    assert vectors.shape == (200, 1000) and (vectors == 1).all()
    await batches.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_where_no_more_can_be_written_all_is_embedded_and_what_is_there_stays_readable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path / "c")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("embedding cache unavailable") == 1
    shelf = file_shelf(tmp_path / "c")
    assert shelf.size_bytes > 0
    shelf.close()


# Together, and to the end

_WRITER = """
import asyncio, sys
import numpy as np
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.shelved import VECTORS
from vpa.embeddings.contract import Embedder
from vpa.kit.shelf.file import FileShelf

class Numbers(Embedder):
    identity = EmbeddingIdentity(name="numbers", revision="1", dimension=4)
    async def embed(self, texts, *, kind):
        return np.asarray([[float(text), 1, 2, 3] for text in texts], dtype=np.float32)

async def main():
    shelf = FileShelf(sys.argv[1], layout=VECTORS, max_bytes=1 << 24)
    batches = BatchedEmbedder(Numbers, batch_size=8, shelf=shelf)
    texts = [str(number) for number in range(int(sys.argv[2]), int(sys.argv[3]))]
    vectors = await batches.documents(texts)
    assert vectors[:, 0].tolist() == [float(text) for text in texts]
    print(batches.cache_statistics().embedded)
    await batches.close()

asyncio.run(main())
"""


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    def start(first: int, last: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "c"), str(first), str(last)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(process: subprocess.Popen[str]) -> int:
        printed, problems = process.communicate(timeout=120)
        assert (process.returncode, problems) == (0, "")
        return int(printed)

    together = [start(0, 1500), start(500, 2000)]
    assert sum(map(end, together)) >= 2000
    assert end(start(0, 2000)) == 0


async def test_closing_leaves_no_thread_and_no_open_file(tmp_path: Path, new_threads: Callable[[], list[str]]) -> None:
    batches = batched(Counting(), file_shelf(tmp_path / "c"))
    await batches.documents(["a", "b"])
    assert any(name.startswith("vpa-embeddings") for name in new_threads())
    await batches.close()
    await batches.close()
    assert new_threads() == []
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    if Path("/proc/self/fd").is_dir():
        links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        assert not [path for path in links if str(tmp_path) in os.path.realpath(path)]


async def test_a_call_that_is_cancelled_leaves_no_thread_and_a_file_to_go_on_with(
    tmp_path: Path, new_threads: Callable[[], list[str]]
) -> None:
    class Stopping(Counting):
        reached = asyncio.Event()

        async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
            if "text 20" in texts:
                self.reached.set()
                await asyncio.Event().wait()
            return await super().embed(texts, kind=kind)

    texts = [f"text {number}" for number in range(40)]
    embedder = Stopping()
    batches = batched(embedder, file_shelf(tmp_path / "c"))
    running = asyncio.create_task(batches.documents(texts))
    await embedder.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await batches.close()
    assert new_threads() == []
    after = Counting()
    await embedded(after, tmp_path / "c", texts)
    assert after.texts == texts[16:]


async def test_a_model_that_reuses_its_array_cannot_spoil_the_cache(tmp_path: Path) -> None:
    written = threading.Event()

    class Reusing(Counting):
        async def embed(self, texts: Sequence[str], *, kind: Kind) -> FloatMatrix:
            array = await super().embed(texts, kind=kind)
            # The thread of the shelf has to wait until the array is overwritten.
            self.waiting = asyncio.ensure_future(batches._shelf._workers.run(written.wait))
            await asyncio.sleep(0)

            def overwrite() -> None:
                array.fill(7)
                written.set()

            asyncio.get_running_loop().call_soon(overwrite)
            return array

    batches = batched(Reusing(), file_shelf(tmp_path / "c"))
    expected = np.stack([row_of(text, 16) for text in ("a", "b")]).tobytes()
    assert (await batches.documents(["a", "b"])).tobytes() == expected
    await batches.close()
    assert (await embedded(Counting(), tmp_path / "c", ["a", "b"])).tobytes() == expected


async def test_a_shelf_in_memory_serves_as_well() -> None:
    shelf = MemoryShelf(max_bytes=1 << 20)
    for count in (2, 0):
        embedder = Counting()
        batches = batched(embedder, shelf)
        await batches.documents(["a", "b"])
        await batches.close()
        assert len(embedder.texts) == count


def test_the_synchronous_system_has_it_too(tmp_path: Path) -> None:
    config = DeploymentConfig(embedding_model="hashing", vector_db_path=str(tmp_path))
    for count in (5, 0):
        embedder = Counting()
        with vpa.sync.create_enhanced_rag_system(config, embedder=embedder) as rag:
            report = rag.add_documents(documents(5))
            rag.manager.drop_collection("vpa-index")
        assert (len(embedder.texts), report.cached) == (count, 5 - count)
    assert vpa.sync.as_embedder(len, name="n", revision="7").identity.revision == "7"
