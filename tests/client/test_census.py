"""The words of a collection are counted when keyword scores need it: at first, as it grows, by `optimize`, once for all
processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from stores.layout.simulated import Server, SimulatedDriver, simulated
from vpa import Record
from vpa.analysis.analyser import analyser_of
from vpa.analysis.statistics import statistics_of
from vpa.base import errors
from vpa.base.clock import SystemClock
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.scope import Scope
from vpa.client import census
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.contract import LOOKS_EVERY_S
from vpa.stores.layout import words as layout_words


class Hands(SystemClock):
    """A clock whose time the test sets."""

    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


class Place:
    """A server, and managers on it; `scans` counts the scans of the first one's store."""

    def __init__(self) -> None:
        self.server, self.clock, self.scans = Server(), Hands(), 0
        self.here, self.driver = self.manager(clock=self.clock)
        store: Any = self.here._store
        scan = store.scan

        def counted(*arguments: Any) -> Any:
            self.scans += 1
            return scan(*arguments)

        store.scan = counted

    def manager(self, **options: Any) -> tuple[VectorDatabaseManager, SimulatedDriver]:
        store, driver = simulated(self.server)
        return VectorDatabaseManager(store=store, **options), driver

    async def fill(self, docs: Collection, first: int, count: int) -> None:
        await docs.upsert(
            [Record(f"r{n}", vector=[1.0, n], text=f"apple pear{n % 7} number{n}") for n in range(first, first + count)]
        )


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    async with made.here:
        yield made


@pytest.fixture
async def docs(place: Place) -> Collection:
    made = await place.here.create_collection("docs", dimension=2, metric="dot", keywords="none")
    await place.fill(made, 0, 30)
    return made


async def asked(docs: Collection, text: str = "apple") -> Any:
    return await docs.search(text=text, mode="keyword", top_k=3)


def version(docs: Collection) -> int:
    assert docs.info.words is not None
    return docs.info.words.version


async def test_words_are_counted_by_the_first_question_and_not_again(place: Place, docs: Collection) -> None:
    assert version(docs) == 0
    assert place.scans == 0
    await asyncio.gather(*(asked(docs) for _ in range(5)))
    await asked(docs)
    assert (version(docs), place.scans) == (1, 1)
    assert docs.info.words.total == 30  # type: ignore[union-attr]
    # With the collection, for everyone.
    assert place.server.info is not None
    assert place.server.info.words == docs.info.words


async def test_an_empty_collection_is_counted_anew_once_there_is_something(place: Place) -> None:
    docs = await place.here.create_collection("docs", dimension=2, metric="dot", keywords="none")
    assert not await asked(docs)
    await place.fill(docs, 0, 25)
    assert len(await asked(docs)) == 3
    assert docs.info.words.records == 25  # type: ignore[union-attr]


async def test_a_collection_that_doubled_is_counted_anew(place: Place, docs: Collection) -> None:
    await asked(docs)
    await place.fill(docs, 30, 29)
    await asked(docs)
    assert version(docs) == 1
    await place.fill(docs, 59, 1)
    await asked(docs)
    assert (version(docs), docs.info.words.total) == (2, 60)  # type: ignore[union-attr]


async def test_a_large_one_is_counted_while_searches_go_on(
    place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "_AT_ONCE", 40)
    monkeypatch.setattr(census, "_QUIET_S", 0.01)
    await asked(docs)
    await place.fill(docs, 30, 45)
    assert len(await asked(docs)) == 3
    assert version(docs) == 1
    for _ in range(200):
        await asyncio.sleep(0.01)
        if version(docs) == 2:
            break
    assert docs.info.words.total == 75  # type: ignore[union-attr]


async def test_what_others_wrote_is_noticed(place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "_QUIET_S", 0.01)
    await asked(docs)
    other, _ = place.manager()
    async with other:
        await place.fill(await other.collection("docs"), 30, 100)
    third, _ = place.manager()
    async with third:
        late = await third.collection("docs")
        await asked(late)
        for _ in range(200):
            await asyncio.sleep(0.01)
            if version(late) == 2:
                break
        assert late.info.words.total == 130  # type: ignore[union-attr]
    # The first one takes it up as soon as it looks.
    place.clock.seconds += LOOKS_EVERY_S
    await asked(docs)
    assert version(docs) == 2


