"""Keyword search of the engine: the formula, whatever was written in which order; filters, dead rows, the disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpa.analysis import bm25
from vpa.analysis.analyser import analyser_of
from vpa.base.query import OnConflict, WordRequest
from vpa.base.records import CollectionInfo, Metric, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.engine.database import Database
from vpa.engine.lexical.search import WordQuery
from vpa.engine.lexical.wording import word_index, wording
from vpa.engine.table import Table
from vpa.engine.upkeep import Upkeep
from vpa.engine.wordsearch import WordAnswer, search_words
from vpa.filters import F, normal
from vpa.filters.ast import ALWAYS, Filter

ENGLISH = analyser_of("english")
VOCABULARY: Sequence[str] = (
    "lift",
    "drag",
    "wing",
    "flow",
    "shock",
    "wave",
    "plate",
    "heat",
    "jet",
    "mach",
    "number",
    "layer",
    "body",
    "angle",
    "theory",
    "test",
)


def info(name: str = "words") -> CollectionInfo:
    return CollectionInfo(name=name, dimension=2, metric=Metric.DOT, keywords=ENGLISH.identity)


def batch(texts: Mapping[str, str | None], metadata: Sequence[Mapping[str, Any]] | None = None) -> RecordBatch:
    vectors = np.ones((len(texts), 2), dtype=np.float32)
    return RecordBatch(ids=list(texts), vectors=vectors, texts=list(texts.values()), metadata=metadata)


def write(table: Table, texts: Mapping[str, str | None], *, scope: Scope = Scope(), **kwargs: Any) -> None:
    table.upsert(batch(texts, **kwargs), scope=scope, on_conflict=OnConflict.REPLACE, replacing=None)


def ask(table: Table, question: str, *, node: Filter = ALWAYS, top_k: int = 10, **kwargs: Any) -> WordAnswer:
    return search_words(table, WordRequest(terms=Counter(ENGLISH.terms(question)), top_k=top_k, **kwargs), normal(node))


def scores(table: Table, question: str, **kwargs: Any) -> dict[str, float]:
    answer = ask(table, question, top_k=5000, **kwargs)
    return {match.id: match.score for match in answer.matches}


def by_hand(texts: Mapping[str, str | None], question: str) -> dict[str, float]:
    """The formula, term by term, over a fresh set of texts."""
    terms = {name: ENGLISH.terms(text or "") for name, text in texts.items()}
    lengths = [len(found) for found in terms.values() if found]
    frequencies = Counter(term for found in terms.values() for term in set(found))
    statistics = bm25.WordStatistics(
        records=len(lengths), mean_length=sum(lengths) / max(1, len(lengths)), frequencies=frequencies
    )
    query = Counter(ENGLISH.terms(question))
    found = {name: bm25.score(words, query, statistics) for name, words in terms.items()}
    return {name: score for name, score in found.items() if score}


def random_text(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(VOCABULARY, size=rng.integers(0, 12), p=None))


def assert_same(found: Mapping[str, float], expected: Mapping[str, float]) -> None:
    assert found.keys() == expected.keys()
    for name, score in expected.items():
        assert found[name] == pytest.approx(score, rel=1e-6)


def test_scores_are_those_of_another_library() -> None:
    rng = np.random.default_rng(5)
    texts = {f"t{number}": f"common {random_text(rng)}" for number in range(600)}
    table = Table(info())
    write(table, texts)
    peer = bm25s.BM25(method="lucene", k1=bm25.K1, b=bm25.B, dtype="float64")
    peer.index([ENGLISH.terms(text) for text in texts.values()], show_progress=False)
    for question in ("shock wave", "common theory of heat", "jet"):
        # Lucene leaves out the factor k1 + 1, and each word of these questions stands in them once.
        expected = peer.get_scores(ENGLISH.terms(question)) * (bm25.K1 + 1)
        found = scores(table, question)
        for name, score in zip(texts, expected.tolist(), strict=True):
            assert found.get(name, 0) == pytest.approx(score, rel=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_after_any_order_of_writes_scores_are_those_of_a_fresh_build(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table, texts = Table(info()), dict[str, str | None]()
    upkeep: Upkeep = table.upkeep
    for _ in range(rng.integers(1, 12)):
        match int(rng.integers(0, 6)):
            case 0 | 1:
                new = {f"t{rng.integers(0, 40)}": random_text(rng) for _ in range(rng.integers(1, 30))}
                write(table, new)
                texts |= new
            case 2 if texts:
                gone = list(rng.choice(list(texts), size=rng.integers(1, len(texts) + 1), replace=False))
                table.delete(ids=gone, node=ALWAYS, scope=Scope(), dry_run=False)
                texts = {name: text for name, text in texts.items() if name not in gone}
            case 3 if texts:
                some = list(texts)[:3]
                table.update_metadata(ids=some, node=ALWAYS, scope=Scope(), assign={"a": 1}, remove=(), dry_run=False)
            case 4:
                upkeep.compact(stop=lambda: False)
            case _:
                ask(table, "wing flow")
    for question in ("wing flow", "heat", "shock shock wave number nothing"):
        assert_same(scores(table, question), by_hand(texts, question))


def test_rare_terms_first_finds_what_reading_everything_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    texts = {
        f"t{n:05}": " ".join(["flow"] * int(rng.integers(1, 5)) + list(rng.choice(VOCABULARY, size=6)))
        for n in range(4000)
    }
    texts |= {f"u{n}": f"unheard of {VOCABULARY[n]}" for n in range(12)}
    table = Table(info())
    write(table, texts)
    questions = ("unheard flow wing", "flow heat theory layer", "unheard jet")
    monkeypatch.setattr("vpa.engine.lexical.search._MANY", 10)
    early = [[(m.id, m.score) for m in ask(table, question).matches] for question in questions]
    monkeypatch.setattr("vpa.engine.lexical.search._MANY", 10**9)
    assert early == [[(m.id, m.score) for m in ask(table, question).matches] for question in questions]


def test_filters_and_scopes_act_before_ranking_and_count_in_the_statistics_of_all() -> None:
    rng = np.random.default_rng(9)
    texts = {f"t{number}": f"{random_text(rng)} wing" for number in range(500)}
    metadata = [{"n": number} for number in range(500)]
    table = Table(info())
    write(table, texts, metadata=metadata)
    write(table, {"t1": "wing of another tenant"}, scope=Scope("other"))
    everyone = scores(table, "wing heat", scope=ALL_SCOPES)
    for node, keep in ((F("n") < 5, 5), (F("n") < 250, 250), (F("n") < 0, 0)):
        found = scores(table, "wing heat", node=node)
        assert len(found) == keep
        assert set(found) == {f"t{number}" for number in range(keep)}
    assert scores(table, "tenant") == {}
    assert list(scores(table, "tenant", scope=Scope("other"))) == ["t1"]
    assert everyone


def test_equal_scores_stand_in_id_order_at_the_cut_too() -> None:
    table = Table(info())
    write(table, {f"t{number:03}": "wing flow" for number in reversed(range(300))})
    assert [match.id for match in ask(table, "wing", top_k=4).matches] == ["t000", "t001", "t002", "t003"]


def test_a_view_from_before_a_write_is_answered_from_what_it_held() -> None:
    table = Table(info())
    write(table, {"a": "wing", "b": "flow"})
    view = table.view
    ask(table, "wing")
    write(table, {"c": "wing wing", "a": "heat"})
    ask(table, "wing")
    words = word_index(view.rows, ENGLISH)
    query = WordQuery(view, words, words.settle(view.count, partial(wording, view.rows)), query={"wing": 1})
    rows, _ = query.best(top_k=5, chosen=None)
    assert [view.rows.ids[row] for row in rows] == ["a"]
    assert query.frequencies.records == 2


def test_words_are_on_the_disk_and_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    texts = {f"t{number}": random_text(rng) for number in range(3000)}
    database = Database(str(tmp_path / "store"))
    table = database.create(info())
    write(table, texts)
    table.delete(ids=["t0", "t7"], node=ALWAYS, scope=Scope(), dry_run=False)
    del texts["t0"], texts["t7"]
    expected = by_hand(texts, "shock wave")
    assert_same(scores(table, "shock wave"), expected)
    database.close()
    database = Database(str(tmp_path / "store"))
    table = database.get("words")
    assert table.info.keywords == ENGLISH.identity
    words = table.view.rows.words
    assert words is not None
    assert words.behind(table.view.count) == 0
    write(table, {"new": "shock"})
    texts["new"] = "shock"
    assert_same(scores(table, "shock wave"), by_hand(texts, "shock wave"))
    database.close()


def test_words_of_another_analyser_are_taken_from_the_texts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"t{number}": "wings and flows" for number in range(2500)}
    database = Database(str(tmp_path / "store"))
    write(table := database.create(info()), texts)
    ask(table, "wing")
    database.close()
    older = replace(ENGLISH.identity, version="0-older")
    monkeypatch.setattr("vpa.engine.persist.codec.KeywordIndex.from_json", lambda facts: older if facts else None)
    database = Database(str(tmp_path / "store"))
    assert database.get("words").view.rows.words is None
    assert len(ask(database.get("words"), "wing").matches) == 10
    database.close()


def test_readers_and_a_writer_at_once_see_whole_states() -> None:
    table = Table(info())
    write(table, {f"t{number}": "wing" for number in range(50)})
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            answer = ask(table, "wing flow", top_k=5000)
            names = [match.id for match in answer.matches]
            if len(set(names)) != len(names) or answer.frequencies.records % 50:
                wrong.append(names)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(1, 30):
        write(table, {f"t{50 * turn + number}": "wing flow" for number in range(50)})
        if turn % 10 == 0:
            table.upkeep.compact(stop=lambda: False)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_both_scores_are_known_of_the_best_by_either() -> None:
    table = Table(info())
    write(table, {"a": "wing", "b": "flow", "c": "heat"})
    vector = np.asarray([1, 0], dtype=np.float32)
    answer = ask(table, "flow", vector=vector, top_k=3)
    assert sorted(match.id for match in answer.matches) == ["a", "b", "c"]
    by_id = dict(zip((match.id for match in answer.matches), answer.words.tolist(), strict=True))
    assert by_id["a"] == by_id["c"] == 0
    assert by_id["b"] == pytest.approx(scores(table, "flow")["b"])
    assert {match.score for match in answer.matches} == {1.0}


def test_long_chunks_are_not_remembered() -> None:
    table = Table(info())
    write(table, {f"t{n}": f"{n:064x}" * 50 for n in range(5)} | {"short": "wing"})
    assert [match.id for match in ask(table, f"{3:064x}" * 50).matches] == ["t3"]
    words = table.view.rows.words
    assert words is not None
    assert max(map(len, words.vocabulary._chunks)) <= 64


def test_rows_are_taken_in_again_where_memory_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table, whole = Table(info()), Table(info())
    texts = {f"t{n}": "wing " * (1 + n % 7) + "flow" for n in range(40)}
    for one in (table, whole):
        write(one, dict(list(texts.items())[:20]))
        ask(one, "flow")
        write(one, dict(list(texts.items())[20:]))

    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("vpa.engine.lexical.index.merged", fail)
    with pytest.raises(MemoryError):
        ask(table, "flow")
    monkeypatch.undo()
    assert scores(table, "flow") == scores(whole, "flow")
