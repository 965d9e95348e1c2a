"""Embedded engines behind one small interface, for `embedded.py`: ours, the databases that people embed, and bare
libraries.

Each keeps an id, a vector and one integer field `slot`. Settings are those that its documentation recommends for
recall; where it builds an index, `make_ready` waits for it. A filter is `slot < below`.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

Matrix = np.ndarray


class Engine:
    """One engine with one collection. `path` None: in memory, where it can."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    is_async: ClassVar[bool] = False
    # A bare library: no ids, fields, deletes or durability of a database; shown as a limit.
    is_bare: ClassVar[bool] = False
    filters: ClassVar[bool] = True
    deletes: ClassVar[bool] = True
    reopens: ClassVar[bool] = True

    def __init__(self, dimension: int, path: str | None) -> None:
        self.dimension, self.path = dimension, path

    @classmethod
    def version(cls) -> str:
        return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in cls.packages)

    async def open(self) -> None: ...
    async def insert(self, vectors: Matrix, slots: Matrix) -> None: ...
    async def make_ready(self) -> None: ...
    async def search(self, query: Matrix, k: int, below: int | None) -> list[int]:
        return self.search_now(query, k, below)

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]: ...
    async def delete(self, ids: list[int]) -> None: ...
    async def reopen(self) -> None:
        """Open what is stored, in this process, after `close`."""
        await self.open()

    async def close(self) -> None: ...

    # For the curve of recall against latency: settings from cheap to careful, and how one is chosen before searches.
    knobs: ClassVar[tuple[Any, ...]] = ()

    async def turn(self, knob: Any) -> None: ...


def parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(count, start + size)) for start in range(0, count, size)]


class Ours(Engine):
    name, packages, is_async = "vpa", ("numpy",), True
    first_pass, recall, quantization = "auto", 0.999, "none"

    @classmethod
    def version(cls) -> str:
        return f"vpa {importlib.metadata.version('vpa')}, {super().version()}"

    async def open(self) -> None:
        import vpa

        self.vpa = vpa
        self.db = vpa.connect("embedded://" if self.path is None else f"embedded://{self.path}")
        await self.db.connect()
        index = {"first_pass": self.first_pass, "recall": self.recall, "quantization": self.quantization}
        self.docs = await self.db.create_collection("bench", dimension=self.dimension, index=index, exist_ok=True)

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        self.vectors, self.slots = vectors, slots
        await self._insert(self.docs)

    async def _insert(self, docs: Any) -> None:
        numbers = np.arange(len(self.vectors))
        kinds = np.char.add("kind-", (numbers % 8).astype(str))
        fields = {"slot": self.slots, "year": 1900 + numbers % 120, "kind": kinds}
        ids = [str(n) for n in range(len(numbers))]
        await docs.upsert(self.vpa.RecordBatch.from_columns(ids=ids, vectors=self.vectors, metadata=fields))

    async def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.db.get_statistics())["collections"]["bench"]["index"]
        return found

    async def make_ready(self) -> None:
        def is_ready(facts: dict[str, Any]) -> bool:
            return facts["search"] != "exact" or bool(facts.get("exact_because"))

        await self._until(is_ready)

    async def settle(self) -> None:
        """Until the engine has tried every kind of codes, and originals are where they belong."""
        await self._until(lambda facts: not facts["at_work"])
        while self.quantization != "none":
            found = (await self.db.get_statistics())["collections"]["bench"]
            # So few that they may wait in memory until the store is closed.
            is_small = found["rows"] < 10_000
            if is_small or found["vectors"]["rows_on_disk_only"] > 0.9 * found["rows"]:
                return
            await asyncio.sleep(0.01)

    async def _until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        for _ in range(100_000):
            if holds(await self.facts()):
                return
            await asyncio.sleep(0.005)

    async def search(self, query: Matrix, k: int, below: int | None) -> list[int]:
        node = None if below is None else self.vpa.F("slot") < below
        return [int(value) for value in (await self.docs.search(vector=query, top_k=k, filter=node)).ids]

    async def delete(self, ids: list[int]) -> None:
        await self.docs.delete(ids=[str(value) for value in ids])

    async def close(self) -> None:
        await self.db.close()
        self.vectors = self.slots = None  # type: ignore[assignment]

    knobs = (0.8, 0.9, 0.95, 0.99, 0.999)

    async def turn(self, knob: float) -> None:
        """A collection of its own for each promise."""
        given = self.vectors, self.slots
        await self.close()
        self.vectors, self.slots, self.recall = *given, knob
        await self.open()
        await self._insert(self.docs)
        await self.make_ready()
        await self.settle()


