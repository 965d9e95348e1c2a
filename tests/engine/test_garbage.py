"""Dead rows keep their bound under any load, whatever else is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from engine.vectors import clustered, recall, unit, write
from vpa.base.index_options import IndexOptions
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.engine.indexes.coded import CodedIndex
from vpa.engine.table import Table
from vpa.engine.upkeep import dead_rows, room_for_dead
from vpa.filters.ast import ALWAYS

ROWS = unit(clustered(24_000, 96))


def never() -> bool:
    return False


def table(rows: np.ndarray, **options: object) -> Table:
    made = Table(CollectionInfo(name="docs", dimension=96, metric=Metric.COSINE, index=IndexOptions(**options)))  # type: ignore[arg-type]
    write(made, rows)
    return made


def test_writers_alone_keep_the_bound() -> None:
    made = table(ROWS[:2_000])
    most = []
    for _ in range(40):
        write(made, ROWS[:1_000])
        most.append(room_for_dead(made.view))
    assert min(most) >= 0
    assert made.upkeep.stats()["compactions"] > 0
    assert made.count(ALWAYS, Scope()) == 2_000


def test_many_writers_at_once_keep_the_bound_but_for_what_is_in_flight() -> None:
    made = table(ROWS[:2_000])
    lowest: list[int] = []

    def replace() -> None:
        for _ in range(40):
            write(made, ROWS[:500])
            lowest.append(room_for_dead(made.view))

    threads = [threading.Thread(target=replace) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(lowest) >= -4 * 500
    assert made.count(ALWAYS, Scope()) == 2_000


def test_deleting_everything_leaves_few_rows() -> None:
    made = table(ROWS)
    made.delete(ids=None, node=ALWAYS, scope=Scope(), dry_run=False)
    assert (made.view.count, made.view.live_count) == (0, 0)


@pytest.mark.parametrize("moment", ["while recall is measured", "while codes are made"])
def test_rows_are_left_out_while_the_index_is_tended(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """What was measured of the old rows is kept, and codes are made of the new ones."""
    made = table(ROWS, first_pass="signs", recall=0.9)
    reached, go_on = threading.Event(), threading.Event()
    name = "_planned" if moment == "while recall is measured" else "_make"
    inner: Callable[..., object] = getattr(CodedIndex, name)

    def waiting(self: CodedIndex, *args: object) -> object:
        reached.set()
        assert go_on.wait(30)
        return inner(self, *args)

    monkeypatch.setattr(CodedIndex, name, waiting)
    tending = threading.Thread(target=made.upkeep.make_codes, kwargs={"stop": never})
    tending.start()
    assert reached.wait(30)
    for _ in range(3):
        write(made, ROWS[:12_000])
    assert room_for_dead(made.view) >= 0
    made.upkeep.make_space(stop=never)
    assert dead_rows(made.view) == 0
    go_on.set()
    tending.join(60)
    assert made.index.stats()["coded_rows"] == made.view.count == 24_000
    assert recall(made, unit(clustered(50, 96, seed=1))) >= 0.9


def test_what_changed_before_a_compaction_counts_towards_the_next_measurement() -> None:
    made = table(ROWS, first_pass="signs", recall=0.9)
    made.upkeep.make_codes(stop=never)
    assert not made.upkeep.wants_codes
    write(made, ROWS[:10_000])
    made.upkeep.compact(stop=never)
    # Codes are of all rows, but more than three tenths of the rows are new since recall was measured.
    assert made.upkeep.wants_codes


def test_statistics_say_how_many_rows_are_dead() -> None:
    made = table(ROWS[:1_000])
    write(made, ROWS[:300])
    facts = made.upkeep.stats()
    assert (facts["dead_rows"], facts["dead_rows_bound"]) == (300, 12_000)
