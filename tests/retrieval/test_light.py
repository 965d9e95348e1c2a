"""The light reranker: what it counts is what the formulas say, and what it does where token vectors are missing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.making import candidate, names
from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import WordStatistics
from vpa.base.tokens import TokenVectors
from vpa.retrieval.candidates import Candidate, ranked
from vpa.retrieval.fusion import Fusion, fuse, unsqueezed
from vpa.retrieval.light.codes import Coded, TokenCodes, coded, decode, encode
from vpa.retrieval.light.reranker import LightReranker, Values, token_weights
from vpa.retrieval.light.scoring import AskedTokens, judge, neighbour_weights
from vpa.retrieval.rerank import Facts, Reranked, reranked
from vpa.retrieval.why import Why

WIDTH, SUMS = 8, 12


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def token_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Token vectors, and sums of 16 of some longer ones."""
    rng = np.random.default_rng(seed)
    states = rng.standard_normal((count, SUMS)).astype(np.float32)
    sums = np.add.reduceat(states, np.arange(0, count, 16), axis=0)
    return unit(rng.standard_normal((count, WIDTH))), sums


def codes_of(count: int, seed: int) -> TokenCodes:
    decoded = decode(encode(*token_rows(count, seed)))
    assert decoded is not None
    return decoded


# Bytes


@given(st.integers(0, 40), st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_what_is_coded_differs_by_half_a_step_at_most(count: int, seed: int, size: float) -> None:
    rows = (np.random.default_rng(seed).standard_normal((count, WIDTH)) * size).astype(np.float32)
    made = coded(rows)
    steps = made.scales.astype(np.float64)[:, None]
    error = np.abs(made.codes * steps - rows)
    assert (error <= 0.5 * steps * (1 + 1e-5)).all()
    # A step is hardly more than a 127th of the greatest number.
    assert (steps[:, 0] <= np.abs(rows).max(axis=1, initial=0) / 127 * 1.002 + 1e-7).all()


def test_rows_of_zeros_are_coded() -> None:
    assert not Coded(*coded(np.zeros((3, 4), dtype=np.float32))).rows().any()


def test_bytes_are_read_back_and_are_as_many_as_is_said() -> None:
    tokens, sums = token_rows(37, 1)
    value = encode(tokens, sums)
    assert len(value) == 16 + 37 * (WIDTH + 2) + 3 * (SUMS + 2)
    decoded = decode(value)
    assert decoded is not None
    np.testing.assert_allclose(decoded.tokens.rows(), tokens, atol=0.005)
    np.testing.assert_allclose(decoded.stretches.rows(), sums, atol=0.1)


@given(st.data())
def test_damaged_bytes_are_noticed(data: Any) -> None:
    value = bytearray(encode(*token_rows(5, 2)))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(value)) is None
    assert decode(bytes(value[:place])) is None


@pytest.mark.parametrize("value", [b"", b"vtk1", bytes(100), b"x" * 1000])
def test_other_bytes_are_no_token_vectors(value: bytes) -> None:
    assert decode(value) is None


def test_a_text_without_tokens_has_no_token_vectors() -> None:
    assert decode(encode(np.empty((0, WIDTH), np.float32), np.empty((0, SUMS), np.float32))) is None


# Scores, beside slow ones in float64


def slow_maxsim(question: AskedTokens, text: TokenCodes) -> float:
    rows = text.tokens.codes.astype(np.float64) * text.tokens.scales.astype(np.float64)[:, None]
    total = sum(
        weight * max(float(row @ asked) for row in rows)
        for asked, weight in zip(question.rows.astype(np.float64), question.weights, strict=True)
        if weight
    )
    return total / float(question.weights.sum())


def slow_window(question: AskedTokens, text: TokenCodes) -> float:
    rows = text.stretches.codes.astype(np.float64) * text.stretches.scales.astype(np.float64)[:, None]
    whole, best = question.whole.astype(np.float64), -1.0
    for size in (2, 4):
        for start in range(len(rows)):
            part = rows[start : start + size]
            if start == 0 or len(part) == size:
                mean = part.sum(axis=0)
                best = max(best, float(mean @ whole / np.linalg.norm(mean) / np.linalg.norm(whole)))
    return best


def asked_tokens(count: int, seed: int) -> AskedTokens:
    rows, sums = token_rows(count, seed)
    weights = np.random.default_rng(seed).random(count) * (np.arange(count) % 3 != 1)
    return AskedTokens(rows, weights if weights.any() else np.ones(count), sums.sum(axis=0))


@given(st.lists(st.integers(1, 100), min_size=1, max_size=12), st.integers(1, 20), st.integers(0, 1000))
def test_both_parts_are_those_of_the_slow_formulas(counts: list[int], asked: int, seed: int) -> None:
    question = asked_tokens(asked, seed)
    texts = [codes_of(count, seed + number + 1) for number, count in enumerate(counts)]
    parts = judge(question, texts)
    np.testing.assert_allclose(parts.maxsim, [slow_maxsim(question, text) for text in texts], atol=1e-5)
    np.testing.assert_allclose(parts.window, [slow_window(question, text) for text in texts], atol=1e-5)


