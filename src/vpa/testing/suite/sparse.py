"""Sparse vectors of callers: they come back as they were written, and records are searched by their product.

A store without `capabilities.sparse_vectors` must say so; every other case is passed over there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from vpa.base.errors import ConfigurationError, InvalidQueryError, InvalidRecordError
from vpa.base.records import Metric, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F
from vpa.retrieval.fusion import Fusion, fuse
from vpa.testing.suite.base import DIMENSION, StoreSuite, vector

COUNT = 90
LAST = 2**32 - 3
QUERY = {3: 1.5, 17: 0.25, 30: 2.0, LAST: 0.125, 5_000_000: 4.0}
OTHER = Scope("acme", "sparse")


def vectors() -> list[dict[int, float]]:
    """One for each record; a few have none, some hold the largest dimension, and several are the same."""
    rng = np.random.default_rng(11)
    made: list[dict[int, float]] = [{}, {17: 0.5}, {17: 0.5}, {LAST: 1.0, 40: 0.1}]
    while len(made) < COUNT:
        dimensions = rng.choice(40, size=int(rng.integers(1, 25)), replace=False).tolist()
        made.append({number: float(np.float32(rng.gamma(2.0))) for number in sorted(dimensions)})
    return made


def products(query: Mapping[int, float]) -> dict[str, float]:
    """The records with any dimension of the query, best first, ties by id."""
    scores = {}
    for number, sparse in enumerate(vectors()):
        if common := [dimension for dimension in query if dimension in sparse]:
            scores[f"r{number:03d}"] = sum(query[dimension] * sparse[dimension] for dimension in common)
    return dict(sorted(scores.items(), key=lambda entry: (-entry[1], entry[0])))


def as_stored(sparse: Mapping[int, float]) -> dict[int, float]:
    """Weights as float32 has them."""
    return {number: float(np.float32(weight)) for number, weight in sorted(sparse.items())}


class SparseSuite(StoreSuite):
    """A collection made with `sparse=True`."""

    @pytest.fixture
    def holding(self, db: VectorDatabaseManager) -> VectorDatabaseManager:
        """The manager, where its store holds sparse vectors."""
        if not db.holds_sparse:
            pytest.skip("this store holds no sparse vectors")
        return db

    @pytest.fixture
    async def sparse(self, holding: VectorDatabaseManager, name: str) -> Collection:
        """An empty collection."""
        return await holding.create_collection(name, dimension=DIMENSION, metric=Metric.COSINE, sparse=True)

    @pytest.fixture
    async def filled(self, sparse: Collection) -> Collection:
        """A record for each of `vectors`; `place` is its number."""
        await sparse.upsert(
            [
                Record(
                    f"r{n:03d}", vector=vector(n), text=f"text {n}", metadata={"place": n, "word": f"w{n}"}, sparse=own
                )
                for n, own in enumerate(vectors())
            ]
        )
        return sparse

    async def test_a_store_that_holds_none_says_who_does(self, db: VectorDatabaseManager, docs: Collection) -> None:
        with pytest.raises(InvalidRecordError, match=r"sparse=True"):
            await docs.upsert([Record("a", vector=vector(1)), Record("b", vector=vector(2), sparse={1: 1.0})])
        assert await docs.count() == 0
        with pytest.raises(ConfigurationError, match="sparse vectors"):
            await docs.search(sparse={1: 1.0})
        if not db.holds_sparse:
            with pytest.raises(ConfigurationError, match="Qdrant, Milvus and Pinecone"):
                await db.create_collection(f"{docs.name}s", dimension=2, sparse=True)

    async def test_they_come_back_as_float32(self, sparse: Collection) -> None:
        written = {99: 1.25, 17: 0.1, 0: 1e-7, LAST: 123456.789, 5: 0.0}
        await sparse.upsert([Record("a", vector=vector(1), sparse=written), Record("b", vector=vector(2), sparse={})])
        await sparse.upsert({"id": "c", "vector": vector(3), "sparse": {"17": 2, "3": 1e30}})
        expected = {
            "a": as_stored({n: w for n, w in written.items() if w}),
            "b": None,
            "c": as_stored({3: 1e30, 17: 2}),
        }
        read = {record.id: record.sparse for record in await sparse.get(["a", "b", "c"])}
        assert read == expected
        scanned = {record.id: record.sparse async for record in sparse.scan()}
        assert scanned == expected
        [bare] = await sparse.get(["a"], include_vectors=False)
        assert bare.sparse is None
        assert (await sparse.get(["a"]))[0] == Record.from_json((await sparse.get(["a"]))[0].to_json())

    async def test_batches_have_a_column_of_them(self, sparse: Collection) -> None:
        rows = np.asarray([vector(1), vector(2)], dtype=np.float32)
        await sparse.upsert(RecordBatch(ids=["a", "b"], vectors=rows, sparse=[None, {7: 0.5}]))
        [batch] = [batch async for batch in sparse.scan_batches()]
        assert batch.sparse is not None
        assert dict(zip(batch.ids, batch.sparse, strict=True)) == {"a": None, "b": {7: 0.5}}

    async def test_scores_are_products(self, filled: Collection) -> None:
        expected = products(QUERY)
        answer = await filled.search(sparse=QUERY, top_k=10, exact=True)
        assert answer.ids == list(expected)[:10]
        assert [match.score for match in answer] == pytest.approx(list(expected.values())[:10], rel=1e-6)
        assert answer[0].distance == -answer[0].score
        assert answer[0].sparse is None
        whole = await filled.search(sparse=QUERY, top_k=COUNT, include_vectors=True, exact=True)
        assert whole.ids == list(expected)
        assert whole[0].sparse == as_stored(vectors()[int(whole.ids[0][1:])])
        assert whole[0].vector is not None

    async def test_only_records_with_a_dimension_of_it_are_matches(self, filled: Collection) -> None:
        assert (await filled.search(sparse={LAST: 3.0})).ids == ["r003"]
        assert not await filled.search(sparse={41: 1.0})
        best = list(products({17: 1.0}).items())
        least = best[3][1]
        answer = await filled.search(sparse={17: 1.0}, top_k=COUNT, score_threshold=least - 1e-6)
        assert answer.ids == [key for key, score in best if score >= least - 1e-6]

    async def test_filters_act_before_ranking(self, filled: Collection) -> None:
        expected = products(QUERY)
        few = await filled.search(sparse=QUERY, filter=F("place") >= 70, exact=True)
        assert few.ids == [key for key in expected if int(key[1:]) >= 70][:10]
        # A filter that stores leave to us.
        some = await filled.search(sparse=QUERY, filter=F("word").starts_with("w1"), top_k=5, exact=True)
        assert some.ids == [key for key in expected if f"w{int(key[1:])}".startswith("w1")][:5]

    async def test_scopes_do_not_see_one_another(self, sparse: Collection) -> None:
        await sparse.upsert([Record("a", vector=vector(1), sparse={1: 1.0})])
        await sparse.upsert([Record("a", vector=vector(1), sparse={1: 2.0, 2: 1.0})], scope=OTHER)
        assert [match.score for match in await sparse.search(sparse={1: 1.0})] == [1.0]
        assert [match.score for match in await sparse.search(sparse={1: 1.0}, scope=OTHER)] == [2.0]
        assert not await sparse.search(sparse={2: 1.0})

    async def test_they_follow_every_write(self, sparse: Collection) -> None:
        await sparse.upsert([Record(name, vector=vector(n), sparse={n: 1.0}) for n, name in enumerate("abc")])
        await sparse.upsert([Record("a", vector=vector(5), sparse={7: 1.0}), Record("b", vector=vector(6))])
        assert not await sparse.search(sparse={0: 1.0, 1: 1.0})
        assert (await sparse.search(sparse={7: 1.0})).ids == ["a"]
        await sparse.update_metadata(["a", "b"], set={"n": 2})
        [changed, bare] = await sparse.get(["a", "b"])
        assert (changed.sparse, bare.sparse) == ({7: 1.0}, None)
        assert (await sparse.search(sparse={7: 1.0}, filter=F("n") == 2)).ids == ["a"]
        await sparse.delete(["a"])
        assert not await sparse.search(sparse={7: 1.0})

    @pytest.mark.parametrize("method", ["zscore", "rrf"])
    async def test_hybrid_fuses_both_scores_of_every_candidate(self, filled: Collection, method: str) -> None:
        query, fusion = np.asarray(vector(999)), Fusion(method=method)  # type: ignore[arg-type]
        answer = await filled.search(query, sparse=QUERY, fusion=fusion, top_k=12, exact=True)
        rows = np.asarray([vector(n) for n in range(COUNT)])
        cosine = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        product = products(QUERY)
        ids = [f"r{n:03d}" for n in range(COUNT)]
        fused = dict(zip(ids, fuse(cosine, np.asarray([product.get(key, 0.0) for key in ids]), fusion), strict=True))
        best = sorted(fused, key=lambda key: (-fused[key], key))[:12]
        assert [match.score for match in answer] == pytest.approx([fused[key] for key in best], abs=1e-5)
        assert len(set(answer.ids) & set(best)) >= 11
        assert answer[0].sparse is None
        assert answer[0].vector is None

    async def test_a_hybrid_search_under_a_filter(self, filled: Collection) -> None:
        answer = await filled.search(vector(999), sparse=QUERY, top_k=7, filter=F("place") < 40, include_vectors=True)
        assert len(answer) == 7
        assert all(match.metadata["place"] < 40 for match in answer)
        assert answer[0].sparse == as_stored(vectors()[answer[0].metadata["place"]])

    async def test_questions_that_cannot_be_right(self, filled: Collection) -> None:
        with pytest.raises(InvalidQueryError, match="not both"):
            await filled.search(sparse={1: 1.0}, text="words")
        for wrong in ({}, {1: 0.0}, {-1: 1.0}, {1.5: 1.0}, {1: float("nan")}, {2**32 - 2: 1.0}, [1, 2]):
            with pytest.raises(InvalidQueryError, match="sparse"):
                await filled.search(sparse=wrong)  # type: ignore[arg-type]

    async def test_its_description_says_so(self, holding: VectorDatabaseManager, sparse: Collection) -> None:
        described = await holding._open_store().describe_collection(sparse.name)
        assert described is not None
        assert described.sparse
        again = await holding.create_collection(sparse.name, dimension=DIMENSION, sparse=True, exist_ok=True)
        assert again.info.sparse
        await holding.create_collection(f"{sparse.name}p", dimension=DIMENSION)
        with pytest.raises(ConfigurationError, match="sparse"):
            await holding.create_collection(f"{sparse.name}p", dimension=DIMENSION, sparse=True, exist_ok=True)