async def test_optimize_counts_anew(place: Place, docs: Collection) -> None:
    await asked(docs)
    await docs.delete([f"r{n}" for n in range(10)])
    await docs.optimize()
    assert (version(docs), docs.info.words.total) == (2, 20)  # type: ignore[union-attr]


async def test_a_part_stands_for_a_collection_that_is_too_large(
    place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "MOST_READ", 10)
    monkeypatch.setattr(census, "_PAGE", 5)
    await asked(docs)
    words = docs.info.words
    assert words is not None
    assert (words.total, words.records) == (30, 30)


async def test_of_many_scopes_each_has_its_share(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "MOST_READ", 100)
    monkeypatch.setattr(census, "_PAGE", 10)
    docs = await place.here.create_collection("docs", dimension=2, metric="dot", keywords="none")
    words = ["engine", "contract", "kidney", "violin"]
    for number, word in enumerate(words):
        records = [Record(f"r{n}", vector=[1, n], text=f"{word} and more") for n in range(100)]
        await docs.upsert(records, scope=Scope(f"tenant{number}"))
    await docs.optimize()
    snapshot = docs.info.words
    assert snapshot is not None
    assert (snapshot.total, snapshot.records) == (400, 400)
    known = statistics_of(snapshot)
    assert [known.frequency(word) for word in words] == [100] * 4


async def test_a_write_that_is_under_way_is_in_an_index_that_is_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_words, "_ON_THE_WAY_S", -LOOKS_EVERY_S)
    docs = await place.here.create_collection("docs", dimension=2, metric="dot")
    await place.fill(docs, 0, 50)
    write = place.driver.write_rows
    is_waiting, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any) -> None:
        is_waiting.set()
        await may_go_on.wait()
        await write(*arguments)

    monkeypatch.setattr(place.driver, "write_rows", slowly)
    writing = asyncio.create_task(docs.upsert([Record("under way", vector=[1, 1], text="cherry")]))
    await is_waiting.wait()
    making = asyncio.create_task(docs.create_keyword_index("none"))
    await asyncio.sleep(0.5)
    may_go_on.set()
    await asyncio.gather(writing, making)
    assert (await asked(docs, "cherry")).ids == ["under way"]
    assert len(await docs.search(text="apple", mode="keyword", top_k=100)) == 50


async def test_an_index_that_others_made_is_written_to(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    async def looked() -> None:
        # Meanwhile the other one writes, and has looked at the description before.
        place.clock.seconds += LOOKS_EVERY_S
        waited.append(await docs.upsert([Record("late", vector=[0, 1], text="cherry")]))

    monkeypatch.setattr("vpa.stores.layout.store.others_have_looked", looked)
    docs = await place.here.create_collection("docs", dimension=2, metric="dot")
    await place.fill(docs, 0, 5)
    other, _ = place.manager()
    async with other:
        theirs = await other.collection("docs")
        await theirs.create_keyword_index("none")
        assert waited
        assert (await theirs.search(text="cherry", mode="keyword")).ids == ["late"]
        assert len(await theirs.search(text="apple", mode="keyword")) == 5
    assert docs.info.keywords == theirs.info.keywords
    await docs.upsert([Record("later", vector=[0, 1], text="cherry plum")])
    assert (await asked(docs, "plum")).ids == ["later"]


async def test_what_was_counted_for_the_index_before_does_not_finish_the_next_one(
    place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_words, "_ON_THE_WAY_S", -LOOKS_EVERY_S)
    await asked(docs)
    await place.fill(docs, 30, 40)
    scan = place.here._store.scan  # type: ignore[union-attr]

    def begun_meanwhile(*arguments: Any) -> Any:
        # Another process begins an index for another language while the words are counted.
        info = place.server.info
        assert info is not None
        place.server.info = replace(info, keywords=analyser_of("german").identity, words=None)
        return scan(*arguments)

    monkeypatch.setattr(place.here._store, "scan", begun_meanwhile)
    with suppress(errors.ConfigurationError):
        await asked(docs)
    assert place.server.info is not None
    assert place.server.info.words is None


async def test_an_unfinished_index_says_so(place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone() -> None:
        raise errors.ConnectionFailedError("simulated: the process ended here")

    monkeypatch.setattr("vpa.stores.layout.store.others_have_looked", gone)
    with pytest.raises(errors.ConnectionFailedError):
        await docs.create_keyword_index("english")
    monkeypatch.undo()
    monkeypatch.setattr(layout_words, "_ON_THE_WAY_S", -LOOKS_EVERY_S)
    place.clock.seconds += LOOKS_EVERY_S
    with pytest.raises(errors.ConfigurationError, match=r"not finished.*create_keyword_index\('english'\)"):
        await asked(docs)
    # Search by vector goes on.
    assert len(await docs.search([1.0, 2.0], top_k=3)) == 3
    await docs.create_keyword_index("english")
    assert len(await asked(docs)) == 3


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (KeywordIndex(language="english", version="0-older"), r"analyser english 0-older, this vpa has english"),
        (KeywordIndex(language="klingon", version="1"), r"'klingon', which this vpa does not know"),
    ],
)
async def test_the_index_of_another_analyser_says_how_to_build_it(
    place: Place, docs: Collection, keywords: KeywordIndex, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_words, "_ON_THE_WAY_S", -LOOKS_EVERY_S)
    assert place.server.info is not None
    place.server.info = replace(place.server.info, keywords=keywords, words=WordSnapshot())
    place.clock.seconds += LOOKS_EVERY_S
    await docs.count()
    with pytest.raises(errors.ConfigurationError, match=message):
        await asked(docs)
    assert docs.why_no_words is not None
    await docs.create_keyword_index("english")
    assert docs.why_no_words is None
    assert len(await asked(docs)) == 3