@given(st.integers(1, 30), st.integers(1, 25), st.integers(0, 1000))
def test_neighbours_are_weighed_by_the_power_of_their_cosine(count: int, near: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((count, 5)).astype(np.float32)
    weights = neighbour_weights(vectors, count=near, power=4)
    for row, vector in enumerate(vectors.astype(np.float64)):
        cosines = {
            other: float(vector @ vectors[other] / np.linalg.norm(vector) / np.linalg.norm(vectors[other]))
            for other in range(count)
            if other != row
        }
        best = sorted(cosines, key=lambda other: -cosines[other])[:near]
        powers = {other: max(cosines[other], 0.0) ** 4 for other in best}
        whole = sum(powers.values()) or 1.0
        np.testing.assert_allclose(weights[row], [powers.get(other, 0.0) / whole for other in range(count)], atol=1e-5)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30, unique=True), st.data())
def test_sums_of_z_scores_are_had_back_from_scores_of_fusion(scores: list[float], data: Any) -> None:
    similarity = np.asarray(scores)
    words = np.asarray(data.draw(st.lists(st.floats(0, 20), min_size=len(scores), max_size=len(scores))))
    fused = fuse(similarity, words, Fusion())
    sums = unsqueezed(fused)
    np.testing.assert_allclose(0.5 + 0.5 * sums / (1 + np.abs(sums)), fused, atol=1e-9)


# The weights of the question


def test_a_token_weighs_what_the_word_weighs_that_it_is_a_part_of() -> None:
    statistics = WordStatistics(records=100, mean_length=10, frequencies={"pump": 50, "turbin": 1})
    spans = [(0, 3), (4, 8), (9, 12), (12, 17), (17, 18)]
    asked = TokenVectors(*token_rows(5, 0), "the pump turbines?", spans)
    weights = token_weights(asked, Facts(statistics=statistics, analyser=analyser_of("english")))
    turbine, pump = statistics.idf("turbin"), statistics.idf("pump")
    assert weights.tolist() == [0, pump, turbine, turbine, 0]
    assert turbine > pump > 0


def test_tokens_weigh_the_same_where_no_words_were_searched_for_or_none_tells_anything() -> None:
    asked = TokenVectors(*token_rows(2, 0), "the of", [(0, 3), (4, 6)])
    nothing = Facts(statistics=WordStatistics(records=5), analyser=analyser_of("english"))
    assert token_weights(asked, Facts()).tolist() == token_weights(asked, nothing).tolist() == [1, 1]


# The order


class Source:
    """Token vectors by id; the question's are those of one candidate, so that this one fits best."""

    def __init__(self, values: dict[str, bytes | None], *, like: tuple[np.ndarray, np.ndarray]) -> None:
        self.made = values
        self.like = like
        self.questions = 0

    async def question(self, text: str) -> TokenVectors:
        self.questions += 1
        return TokenVectors(*self.like, text, [(0, 0)] * len(self.like[0]))

    async def values(self, candidates: Sequence[Candidate]) -> Values:
        return Values([self.made.get(one.match.id) for one in candidates], ())


async def run(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)


