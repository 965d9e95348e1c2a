"""The engine's columns against the reference evaluator, and its search against plain NumPy, on random input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpa.base import distances
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, Metric, RecordBatch
from vpa.base.scope import Scope
from vpa.base.validation import check_batch
from vpa.engine import topk
from vpa.engine.columns import Columns
from vpa.engine.indexes import flat
from vpa.engine.predicate import leaf_rows, row_mask
from vpa.engine.table import Table
from vpa.filters import as_filter, matches, normalize
from vpa.filters.ast import ALWAYS, Comparison, Eq, Field, Filter, In, Range
from vpa.testing import strategies

SCOPE = Scope()


_number = st.integers(-2, 3)
_rows = st.lists(
    st.fixed_dictionaries({"n": _number | st.none() | st.lists(_number, max_size=3)}), min_size=2, max_size=12
)
_leaves = st.lists(
    st.builds(Eq, st.just(Field("n")), _number)
    | st.builds(lambda values: In(Field("n"), tuple(values)), st.lists(_number, min_size=1, max_size=3))
    | st.builds(Range, st.just(Field("n")), st.sampled_from(Comparison), _number),
    min_size=1,
    max_size=6,
)


@given(_rows | st.lists(st.fixed_dictionaries({"n": _number}), min_size=2, max_size=12), _leaves)
@settings(max_examples=300)
def test_rows_of_a_leaf_are_each_there_once(rows: list[dict[str, Any]], leaves: list[Filter]) -> None:
    columns = Columns()
    half = len(rows) // 2
    for first, part in ((0, rows[:half]), (half, rows[half:])):
        # The ranking is made of the first half, and knows nothing of the second but by looking at it.
        columns.append(first, part, None)
        count = first + len(part)
        for node in leaves:
            found = leaf_rows(node, columns, count)
            wanted = [n for n, row in enumerate(rows[:count]) if matches(node, row)]
            if found is None:
                assert np.flatnonzero(row_mask(node, columns, count)).tolist() == wanted
                continue
            [numbers] = found.pieces
            assert sorted(numbers.tolist()) == wanted
            if found.contains is not None:
                every = np.arange(count)
                assert every[found.contains(every)].tolist() == wanted


@given(st.lists(strategies.metadata, max_size=12), st.lists(strategies.filters, min_size=1, max_size=6))
@settings(max_examples=300)
def test_row_masks_are_what_the_evaluator_says(rows: list[dict[str, Any]], filters: list[strategies.Pair]) -> None:
    columns = Columns()
    columns.append(0, rows[:5], None)
    columns.append(5, rows[5:], None) if len(rows) > 5 else None
    live = np.asarray([n % 3 != 1 for n in range(len(rows))], dtype=np.bool_)
    kept = columns.compacted(live)
    survivors = [row for row, alive in zip(rows, live, strict=True) if alive]
    for pair in filters:
        node = normalize(as_filter(pair.json))
        assert row_mask(node, columns, len(rows)).tolist() == [matches(node, row) for row in rows]
        assert row_mask(node, kept, len(survivors)).tolist() == [matches(node, row) for row in survivors]
        # A view of fewer rows sees a prefix.
        half = len(rows) // 2
        assert row_mask(node, columns, half).tolist() == [matches(node, row) for row in rows[:half]]


@pytest.mark.parametrize("dimension", [1, 3, 8, 64])
def test_inverted_lists_agree_with_a_plain_pass(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    values = rng.integers(0, 50, 20_000).tolist()
    columns = Columns()
    columns.append(0, [{"v": v} for v in values[:15_000]], None)
    for wanted in ([3], [3, 7, 49], list(range(50))):
        node = normalize(as_filter({"v": {"$in": wanted}}))
        assert row_mask(node, columns, 15_000).tolist() == [v in wanted for v in values[:15_000]]
    columns.append(15_000, [{"v": v} for v in values[15_000:]], None)
    for row_count in (20_000, 15_000, 4000):
        mask = row_mask(normalize(as_filter({"v": {"$in": [3, 60]}})), columns, row_count)
        assert mask.tolist() == [v == 3 for v in values[:row_count]]


def _collection(metric: str, matrix: np.ndarray) -> Table:
    info = CollectionInfo(name="docs", dimension=matrix.shape[1], metric=Metric(metric))
    batch = RecordBatch(
        ids=[f"r{n:05d}" for n in range(len(matrix))],
        vectors=matrix,
        metadata=[{"n": n % 10} for n in range(len(matrix))],
    )
    collection = Table(info)
    step = max(1, len(matrix) // 3)
    for start in range(0, len(matrix), step):
        part = RecordBatch(
            ids=batch.ids[start : start + step],
            vectors=matrix[start : start + step],
            metadata=batch.metadata[start : start + step],  # type: ignore[index]
        )
        checked = check_batch(part, info=info)
        collection.upsert(checked, scope=SCOPE, on_conflict=OnConflict.REPLACE, replacing=None)
    return collection


def _reference(metric: str, matrix: np.ndarray, query: np.ndarray, *, top_k: int, keep) -> list[tuple[float, str]]:
    rows = matrix.astype(np.float64)
    wide = query.astype(np.float64)
    if metric == "cosine":
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
        scores = np.clip((rows * wide).sum(axis=1), -1, 1)
    elif metric == "dot":
        scores = (rows * wide).sum(axis=1)
    else:
        scores = 1 / (1 + np.sqrt(((rows - wide) ** 2).sum(axis=1)))
    return sorted(((-float(s), f"r{n:05d}") for n, s in enumerate(scores) if keep(n)))[:top_k]


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize(
    "kind",
    ["normal", "duplicates", "constant", "one-hot", "huge norms", "tiny norms", "far from the origin", "overflowing"],
)
@pytest.mark.parametrize("keep_share", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("rows_at_once", [None, 370])
def test_search_is_exact_whatever_the_data(
    metric: str, kind: str, keep_share: float, rows_at_once: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rows_at_once:
        monkeypatch.setattr(flat, "_KEYS_BYTES", rows_at_once * 4 * 3)
    rng = np.random.default_rng(7)
    n, d = 1500, 16
    matrix = rng.standard_normal((n, d)).astype(np.float32)
    if kind == "duplicates":
        matrix = matrix[rng.integers(0, 20, n)]
    elif kind == "constant":
        matrix[:] = matrix[0]
    elif kind == "one-hot":
        matrix = np.eye(d, dtype=np.float32)[rng.integers(0, d, n)]
    elif kind == "huge norms":
        matrix *= (10.0 ** rng.integers(0, 12, (n, 1))).astype(np.float32)
    elif kind == "tiny norms":
        matrix *= np.float32(1e-15)
    elif kind == "far from the origin":
        matrix += np.float32(1e4)
    elif kind == "overflowing":
        matrix *= np.float32(1e25)
    collection = _collection(metric, matrix)
    query = matrix[3] + (matrix[4] - matrix[3]) * np.float32(0.25)
    unit = query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
    asked = unit.astype(np.float32) if metric == "cosine" else query
    limit = int(keep_share * 10)
    together = np.stack([-asked, asked, asked]) if rows_at_once else asked[None, :]
    answers = collection.search(SearchRequest(vectors=together, top_k=10), normalize(as_filter({"n": {"$lt": limit}})))
    found = answers[len(answers) // 2].matches
    wanted = _reference(metric, matrix, asked, top_k=10, keep=lambda n: n % 10 < limit)
    scores = [-score for score, _ in wanted]
    assert [match.score for match in found] == pytest.approx(scores, rel=1e-9, abs=1e-12)
    if kind in ("constant", "one-hot"):
        assert [match.id for match in found] == [name for _, name in wanted]


@given(st.integers(1, 300), st.integers(1, 20), st.integers(0, 2**32 - 1), st.booleans())
def test_candidates_hold_the_k_greatest_true_keys(n: int, k: int, seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    true = rng.standard_normal(n).round(1) if coarse else rng.standard_normal(n)
    error = 0.01
    keys = (true + rng.uniform(-error, error, n) * 0.99).astype(np.float32)
    hidden = rng.random(n) < 0.2
    keys[hidden] = -np.inf
    rows = topk.candidates(keys, topk.block_maxima(keys), k=k, error=error)
    visible = np.flatnonzero(~hidden)
    best = visible[np.argsort(-true[visible], kind="stable")[:k]]
    assert set(best.tolist()) <= set(rows.tolist())
    assert not set(rows.tolist()) & set(np.flatnonzero(hidden).tolist())


@pytest.mark.parametrize("metric", list(Metric))
def test_equal_vectors_get_equal_scores_wherever_they_stand(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    for d in (1, 2, 7, 384, 1000):
        row = rng.standard_normal(d).astype(np.float32)
        query = rng.standard_normal(d).astype(np.float32)
        alone = distances.scores(metric, row[None, :], query)[0]
        for count in (2, 3, 17, 5000):
            rows = rng.standard_normal((count, d)).astype(np.float32)
            rows[count // 2] = rows[-1] = row
            scores = distances.scores(metric, rows, query)
            assert scores[count // 2] == scores[-1] == alone


def test_updates_and_deletes_compact_and_search_stays_exact() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((12_000, 8)).astype(np.float32)
    collection = _collection("cosine", matrix)
    assert (
        collection.delete(ids=[f"r{n:05d}" for n in range(0, 12_000, 3)], node=ALWAYS, scope=SCOPE, dry_run=False)
        == 4000
    )
    for _ in range(2):
        collection.update_metadata(
            ids=None, node=ALWAYS, scope=SCOPE, assign={"seen": True}, remove=["n"], dry_run=False
        )
        collection.upkeep.run(stop=lambda: False)
    view = collection.view
    assert (view.live_count, view.count) == (8000, 8000)
    query = matrix[7] / np.linalg.norm(matrix[7])
    found = collection.search(SearchRequest(vectors=query[None, :].astype(np.float32), top_k=5), ALWAYS)[0][0]
    wanted = _reference("cosine", matrix, query.astype(np.float32), top_k=5, keep=lambda n: n % 3 != 0)
    assert [match.id for match in found] == [name for _, name in wanted]
    assert found[0].metadata == {"seen": True}


def test_a_view_does_not_change_under_its_reader() -> None:
    matrix = np.random.default_rng(5).standard_normal((500, 4)).astype(np.float32)
    collection = _collection("dot", matrix)
    view = collection.view
    before = view.select(normalize(as_filter({"n": 3})), SCOPE).tolist()
    collection.delete(ids=[f"r{n:05d}" for n in range(250)], node=ALWAYS, scope=SCOPE, dry_run=False)
    collection.update_metadata(ids=None, node=ALWAYS, scope=SCOPE, assign={"n": 3}, remove=[], dry_run=False)
    assert view.select(normalize(as_filter({"n": 3})), SCOPE).tolist() == before
    assert view.live_count == 500


def test_a_column_may_stop_having_one_value_a_row() -> None:
    columns = Columns()
    node = normalize(as_filter({"n": {"$gte": 2}}))
    rows: list[dict[str, Any]] = [{"n": n % 5} for n in range(5000)]
    columns.append(0, rows, None)
    for more in ({"n": 3}, {"n": [1, 4]}, {"other": 1}, {"n": 2}, {"n": [0, 1]}):
        assert row_mask(node, columns, len(rows)).tolist() == [matches(node, row) for row in rows]
        columns.append(len(rows), [more], None)
        rows.append(more)
    assert row_mask(node, columns, len(rows)).tolist() == [matches(node, row) for row in rows]
    assert row_mask(node, columns, 4990).tolist() == [matches(node, row) for row in rows[:4990]]


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("dimension", [1, 2, 7, 96, 384, 1001])
def test_a_score_is_the_same_to_the_bit_alone_and_among_others(metric: Metric, dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    rows = rng.standard_normal((40, dimension), dtype=np.float32)
    queries = rng.standard_normal((5, dimension), dtype=np.float32)
    chosen = rng.integers(40, size=(5, 12))
    together = [distances.scores(metric, rows[own], query) for own, query in zip(chosen, queries, strict=True)]
    one_by_one = [distances.scores(metric, rows[row : row + 1], queries[n])[0] for n in range(5) for row in chosen[n]]
    assert np.concatenate(together).tolist() == one_by_one


@pytest.mark.parametrize("metric", list(Metric))
def test_candidates_are_ranked_together_as_one_by_one(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(-2, 3, (500, 8)).astype(np.float32) + np.float32(0.5)  # Many equal scores.
    info = CollectionInfo(name="docs", dimension=8, metric=metric)
    collection = Table(info)
    batch = check_batch(RecordBatch(ids=[f"r{n}" for n in rng.permutation(500)], vectors=rows), info=info)
    collection.upsert(batch, scope=SCOPE, on_conflict=OnConflict.REPLACE, replacing=None)
    view = collection.view
    for top_k in (1, 10, 40):
        queries = view.rows.gather(rng.integers(500, size=6))
        chosen = [rng.choice(500, size=size, replace=False) for size in (40, 41, 90, 128, 200, 500)]
        together = flat.rank_candidates(view, queries, chosen, top_k=top_k)
        for found, query, own in zip(together, queries, chosen, strict=True):
            [alone] = flat.search_gathered(view, query[None], own, top_k=top_k)
            assert found.rows.tolist() == alone.rows.tolist()
            assert found.scores.tolist() == alone.scores.tolist()
