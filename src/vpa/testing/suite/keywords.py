"""Keyword search: scores by the formula, filters and scopes before ranking, words that follow every write.

A store without `capabilities.keywords` must say so; every other case is passed over there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from vpa.base.errors import ConfigurationError, InvalidQueryError
from vpa.base.records import Metric, Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F
from vpa.testing.suite.base import DIMENSION, StoreSuite, vector

K1, B, K3 = 1.5, 0.75, 8.0
COUNT = 240
VOCABULARY = [f"word{n}" for n in range(40)]
OTHER = Scope("acme", "words")


def texts() -> dict[str, str]:
    """Texts of 1 to 120 words, of which some are in most and some in few."""
    rng = np.random.default_rng(7)
    shares = 1.0 / np.arange(1, len(VOCABULARY) + 1)
    written = {}
    for number in range(COUNT):
        length = int(rng.integers(1, 120))
        written[f"r{number:03d}"] = " ".join(rng.choice(VOCABULARY, size=length, p=shares / shares.sum()))
    return written


def formula(corpus: Mapping[str, str], question: str) -> dict[str, float]:
    """The scores of the texts with any word of the question, computed from the definition, with no shared code."""
    words = {key: text.split() for key, text in corpus.items() if text.split()}
    mean = sum(map(len, words.values())) / len(words)
    scores: dict[str, float] = {}
    for term, asked in Counter(question.split()).items():
        holding = [key for key, held in words.items() if term in held]
        idf = math.log(1 + (len(words) - len(holding) + 0.5) / (len(holding) + 0.5))
        for key in holding:
            tf = words[key].count(term)
            saturated = tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(words[key]) / mean))
            scores[key] = scores.get(key, 0.0) + idf * saturated * asked * (K3 + 1) / (K3 + asked)
    return scores


def ranked(scores: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    """The best, ties by id."""
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))[:count]


class KeywordSuite(StoreSuite):
    """A collection of texts without stems and stop words, so that a word is what stands between spaces."""

    @pytest.fixture
    def keeping(self, db: VectorDatabaseManager) -> VectorDatabaseManager:
        """The manager, where its store keeps words."""
        if not db.keeps_keywords:
            pytest.skip("this store keeps no keyword index")
        return db

    @pytest.fixture
    async def words(self, keeping: VectorDatabaseManager, name: str) -> Collection:
        """An empty collection with a keyword index."""
        return await keeping.create_collection(name, dimension=DIMENSION, metric=Metric.COSINE, keywords="none")

    @pytest.fixture
    async def filled(self, words: Collection) -> Collection:
        """Every text of `texts`, its words counted."""
        await words.upsert(self.records(texts()))
        await words.optimize()
        return words

    def records(self, corpus: Mapping[str, str]) -> list[Record]:
        """A record for each text; `place` is its number, `even` whether that is even."""
        return [
            Record(key, vector=vector(n), text=text, metadata={"place": n, "even": n % 2 == 0})
            for n, (key, text) in enumerate(corpus.items())
        ]

    async def asked(self, docs: Collection, question: str, top_k: int = 10) -> list[tuple[str, float]]:
        """What an exact search answers."""
        answer = await docs.search(text=question, mode="keyword", top_k=top_k, exact=True)
        return [(match.id, match.score) for match in answer]

    def same(self, answer: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]]) -> None:
        """The same scores, and the same ids but for ties."""
        assert len(answer) == len(expected)
        assert [score for _, score in answer] == pytest.approx([score for _, score in expected], abs=1e-4)
        near = {round(score, 3) for _, score in expected}
        assert {key for key, _ in answer} == {key for key, _ in expected} or len(near) < len(expected)

    async def test_a_store_without_words_says_so(self, db: VectorDatabaseManager, docs: Collection) -> None:
        with pytest.raises(ConfigurationError, match="keyword index"):
            await docs.search(text="word1", mode="keyword")
        if not db.keeps_keywords:
            with pytest.raises(ConfigurationError, match="keyword"):
                await db.create_collection(f"{docs.name}w", dimension=2, keywords="en")

    @pytest.mark.parametrize(
        "question",
        ["word0", "word3 word17", "word39", "word5 word5 word5 word11", " ".join(VOCABULARY[::2])],
        ids=["in most", "two", "rare", "repeated", "twenty"],
    )
    async def test_scores_are_those_of_the_formula(self, filled: Collection, question: str) -> None:
        self.same(await self.asked(filled, question), ranked(formula(texts(), question), 10))

    async def test_matches_are_ordered_and_carry_what_was_stored(self, filled: Collection) -> None:
        answer = await filled.search(text="word1 word2", mode="keyword", top_k=20, include_vectors=True)
        assert [(-match.score, match.id) for match in answer] == sorted((-match.score, match.id) for match in answer)
        first = answer[0]
        assert first.distance == -first.score
        assert first.text == texts()[first.id]
        assert first.metadata["place"] == int(first.id[1:])
        assert first.vector is not None
        assert first.vector.shape == (DIMENSION,)
        plain = await filled.search(text="word1 word2", mode="keyword", top_k=20)
        assert plain.ids == answer.ids
        assert plain[0].vector is None

    async def test_only_records_with_a_word_are_matches(self, filled: Collection) -> None:
        scores = formula(texts(), "word38")
        answer = await filled.search(text="word38 nowhere", mode="keyword", top_k=500)
        assert set(answer.ids) == set(scores)
        assert not await filled.search(text="nowhere", mode="keyword")

    async def test_a_threshold_is_on_the_keyword_score(self, filled: Collection) -> None:
        best = await self.asked(filled, "word7", top_k=5)
        least = best[2][1]
        answer = await filled.search(text="word7", mode="keyword", top_k=5, score_threshold=least - 1e-6)
        assert [match.score for match in answer] == pytest.approx([score for _, score in best if score >= least - 1e-6])

    async def test_filters_act_before_ranking(self, filled: Collection) -> None:
        scores = formula(texts(), "word2 word9")
        even = {key: score for key, score in scores.items() if int(key[1:]) % 2 == 0}
        answer = await filled.search(text="word2 word9", mode="keyword", filter=F("even") == True, exact=True)  # noqa: E712
        self.same([(match.id, match.score) for match in answer], ranked(even, 10))
        few = await filled.search(text="word2 word9", mode="keyword", filter=F("place") < 5)
        assert set(few.ids) == {key for key in scores if int(key[1:]) < 5}

    async def test_scopes_do_not_see_one_another(self, words: Collection) -> None:
        await words.upsert([Record("a", vector=vector(1), text="apple pear")])
        await words.upsert([Record("a", vector=vector(2), text="apple plum")], scope=OTHER)
        await words.optimize()
        assert (await words.search(text="apple", mode="keyword"))[0].text == "apple pear"
        assert (await words.search(text="apple", mode="keyword", scope=OTHER))[0].text == "apple plum"
        assert not await words.search(text="plum", mode="keyword")

    async def test_words_follow_every_write(self, words: Collection) -> None:
        await words.upsert(self.records({"a": "apple pear", "b": "fig"}))
        await words.upsert(self.records({"a": "plum plum", "c": "pear"}))
        assert set((await words.search(text="apple pear plum fig", mode="keyword")).ids) == {"a", "b", "c"}
        assert not await words.search(text="apple", mode="keyword")
        assert (await words.search(text="plum", mode="keyword")).ids == ["a"]
        await words.delete(["a"])
        assert not await words.search(text="plum", mode="keyword")
        await words.upsert([Record("b", vector=vector(2))])
        assert not await words.search(text="fig", mode="keyword")
        await words.upsert([Record("b", vector=vector(2), text="fig tree")])
        assert (await words.search(text="fig", mode="keyword")).ids == ["b"]

    async def test_an_update_of_metadata_keeps_the_words(self, words: Collection) -> None:
        await words.upsert([Record("a", vector=vector(1), text="apple pear", metadata={"n": 1})])
        await words.update_metadata(["a"], set={"n": 2})
        answer = await words.search(text="pear", mode="keyword", filter=F("n") == 2)
        assert answer.ids == ["a"]

    async def test_both_scores_of_every_candidate(self, filled: Collection) -> None:
        query, question = vector(999), "word4 word23"
        answer = await filled.candidates(query, text=question, depth=15, exact=True)
        scores = formula(texts(), question)
        rows = {f"r{n:03d}": np.asarray(vector(n)) for n in range(COUNT)}
        asked = np.asarray(query)
        cosine = {key: float(row @ asked / np.linalg.norm(row) / np.linalg.norm(asked)) for key, row in rows.items()}
        ids = answer.matches.ids
        near = {key for key, _ in ranked(cosine, 15)}
        assert near <= set(ids)
        assert len(ids) <= 30
        assert [match.score for match in answer.matches] == pytest.approx([cosine[key] for key in ids], abs=1e-5)
        assert answer.words.tolist() == pytest.approx([scores.get(key, 0.0) for key in ids], abs=1e-4)
        best = sorted((scores.get(key, 0.0) for key in ids), reverse=True)[:15]
        assert best == pytest.approx([score for _, score in ranked(scores, 15)], abs=1e-4)

    async def test_a_hybrid_search_under_a_filter(self, filled: Collection) -> None:
        answer = await filled.search(
            vector(999),
            text="word4 word23",
            mode="hybrid",
            top_k=7,
            filter=F("even") == False,  # noqa: E712
        )
        assert len(answer) == 7
        assert all(match.metadata["even"] is False for match in answer)
        assert [match.score for match in answer] == sorted((match.score for match in answer), reverse=True)

    async def test_stems_codes_and_other_scripts(self, keeping: VectorDatabaseManager, name: str) -> None:
        docs = await keeping.create_collection(name, dimension=DIMENSION, keywords="en")
        await docs.upsert(
            [
                Record("a", vector=vector(1), text="The valves were leaking; see part X-200b, release 2.5.1"),
                Record("b", vector=vector(2), text="東京都庁で会議"),
                Record("c", vector=vector(3), text="Write to support@example.org, Café Zürich"),
            ]
        )
        for question, expected in (
            ("leaking valve", "a"), ("leaks", "a"), ("x-200B", "a"), ("2.5.1", "a"), ("東京", "b"), ("会議", "b"),
            ("support@example.org", "c"), ("cafe zurich", "c"),
        ):  # fmt: skip
            assert (await docs.search(text=question, mode="keyword")).ids == [expected], question

    async def test_questions_that_cannot_be_right(self, keeping: VectorDatabaseManager, name: str) -> None:
        docs = await keeping.create_collection(name, dimension=DIMENSION, keywords="en")
        with pytest.raises(InvalidQueryError, match="stop words"):
            await docs.search(text="the of and", mode="keyword")
        with pytest.raises(InvalidQueryError, match="no word"):
            await docs.search(text="?!", mode="keyword")
        with pytest.raises(InvalidQueryError, match="non-empty"):
            await docs.search(text="  ", mode="keyword")
        assert not await docs.search(text="valve", mode="keyword")

    async def test_an_index_for_records_that_are_there(self, docs: Collection, keeping: VectorDatabaseManager) -> None:
        corpus = dict(list(texts().items())[:60])
        await docs.upsert(self.records(corpus))
        try:
            keeping._open_store().check_keywords(docs.info)
        except ConfigurationError:
            # One that can hold words from the beginning only says so, and nothing is begun.
            with pytest.raises(ConfigurationError, match="keywords="):
                await docs.create_keyword_index("none")
            assert docs.info.keywords is None
            return
        await docs.create_keyword_index("none")
        self.same(await self.asked(docs, "word1 word8"), ranked(formula(corpus, "word1 word8"), 10))
        await docs.upsert([Record("new", vector=vector(500), text="word8 brandnew")])
        assert (await docs.search(text="brandnew", mode="keyword")).ids == ["new"]

    async def test_another_manager_sees_the_words(self, filled: Collection) -> None:
        other = self.make_manager()
        if filled.info.words is None or other.config.path is not None:
            # One process, and one manager in it, holds the store.
            return
        async with other:
            docs = await other.collection(filled.name)
            self.same(await self.asked(docs, "word3 word17"), ranked(formula(texts(), "word3 word17"), 10))
            await docs.upsert([Record("late", vector=vector(77), text="latecomer")])
        assert (await filled.search(text="latecomer", mode="keyword")).ids == ["late"]