def rows_of(count: int) -> list[Candidate]:
    """c00, c01, … in the order of their scores; vectors of each ten are alike."""
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((count // 10 + 1, 6))
    return ranked(
        candidate(f"c{n:02}", 0.9 - n / 100, vector=(centres[n // 10] + rng.standard_normal(6) / 10).tolist())
        for n in range(count)
    )


def source_of(candidates: Sequence[Candidate], *, best: int) -> Source:
    made = {one.match.id: token_rows(20 + n, n) for n, one in enumerate(candidates)}
    return Source({name: encode(*rows) for name, rows in made.items()}, like=made[candidates[best].match.id])


async def rerank(source: Source, candidates: list[Candidate], **options: Any) -> Reranked:
    settings: dict[str, Any] = {"depth": 50, "seconds": 30.0} | options
    return await reranked("question", candidates, LightReranker(source, run=run), **settings)


async def test_what_is_like_the_question_comes_forward_and_says_why() -> None:
    candidates = rows_of(10)
    outcome = await rerank(source_of(candidates, best=5), candidates)
    assert outcome.notes == ()
    assert names(outcome.candidates)[0] == "c05"
    assert outcome.candidates[0].reranked == pytest.approx(1.0)
    assert outcome.candidates[0].parts == {"maxsim": pytest.approx(1, abs=0.02), "window": pytest.approx(1, abs=0.02)}
    assert outcome.candidates[0].rank == 6
    why = Why(mode="dense", parts=outcome.candidates[0].parts)
    assert Why.from_json(why.to_json()) == why


async def test_the_default_weight_is_its_own_and_0_and_1_are_the_two_orders() -> None:
    def fresh() -> list[Candidate]:
        return rows_of(12)

    source = source_of(fresh(), best=7)
    own = (await rerank(source, fresh())).candidates
    assert names(own) == names((await rerank(source, fresh(), weight=0.44)).candidates)
    assert names((await rerank(source, fresh(), weight=0.0)).candidates) == names(fresh())
    alone = (await rerank(source, fresh(), weight=1.0)).candidates
    values = [one.reranked or 0.0 for one in alone]
    assert values == sorted(values, reverse=True)


async def test_what_was_not_looked_at_stays_behind_in_its_order() -> None:
    candidates = rows_of(30)
    outcome = await rerank(source_of(candidates, best=3), candidates, depth=8, facts=Facts(records=1000))
    assert names(outcome.candidates)[0] == "c03"
    assert set(names(outcome.candidates)[:8]) == {f"c{n:02}" for n in range(8)}
    assert names(outcome.candidates)[8:] == [f"c{n:02}" for n in range(8, 30)]
    scores = [one.score for one in outcome.candidates]
    assert all(first > second for first, second in itertools.pairwise(scores[7:]))


def spread(values: np.ndarray) -> np.ndarray:
    """From 0 to 1."""
    return (values - values.min()) / (values.max() - values.min())


async def test_neighbours_count_in_collections_that_are_large_enough() -> None:
    def scores(records: int | None) -> list[tuple[str, float]]:
        candidates = rows_of(40)
        source = source_of(candidates, best=30)
        asyncio.run(rerank(source, candidates, facts=Facts(records=records)))
        assert all(("neighbours" in one.parts) == (records == 500) for one in candidates)
        return sorted((one.match.id, one.score) for one in candidates)

    small, large = await asyncio.to_thread(scores, 499), await asyncio.to_thread(scores, 500)
    assert small == await asyncio.to_thread(scores, None)
    before = np.asarray([score for _, score in small])
    vectors = np.asarray([one.match.vector for one in rows_of(40)])
    means = neighbour_weights(vectors, count=20, power=4) @ before
    drawn = 0.8 * spread(before) + 0.2 * spread(means)
    np.testing.assert_allclose([score for _, score in large], drawn, atol=1e-9)


async def test_candidates_without_vectors_have_no_neighbours() -> None:
    candidates = ranked(candidate(f"c{n}", 0.9 - n / 10) for n in range(5))
    await rerank(source_of(candidates, best=2), candidates, facts=Facts(records=1000))
    assert all("neighbours" not in one.parts for one in candidates)


async def test_those_without_token_vectors_count_as_middling_and_keep_their_order() -> None:
    candidates = rows_of(12)
    source = source_of(candidates, best=7)
    missing = ["c01", "c04", "c09"]
    source.made |= dict.fromkeys(missing)
    outcome = await rerank(source, candidates)
    assert [name for name in names(outcome.candidates) if name in missing] == missing
    judged = {one.match.id: one.reranked for one in outcome.candidates}
    others = [value for name, value in judged.items() if name not in missing]
    assert [judged[name] for name in missing] == pytest.approx([np.mean(others)] * 3)  # type: ignore[arg-type]
    assert all(not one.parts for one in outcome.candidates if one.match.id in missing)


async def test_without_any_token_vectors_the_order_stays_and_nothing_is_asked() -> None:
    candidates = rows_of(12)
    source = Source({}, like=token_rows(3, 0))
    outcome = await rerank(source, candidates, facts=Facts(records=1000))
    assert names(outcome.candidates) == names(rows_of(12))
    assert source.questions == 0
    assert [one.reranked for one in outcome.candidates] == [None] * 12


async def test_damaged_token_vectors_do_not_count_and_are_told_of() -> None:
    candidates = rows_of(12)
    source = source_of(candidates, best=7)
    source.made["c03"] = b"vtk1 and no more"
    outcome = await rerank(source, candidates)
    assert outcome.notes == ("the token vectors of 1 of 12 candidates are damaged, and do not count",)
    source.made = {one.match.id: bytes(50) for one in candidates}
    before = rows_of(12)
    outcome = await rerank(source, before)
    assert names(outcome.candidates) == names(rows_of(12))
    assert outcome.notes == ("the token vectors of 12 of 12 candidates are damaged, and do not count",)


async def test_one_that_takes_too_long_is_not_waited_for() -> None:
    class Slow(Source):
        async def values(self, candidates: Sequence[Candidate]) -> Values:
            await asyncio.Event().wait()
            return Values([])

    outcome = await rerank(Slow({}, like=token_rows(3, 0)), rows_of(5), seconds=0.01)
    assert names(outcome.candidates) == names(rows_of(5))
    assert outcome.notes == ("the reranker 'light' took longer than 0.01 s: the order is as it was",)


async def test_alone_it_is_a_reranker_as_any_other() -> None:
    candidates = rows_of(6)
    scores = await LightReranker(source_of(candidates, best=4), run=run).scores("question", candidates)
    assert int(np.argmax(scores)) == 4
    assert list(await LightReranker(Source({}, like=token_rows(1, 0)), run=run).scores("", candidates)) == [0.0] * 6
