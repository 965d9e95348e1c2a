"""Statistics of words, counted from texts and kept packed."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from dataclasses import replace
from zlib import compress

import pytest

from vpa.analysis import statistics
from vpa.analysis.analyser import analyser_of
from vpa.analysis.bm25 import WordStatistics, idf, score
from vpa.analysis.statistics import WordCensus, statistics_of
from vpa.analysis.wording import worded
from vpa.base.errors import ProviderError
from vpa.base.keywords import WordSnapshot
from vpa.base.records import CollectionInfo, Metric

TEXTS = ("red apple", "red red pear", "", "the of", "green apple tart")


def census_of(texts: tuple[str, ...] = TEXTS) -> WordCensus:
    census = WordCensus(analyser_of("english"))
    census.add(texts)
    return census


def test_what_is_counted_is_what_the_formula_needs() -> None:
    snapshot = census_of().snapshot(version=3, total=5)
    assert (snapshot.version, snapshot.total) == (3, 5)
    known = statistics_of(snapshot)
    # Two texts hold no term: they are no records of the formula.
    assert known == WordStatistics(
        records=3,
        mean_length=8 / 3,
        frequencies={"appl": 2, "green": 1, "pear": 1, "red": 2, "tart": 1},
    )
    assert known.idf("red") == pytest.approx(math.log(1 + 1.5 / 2.5))
    assert known.idf("never") == idf(0, records=3)


def test_a_snapshot_survives_the_description_of_a_collection() -> None:
    snapshot = census_of().snapshot(version=1, total=5)
    info = CollectionInfo(name="a", dimension=2, metric=Metric.COSINE, words=snapshot)
    restored = CollectionInfo.from_json(json.loads(json.dumps(info.to_json())))
    assert restored.words == snapshot
    assert statistics_of(restored.words) == statistics_of(snapshot)
    # Statistics come and go: the collection is the same.
    assert replace(info, words=None) == info


def test_of_a_collection_that_was_read_in_part_the_rest_is_taken_for_the_same() -> None:
    known = statistics_of(census_of().snapshot(version=1, total=50))
    assert (known.records, known.frequencies["red"], known.mean_length) == (30, 20, 8 / 3)


def test_rare_terms_share_one_frequency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MOST_TERMS", 2)
    known = statistics_of(census_of().snapshot(version=1, total=5))
    assert known.frequencies == {"appl": 2, "red": 2}
    assert known.frequency("tart") == known.frequency("never") == 1


def test_terms_that_were_met_once_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_COUNTED", 3)
    census = census_of()
    census.add(["one more"])
    assert set(statistics_of(census.snapshot(version=1, total=6)).frequencies) == {"appl", "red"}


def test_a_full_table_takes_little_room() -> None:
    census = WordCensus(analyser_of("none"))
    census.add(" ".join(f"term{n * 7919 % 100_003}" for n in range(k * 100, k * 100 + 400)) for k in range(90))
    snapshot = census.snapshot(version=1, total=90)
    assert len(statistics_of(snapshot).frequencies) == statistics.MOST_TERMS
    assert len(snapshot.table) < 60_000


@pytest.mark.parametrize("table", ["", "?", b64encode(b"x").decode(), b64encode(compress(b"[1]")).decode()])
def test_a_table_that_others_changed_is_told(table: str) -> None:
    with pytest.raises(ProviderError, match="optimize"):
        statistics_of(WordSnapshot(table=table))


def test_nothing_was_counted_yet() -> None:
    known = statistics_of(census_of(()).snapshot(version=1, total=0))
    assert known == WordStatistics()
    assert score(["a"], {"a": 1}, known) > 0


def test_weights_leave_out_what_weighs_nothing() -> None:
    known = WordStatistics(records=10, mean_length=4.0, frequencies={"a": 3})
    assert known.weights({"a": 2, "b": 0.0}) == {"a": known.idf("a") * 2 * 9 / 10}


def test_the_title_counts_twice() -> None:
    assert worded("body", {"title": "head"}) == "head\nhead\nbody"
    assert worded(None, {"title": "head"}) == "head\nhead\n"
    assert worded("body", {"title": ""}) == worded("body") == "body"
    assert worded(None) == ""