class OursNumPy(Ours):
    name, first_pass, recall = "vpa, NumPy alone, recall 0.99", "signs", 0.99


class OursExact(Ours):
    name, recall = "vpa, exact", 1.0

    knobs = ()

    async def make_ready(self) -> None: ...


class OursInt8(Ours):
    name, quantization, recall, knobs = "vpa, int8 in memory, originals on disk", "int8", 0.99, ()


class OursInt4(Ours):
    name, quantization, recall, knobs = "vpa, int4 in memory, originals on disk", "int4", 0.99, ()


class OursBinary(Ours):
    name, quantization, recall, knobs = "vpa, binary in memory, originals on disk", "binary", 0.99, ()


class Zvec(Engine):
    name, packages = "zvec (HNSW)", ("zvec",)

    async def open(self) -> None:
        import zvec

        self.zvec = zvec
        self.place = f"{self.path}/zvec"
        schema = zvec.CollectionSchema(
            "bench",
            fields=[
                zvec.FieldSchema(
                    "slot", zvec.DataType.INT64, index_param=zvec.InvertIndexParam(enable_range_optimization=True)
                )
            ],
            vectors=[
                zvec.VectorSchema(
                    "v", zvec.DataType.VECTOR_FP32, self.dimension, zvec.HnswIndexParam(zvec.MetricType.IP)
                )
            ],
        )
        self.collection = zvec.create_and_open(self.place, schema)

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        for part in parts(len(vectors), 1000):
            docs = [
                self.zvec.Doc(str(n), vectors={"v": vectors[n].tolist()}, fields={"slot": int(slots[n])})
                for n in range(part.start, part.stop)
            ]
            self.collection.insert(docs)
        self.collection.flush()

    async def make_ready(self) -> None:
        self.collection.optimize()

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        found = self.collection.query(
            vectors=self.zvec.VectorQuery("v", vector=query.tolist(), param=self.param),
            topk=k,
            filter="" if below is None else f"slot < {below}",
        )
        return [int(doc.id) for doc in found]

    async def delete(self, ids: list[int]) -> None:
        for part in parts(len(ids), 1000):
            self.collection.delete([str(value) for value in ids[part]])

    async def reopen(self) -> None:
        self.collection = self.zvec.open(self.place)

    async def close(self) -> None:
        self.collection.close()

    # None: its own default.
    param: Any = None
    knobs = (16, 32, 64, 128, 300)

    async def turn(self, knob: int) -> None:
        self.param = self.zvec.HnswQueryParam(ef=knob)


