"""Keyword search tried on a store: what is written, changed and deleted, by scope and filter, as the formula says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from vpa import F
from vpa.analysis.analyser import analyser_of
from vpa.analysis.statistics import MOST_TERMS, WordCensus, statistics_of
from vpa.base.records import Matches, Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager

OTHER = Scope("acme", "docs")
_WORDS = ["pump", "valve", "seal", "leak", "steam", "boiler", "gauge", "rust", "bolt", "hinge", "motor", "fan"]


def texts(count: int, *, seed: int = 7) -> list[str]:
    """Of a few common words and some rare ones, of different lengths."""
    chance = random.Random(seed)
    return [
        " ".join(chance.choices(_WORDS, range(1, len(_WORDS) + 1), k=chance.randint(3, 40))) + f" part{n % 50}"
        for n in range(count)
    ]


def records(contents: Sequence[str | None]) -> list[Record]:
    """One of each text, with a number and a vector."""
    return [Record(f"r{n}", vector=[1.0, n], text=text, metadata={"n": n}) for n, text in enumerate(contents)]


async def found(docs: Collection, text: str, **how: object) -> list[str]:
    """The ids, best first."""
    return (await docs.search(text=text, mode="keyword", **how)).ids  # type: ignore[arg-type]


async def check_changes(docs: Collection) -> None:
    """Written, overwritten, its metadata changed, deleted; records without text are no matches and no errors."""
    await docs.upsert(records(["a pump that leaks", None, "a valve", ""]))
    assert await found(docs, "pumps") == ["r0"]
    await docs.upsert([Record("r0", vector=[1, 0], text="a seal"), Record("r1", vector=[1, 1], text="the pump")])
    assert await found(docs, "pumps leaking") == ["r1"]
    assert await found(docs, "seals") == ["r0"]
    assert await docs.update_metadata(ids=["r1", "r3"], set={"colour": "red"}) == 2
    assert await found(docs, "pumps", filter={"colour": "red"}) == ["r1"]
    assert await found(docs, "seals", filter={"colour": "red"}) == []
    [match] = await docs.search(text="pump", mode="keyword", include_vectors=True)
    assert (list(match.vector), match.text, match.metadata) == ([1.0, 1.0], "the pump", {"colour": "red"})  # type: ignore[arg-type]
    assert await found(docs, "boilers") == []
    await docs.delete(ids=["r1"])
    assert await found(docs, "pumps") == []
    assert await docs.count() == 3


async def check_ranking(docs: Collection, same: Collection, *, scope: Scope = Scope()) -> None:
    """Answers of `docs` are those of `same`, a collection of the embedded engine, in order and score."""
    written = records(texts(400))
    for collection in (docs, same):
        await collection.upsert(written, scope=scope)
    for question in ("pump", "rusty hinges", "part7 fan motor", "part3 part4 pump pump", "nothing of it"):
        for filter in (None, F("n") >= 300, (F("n") < 40) & (F("n") != 3)):
            for exact in (False, True):
                how = {"mode": "keyword", "filter": filter, "scope": scope, "exact": exact}
                answer = await docs.search(text=question, **how)  # type: ignore[arg-type]
                expected = await same.search(text=question, **how)  # type: ignore[arg-type]
                alike = [abs(left.score - right.score) < 1e-6 for left, right in zip(answer, expected, strict=True)]
                assert all(alike) or (not exact and sum(alike) >= 5), (question, filter, exact)
                assert not exact or _before_ties(answer) == _before_ties(expected)


def _before_ties(answer: Matches) -> list[tuple[float, str]]:
    # Of records with the same score at the end, each store may have another.
    rounded = [(round(match.score, 6), match.id) for match in answer]
    return sorted(entry for entry in rounded if entry[0] != rounded[-1][0])


async def check_scopes(docs: Collection) -> None:
    """Each scope by itself; what another one has is never an answer."""
    await docs.upsert(records(["a pump", "a valve"]))
    await docs.upsert(records(["two pumps", "pump and pump"]), scope=OTHER)
    assert await found(docs, "pump") == ["r0"]
    assert sorted(await found(docs, "pump", scope=OTHER)) == ["r0", "r1"]
    assert await found(docs, "valve", scope=OTHER) == []
    assert await found(docs, "pump", scope=Scope("nobody")) == []
    await docs.delete(filter={"n": 0}, scope=OTHER)
    assert await found(docs, "pump", scope=OTHER) == ["r1"]
    assert await found(docs, "pump") == ["r0"]


async def check_statistics(db: VectorDatabaseManager, docs: Collection) -> None:
    """As many terms as are ever kept come back as they were, through another look at the collection."""
    census, chance = WordCensus(analyser_of("english")), random.Random(3)
    words = ["".join(chance.choices("abcdefghijklmnop", k=12)) for _ in range(MOST_TERMS)]
    census.add(" ".join(words[start : start + 64]) for start in range(0, MOST_TERMS, 64))
    snapshot = census.snapshot(version=7, total=MOST_TERMS // 64)
    assert len(statistics_of(snapshot).frequencies) > MOST_TERMS * 0.99
    store = db._store
    assert store is not None
    changed = await store.set_words(docs.info.name, snapshot)
    seen = await store.describe_collection(docs.info.name)
    assert changed == seen == replace(docs.info, words=snapshot)