async def test_a_count_that_cannot_be_kept_is_logged_and_holds_here(
    place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "_AT_ONCE", 10)
    monkeypatch.setattr(census, "_QUIET_S", 0.0)
    await asked(docs)
    await place.fill(docs, 30, 40)

    async def fail(*_: Any) -> None:
        raise errors.ServiceUnavailableError("simulated: no room")

    monkeypatch.setattr(place.here._store, "set_words", fail)
    await asked(docs)
    await asyncio.sleep(0.1)
    assert len(await asked(docs)) == 3
    assert (version(docs), place.server.info.words.version) == (2, 1)  # type: ignore[union-attr]


async def test_a_count_that_fails_behind_a_question_leaves_the_old_one(
    place: Place, docs: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "_AT_ONCE", 10)
    monkeypatch.setattr(census, "_QUIET_S", 0.0)
    await asked(docs)
    await place.fill(docs, 30, 40)

    def fail(*_: Any) -> None:
        raise errors.ServiceUnavailableError("simulated: away")

    monkeypatch.setattr(place.here._store, "scan", fail)
    await asked(docs)
    await asyncio.sleep(0.1)
    assert len(await asked(docs)) == 3
    assert version(docs) == 1


async def test_whoever_may_only_read_counts_for_itself(place: Place, docs: Collection) -> None:
    reader, _ = place.manager()
    async with reader:

        async def refuse(*_: Any) -> None:
            raise errors.PermissionDeniedError("simulated: this key may only read")

        reader._store.set_words = refuse  # type: ignore[method-assign,union-attr,assignment]
        theirs = await reader.collection("docs")
        assert len(await asked(theirs)) == 3
        assert (version(theirs), place.server.info.words.version) == (1, 0)  # type: ignore[union-attr]
        # Once somebody else counts, that is taken up.
        await asked(docs)
        await docs.optimize()
        await reader.list_collections()
        reader._bindings["docs"].doubt()
        await asked(theirs)
        assert version(theirs) == 2


async def test_the_store_is_read_no_deeper_than_it_takes(place: Place, docs: Collection) -> None:
    await place.fill(docs, 30, 400)
    await docs.optimize()
    answer = await docs.search(text="apple pear3", mode="keyword", top_k=5)
    # Equal scores at the cut: it is looked a little further.
    assert place.driver.depths == [50, 100]
    assert answer.usage.requests == 2
    place.driver.depths.clear()
    assert len(await docs.search(text="number17 number35", mode="keyword", top_k=5)) == 2
    assert place.driver.depths == [50]
    # All are about equally good, so an exact search has to look at all that hold a word.
    exact = await docs.search(text="apple pear3", mode="keyword", top_k=5, exact=True)
    assert exact.exact
    assert place.driver.depths[1:] == [50, 100]
    assert exact.ids == sorted(exact.ids)


async def test_statistics_tell_what_is_counted_with(place: Place, docs: Collection) -> None:
    await asked(docs)
    [facts] = (await place.here.get_statistics())["collections"].values()
    assert facts["words"] == {"version": 1, "records": 30, "total": 30, "written": 0}