class QdrantEdge(Engine):
    name, packages = "qdrant-edge (HNSW)", ("qdrant-edge-py",)

    async def open(self) -> None:
        import qdrant_edge as edge

        self.edge = edge
        self.place = f"{self.path}/edge"
        import pathlib

        pathlib.Path(self.place).mkdir(parents=True, exist_ok=True)
        config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=self.dimension, distance=edge.Distance.Dot))
        self.shard = edge.EdgeShard.create(self.place, config)
        self.shard.update(edge.UpdateOperation.create_field_index("slot", edge.PayloadSchemaType.Integer))

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        for part in parts(len(vectors), 1000):
            points = [
                self.edge.Point(n, vectors[n].tolist(), {"slot": int(slots[n])}) for n in range(part.start, part.stop)
            ]
            self.shard.update(self.edge.UpdateOperation.upsert_points(points))
        self.shard.flush()

    async def make_ready(self) -> None:
        self.shard.optimize()

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        edge = self.edge
        chosen = (
            None
            if below is None
            else edge.Filter(must=[edge.FieldCondition(key="slot", range=edge.RangeFloat(lt=below))])
        )
        params = edge.SearchParams(hnsw_ef=self.ef)
        found = self.shard.query(
            edge.QueryRequest(query=edge.Query.Nearest(query.tolist()), limit=k, filter=chosen, params=params)
        )
        return [int(point.id) for point in found]

    async def delete(self, ids: list[int]) -> None:
        for part in parts(len(ids), 1000):
            self.shard.update(self.edge.UpdateOperation.delete_points(ids[part]))

    async def reopen(self) -> None:
        self.shard = self.edge.EdgeShard.load(self.place)

    async def close(self) -> None:
        self.shard.close()

    ef = 128
    knobs = (16, 32, 64, 128, 256)

    async def turn(self, knob: int) -> None:
        self.ef = knob


class Chroma(Engine):
    name, packages = "chromadb in process (HNSW)", ("chromadb",)

    async def open(self) -> None:
        import chromadb

        self.client = chromadb.PersistentClient(f"{self.path}/chroma")
        self.collection = self.client.get_or_create_collection(
            "bench", configuration={"hnsw": {"space": "ip"}}, embedding_function=None
        )

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        for part in parts(len(vectors), 5000):
            self.collection.add(
                ids=[str(n) for n in range(part.start, part.stop)],
                embeddings=vectors[part],
                metadatas=[{"slot": slot} for slot in slots[part].tolist()],
            )

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        where: Any = None if below is None else {"slot": {"$lt": below}}
        found = self.collection.query(query_embeddings=[query], n_results=k, where=where, include=["distances"])
        return [int(value) for value in found["ids"][0]]

    async def delete(self, ids: list[int]) -> None:
        for part in parts(len(ids), 5000):
            self.collection.delete(ids=[str(value) for value in ids[part]])

    async def close(self) -> None:
        from chromadb.api.client import SharedSystemClient

        # Else the next client of this process is the same one, open.
        self.client._system.stop()
        SharedSystemClient.clear_system_cache()


class LanceDB(Engine):
    name, packages = "lancedb (IVF_HNSW_SQ)", ("lancedb",)

    async def open(self) -> None:
        import lancedb

        self.db = lancedb.connect(f"{self.path}/lance")

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        import pyarrow as pa

        flat = pa.array(vectors.reshape(-1))
        table = pa.table(
            {
                "id": pa.array(range(len(vectors))),
                "slot": pa.array(slots),
                "vector": pa.FixedSizeListArray.from_arrays(flat, self.dimension),
            }
        )
        self.table = self.db.create_table("bench", table)

    async def make_ready(self) -> None:
        self.table.create_index(metric="dot", index_type="IVF_HNSW_SQ", vector_column_name="vector")
        self.table.create_scalar_index("slot")

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        asked = (
            self.table.search(query).distance_type("dot").limit(k).nprobes(20).refine_factor(self.refine).select(["id"])
        )
        if below is not None:
            asked = asked.where(f"slot < {below}", prefilter=True)
        return [int(row["id"]) for row in asked.to_list()]

    async def delete(self, ids: list[int]) -> None:
        self.table.delete(f"id IN ({', '.join(map(str, ids))})")

    async def reopen(self) -> None:
        await self.open()
        self.table = self.db.open_table("bench")

    refine = 4
    knobs = (1, 4, 10)

    async def turn(self, knob: int) -> None:
        self.refine = knob


