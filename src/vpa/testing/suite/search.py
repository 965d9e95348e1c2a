"""Search: scores by definition, order, ties at the cut, thresholds, and queries that cannot be right."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vpa.base.errors import InvalidQueryError
from vpa.base.records import Metric, Record
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F
from vpa.testing.suite.base import DIMENSION, StoreSuite, vector

METRICS = [str(metric) for metric in Metric]
COUNT = 60


def reference(metric: str, rows: NDArray[np.float64], query: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Scores and distances as SEMANTICS defines them, in float64, with no shared code."""
    if metric == "cosine":
        scores = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        return scores.tolist(), (1 - scores).tolist()
    if metric == "dot":
        return (rows @ query).tolist(), (-(rows @ query)).tolist()
    distances = np.sqrt(((rows - query) ** 2).sum(axis=1))
    return (1 / (1 + distances)).tolist(), distances.tolist()


def matrix(scale: float = 1.0) -> NDArray[np.float64]:
    """Random rows, float32 values in float64."""
    return np.asarray([vector(n) for n in range(COUNT)], dtype=np.float32).astype(np.float64) * scale


class SearchSuite(StoreSuite):
    """Everything about one query."""

    @pytest.fixture(params=METRICS)
    def metric(self, request: pytest.FixtureRequest) -> Metric:
        """Each metric in turn."""
        return Metric(request.param)

    @pytest.fixture
    async def filled(self, db: VectorDatabaseManager, name: str, metric: Metric) -> Collection:
        """Sixty records with random vectors."""
        docs = await db.create_collection(name, dimension=DIMENSION, metric=metric)
        await docs.upsert([Record(f"r{n:02d}", vector=row, metadata={"n": n}) for n, row in enumerate(matrix())])
        return docs

    @pytest.mark.parametrize("exact", [True, False])
    async def test_scores_and_distances_are_as_defined(self, filled: Collection, metric: Metric, exact: bool) -> None:
        query = np.asarray(vector(1000))
        scores, distances = reference(metric, matrix(), query)
        found = await filled.search(vector=query, top_k=COUNT, exact=exact)
        assert len(found) == COUNT
        for match in found:
            number = int(match.id[1:])
            assert match.score == pytest.approx(scores[number], abs=1e-5 * max(1.0, abs(scores[number])))
            assert match.distance == pytest.approx(distances[number], abs=1e-4)
            assert isinstance(match.score, float)
            assert isinstance(match.distance, float)

    async def test_the_best_come_first(self, filled: Collection, metric: Metric) -> None:
        query = np.asarray(vector(1001))
        scores, _ = reference(metric, matrix(), query)
        order = sorted(range(COUNT), key=lambda n: -scores[n])
        found = await filled.search(vector=query, top_k=10, exact=True)
        assert found.ids == [f"r{n:02d}" for n in order[:10]]
        assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)
        assert found.exact is True
        assert found.usage.time_s > 0
        assert found.usage.candidates >= 10

    @pytest.mark.parametrize("top_k", [1, 7, COUNT, COUNT + 1, 5000])
    async def test_at_most_top_k_and_all_there_are(self, filled: Collection, top_k: int) -> None:
        assert len(await filled.search(vector=vector(3), top_k=top_k)) == min(top_k, COUNT)

    async def test_a_threshold_keeps_scores_at_and_above_it(self, filled: Collection, metric: Metric) -> None:
        everything = await filled.search(vector=vector(1002), top_k=COUNT, exact=True)
        middle = (everything[20].score + everything[21].score) / 2
        kept = await filled.search(vector=vector(1002), top_k=COUNT, score_threshold=middle, exact=True)
        assert kept.ids == everything.ids[:21]
        assert len(await filled.search(vector=vector(1002), top_k=COUNT, score_threshold=1e9)) == 0

    async def test_a_batch_gives_what_single_queries_give(self, filled: Collection) -> None:
        queries = np.asarray([vector(n) for n in range(2000, 2009)])
        together = await filled.search_batch(vectors=queries, top_k=7, filter=F("n") >= 20, exact=True)
        alone = [await filled.search(vector=query, top_k=7, filter=F("n") >= 20, exact=True) for query in queries]
        assert [one.ids for one in together] == [one.ids for one in alone]
        for one, other in zip(together, alone, strict=True):
            assert [match.score for match in one] == pytest.approx([match.score for match in other], abs=1e-6)

    async def test_an_empty_batch_gives_nothing(self, filled: Collection) -> None:
        assert await filled.search_batch(vectors=np.empty((0, DIMENSION))) == []
        assert await filled.search_batch(vectors=[]) == []

    async def test_vectors_come_when_asked(self, filled: Collection, metric: Metric) -> None:
        [with_vector] = await filled.search(vector=vector(5), top_k=1, include_vectors=True)
        [without] = await filled.search(vector=vector(5), top_k=1)
        assert without.vector is None
        [stored] = await filled.get([with_vector.id])
        assert np.array_equal(np.asarray(with_vector.vector), np.asarray(stored.vector))

    async def test_equal_scores_stand_in_id_order_also_at_the_cut(
        self, db: VectorDatabaseManager, name: str, metric: Metric
    ) -> None:
        docs = await db.create_collection(name, dimension=DIMENSION, metric=metric)
        names = [f"t{n:02d}" for n in range(40)]
        shuffled = [names[n] for n in np.random.default_rng(0).permutation(40)]
        await docs.upsert([Record(one, vector=vector(1)) for one in shuffled])
        await docs.upsert([Record("far", vector=[-x for x in vector(1)])])
        for top_k in (1, 5, 39, 41):
            found = await docs.search(vector=vector(1), top_k=top_k, exact=True)
            assert found.ids == [*names, "far"][:top_k]
            assert len({match.score for match in found if match.id != "far"}) == 1

    async def test_many_searches_at_once_do_not_disturb_each_other(self, filled: Collection) -> None:
        async def finds_best(number: int) -> bool:
            found = await filled.search(vector=matrix()[number], top_k=COUNT, exact=True)
            scores, _ = reference(str(filled.info.metric), matrix(), matrix()[number])
            return found[0].score == pytest.approx(max(scores), abs=1e-4)

        assert all(await asyncio.gather(*(finds_best(number) for number in range(COUNT))))

    async def test_large_norms_keep_their_order(self, db: VectorDatabaseManager, name: str, metric: Metric) -> None:
        docs = await db.create_collection(name, dimension=DIMENSION, metric=metric)
        rows = np.asarray(matrix(1e6), dtype=np.float32).astype(np.float64)
        await docs.upsert([Record(f"r{n:02d}", vector=row) for n, row in enumerate(rows)])
        query = rows[17]
        scores, _ = reference(metric, rows, query)
        order = sorted(range(COUNT), key=lambda n: -scores[n])
        assert (await docs.search(vector=query, top_k=5, exact=True)).ids == [f"r{n:02d}" for n in order[:5]]

    @pytest.mark.parametrize(
        "bad",
        [
            [1.0],
            [1.0] * (DIMENSION + 1),
            [[1.0] * DIMENSION],
            [float("nan")] * DIMENSION,
            [float("inf")] * DIMENSION,
            [1e39] * DIMENSION,
            ["x"] * DIMENSION,
            [],
            None,
            "vector",
            [None] * DIMENSION,
        ],
    )
    async def test_a_query_that_cannot_be_right_is_refused(self, docs: Collection, bad: Any) -> None:
        with pytest.raises(InvalidQueryError):
            await docs.search(vector=bad)

    async def test_a_zero_query_has_no_direction(self, docs: Collection) -> None:
        with pytest.raises(InvalidQueryError, match="direction"):
            await docs.search(vector=[0.0] * DIMENSION)

    async def test_a_huge_query_keeps_its_direction(self, docs: Collection) -> None:
        await docs.upsert([Record("a", vector=[1.0, *[0.0] * (DIMENSION - 1)])])
        [match] = await docs.search(vector=[1e20, *[0.0] * (DIMENSION - 1)])
        assert match.score == pytest.approx(1.0, abs=1e-6)

    @pytest.mark.parametrize("top_k", [0, -1, 5001, 2.5, "5", None, True])
    async def test_an_impossible_top_k_is_refused(self, docs: Collection, top_k: Any) -> None:
        with pytest.raises(InvalidQueryError, match="top_k"):
            await docs.search(vector=vector(1), top_k=top_k)

    @pytest.mark.parametrize("threshold", ["0.5", float("nan"), True])
    async def test_an_impossible_threshold_is_refused(self, docs: Collection, threshold: Any) -> None:
        with pytest.raises(InvalidQueryError, match="threshold"):
            await docs.search(vector=vector(1), score_threshold=threshold)

    async def test_an_empty_store_has_no_matches(self, docs: Collection) -> None:
        assert len(await docs.search(vector=vector(1))) == 0
        assert [len(one) for one in await docs.search_batch(vectors=[vector(1), vector(2)])] == [0, 0]

    async def test_get_answers_in_the_order_asked(self, docs: Collection) -> None:
        await docs.upsert([Record(name, vector=vector(n)) for n, name in enumerate("abc")])
        assert [record.id for record in await docs.get(["c", "nope", "a"])] == ["c", "a"]
        assert await docs.get([]) == []
        [record] = await docs.get(["b"], include_vectors=False)
        assert record.vector is None