class MilvusLite(Engine):
    name, packages = "milvus-lite (HNSW)", ("milvus-lite", "pymilvus")

    async def open(self) -> None:
        from pymilvus import DataType, MilvusClient

        self.client = MilvusClient(f"{self.path}/milvus.db")
        if self.client.has_collection("bench"):
            self.client.load_collection("bench")
            return
        schema = self.client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("slot", DataType.INT64)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=self.dimension)
        index = self.client.prepare_index_params()
        index.add_index("v", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 200})
        self.client.create_collection("bench", schema=schema, index_params=index)

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        for part in parts(len(vectors), 5000):
            rows = [{"id": n, "slot": int(slots[n]), "v": vectors[n]} for n in range(part.start, part.stop)]
            self.client.insert("bench", rows)

    async def make_ready(self) -> None:
        self.client.flush("bench")
        self.client.load_collection("bench")

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        [found] = self.client.search(
            "bench",
            [query.tolist()],
            limit=k,
            filter="" if below is None else f"slot < {below}",
            search_params={"params": {"ef": 128}},
        )
        return [int(hit["id"]) for hit in found]

    async def delete(self, ids: list[int]) -> None:
        for part in parts(len(ids), 5000):
            self.client.delete("bench", ids=ids[part])

    async def close(self) -> None:
        self.client.close()


class QdrantLocal(Engine):
    name, packages, reopens = "qdrant-client, local mode", ("qdrant-client",), False

    async def open(self) -> None:
        from qdrant_client import QdrantClient, models

        self.models, self.client = models, QdrantClient(":memory:")
        self.client.create_collection(
            "bench", vectors_config=models.VectorParams(size=self.dimension, distance=models.Distance.DOT)
        )

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        for part in parts(len(vectors), 1000):
            points = [
                self.models.PointStruct(id=n, vector=vectors[n].tolist(), payload={"slot": int(slots[n])})
                for n in range(part.start, part.stop)
            ]
            self.client.upsert("bench", points=points)

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        m = self.models
        chosen = None if below is None else m.Filter(must=[m.FieldCondition(key="slot", range=m.Range(lt=below))])
        return [
            int(point.id)
            for point in self.client.query_points("bench", query=query, limit=k, query_filter=chosen).points
        ]

    async def delete(self, ids: list[int]) -> None:
        self.client.delete("bench", points_selector=ids)


class SQLiteVec(Engine):
    # By apsw: many builds of Python's own sqlite3 cannot load extensions.
    name, packages = "sqlite-vec", ("sqlite-vec", "apsw")

    async def open(self) -> None:
        self.mine = threading.local()
        self._db().execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS bench USING vec0(slot integer, v float[{self.dimension}])"
        )

    def _db(self) -> Any:
        """A connection of each thread's own."""
        if not hasattr(self.mine, "db"):
            import apsw
            import sqlite_vec

            self.mine.db = apsw.Connection(f"{self.path}/vec.db")
            self.mine.db.set_busy_timeout(10_000)
            self.mine.db.enable_load_extension(True)
            self.mine.db.load_extension(sqlite_vec.loadable_path())
        return self.mine.db

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        with self._db():
            rows = ((n, int(slots[n]), vectors[n].tobytes()) for n in range(len(vectors)))
            self._db().executemany("INSERT INTO bench(rowid, slot, v) VALUES (?, ?, ?)", rows)

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        extra = "" if below is None else f" AND slot < {below}"
        rows = self._db().execute(f"SELECT rowid FROM bench WHERE v MATCH ? AND k = {k}{extra}", [query.tobytes()])
        return [row for (row,) in rows]

    async def delete(self, ids: list[int]) -> None:
        with self._db():
            self._db().executemany("DELETE FROM bench WHERE rowid = ?", [(value,) for value in ids])

    async def close(self) -> None:
        self._db().close()
        self.mine = threading.local()


class LangChainInMemory(Engine):
    name, packages, reopens = "LangChain InMemoryVectorStore", ("langchain-core",), False

    async def open(self) -> None:
        from langchain_core.embeddings import Embeddings
        from langchain_core.vectorstores import InMemoryVectorStore

        class Nothing(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                raise NotImplementedError

            def embed_query(self, text: str) -> list[float]:
                raise NotImplementedError

        self.store = InMemoryVectorStore(Nothing())

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        for n, (vector, slot) in enumerate(zip(vectors.tolist(), slots.tolist(), strict=True)):
            # As its add_documents stores them, with the embedding ready-made.
            self.store.store[str(n)] = {"id": str(n), "vector": vector, "text": "", "metadata": {"slot": slot}}

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        keep = None if below is None else (lambda document: document.metadata["slot"] < below)
        found = self.store._similarity_search_with_score_by_vector(query.tolist(), k=k, filter=keep)
        return [int(document.id) for document, *_ in found]

    async def delete(self, ids: list[int]) -> None:
        self.store.delete([str(value) for value in ids])


class BareNumPy(Engine):
    name, packages, is_bare, deletes, reopens = "NumPy, bare: X @ q", ("numpy",), True, False, False

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        self.vectors, self.slots = vectors, slots

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        rows = None if below is None else np.flatnonzero(self.slots < below)
        scores = (self.vectors if rows is None else self.vectors[rows]) @ query
        best = np.argpartition(-scores, min(k, len(scores) - 1))[:k]
        found: list[int] = (best if rows is None else rows[best]).tolist()
        return found


class BareTurbovec(Engine):
    name, packages, is_bare, deletes, reopens = (
        "turbovec, bare, 4 bits, no rescoring",
        ("turbovec",),
        True,
        False,
        False,
    )

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        from turbovec import TurboQuantIndex

        self.index, self.slots = TurboQuantIndex(dim=self.dimension, bit_width=4), slots
        self.index.calibrate(vectors[:2048])
        self.index.add(vectors)

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        _, rows = self.index.search(query[None], k, mask=None if below is None else self.slots < below)
        found: list[int] = rows[0].tolist()
        return found


class BareFaiss(Engine):
    name, packages, is_bare, deletes, reopens, filters = (
        "faiss HNSW32, bare, ef 256",
        ("faiss-cpu",),
        True,
        False,
        False,
        False,
    )

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        import faiss

        del slots
        self.index = faiss.IndexHNSWFlat(self.dimension, 32, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efSearch = 256
        self.index.add(vectors)

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        _, rows = self.index.search(query[None], k)
        found: list[int] = rows[0].tolist()
        return found

    knobs = (16, 32, 64, 128, 256, 512)

    async def turn(self, knob: int) -> None:
        self.index.hnsw.efSearch = knob


class BareUsearch(Engine):
    name, packages, is_bare, deletes, reopens, filters = (
        "usearch HNSW bf16, bare",
        ("usearch",),
        True,
        False,
        False,
        False,
    )

    async def insert(self, vectors: Matrix, slots: Matrix) -> None:
        from usearch.index import Index

        del slots
        self.index = Index(ndim=self.dimension, metric="ip", dtype="bf16")
        self.index.add(np.arange(len(vectors)), vectors)

    def search_now(self, query: Matrix, k: int, below: int | None) -> list[int]:
        found: list[int] = self.index.search(query, k).keys.tolist()
        return found

    knobs = (32, 64, 128, 256, 512)

    async def turn(self, knob: int) -> None:
        self.index.expansion_search = knob


ENGINES: dict[str, type[Engine]] = {
    kind.__name__.lower(): kind
    for kind in (
        Ours,
        OursNumPy,
        OursExact,
        OursInt8,
        OursInt4,
        OursBinary,
        Zvec,
        QdrantEdge,
        Chroma,
        LanceDB,
        MilvusLite,
        QdrantLocal,
        SQLiteVec,
        LangChainInMemory,
        BareNumPy,
        BareTurbovec,
        BareFaiss,
        BareUsearch,
    )
}
