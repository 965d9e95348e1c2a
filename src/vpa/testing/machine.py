"""A Hypothesis state machine: a collection against a plain dict, with scopes, conflicts and reopening.

Subclass it and give it `open_collection` (and `reopen`, for a durable store); `TestCase` makes it a test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from vpa.base.errors import InvalidFilterError, InvalidRecordError, RecordExistsError, RecordNotFoundError
from vpa.base.metadata import canonical_metadata
from vpa.base.records import Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import as_filter, matches, normal
from vpa.filters.ast import ALWAYS
from vpa.testing import strategies

DIMENSION = 3
PRECISION = 1e-5  # Scores of float32 stores agree to it at this dimension.
SCOPES = (Scope(), Scope("t"), Scope("t", "n"))
scopes = st.sampled_from(SCOPES)
records = st.lists(
    st.tuples(
        strategies.ids,
        strategies.vectors(DIMENSION),
        strategies.metadata,
        st.one_of(st.none(), st.text("ab\n", max_size=3)),
    ),
    max_size=5,
    unique_by=lambda row: row[0],
)


class CollectionMachine(RuleBasedStateMachine):
    """What the collection should hold is `model[scope][id] = (unit vector, text, metadata)`."""

    def make_manager(self) -> VectorDatabaseManager:
        """A manager on the same data each time it is called."""
        raise NotImplementedError("a subclass gives the store under test")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model: dict[Scope, dict[str, tuple[np.ndarray[Any, Any], str | None, dict[str, Any]]]] = {
            s: {} for s in SCOPES
        }

    def run(self, work: Any) -> Any:
        """Do something on the machine's loop."""
        return self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        """Connect and make the collection."""
        self.manager = self.make_manager()
        self.run(self.manager.connect())
        self.docs = self.run(self.manager.create_collection("docs", dimension=DIMENSION, exist_ok=True))

    def reopen(self) -> None:
        """Close and open again; for stores that keep their data."""
        self.run(self.manager.close())
        self.open()

    @rule(rows=records, scope=scopes, choice=st.sampled_from(("replace", "skip", "error")))
    def upsert(self, rows: list[Any], scope: Scope, choice: str) -> None:
        """Write, with every way to treat conflicts."""
        space = self.model[scope]
        given = [Record(name, vector=v, metadata=m, text=t) for name, v, m, t in rows]
        if choice == "error" and any(name in space for name, *_ in rows):
            with pytest.raises(RecordExistsError):
                self.run(self.docs.upsert(given, scope=scope, on_conflict=choice))
            return
        new = [row for row in rows if choice != "skip" or row[0] not in space]
        assert self.run(self.docs.upsert(given, scope=scope, on_conflict=choice)) == len(new)
        space.update({name: (_unit(v), t, m) for name, v, m, t in new})

    @rule(rows=records, pair=strategies.filters, scope=scopes)
    def replace(self, rows: list[Any], pair: strategies.Pair, scope: Scope) -> None:
        """Write, and remove what a filter matches."""
        given = [Record(name, vector=v, metadata=m, text=t) for name, v, m, t in rows]
        if normal(pair.json) is ALWAYS:
            with pytest.raises(InvalidFilterError):
                self.run(self.docs.upsert(given, replacing=pair.json, scope=scope))
            return
        assert self.run(self.docs.upsert(given, replacing=pair.json, scope=scope)) == len(rows)
        for name in self.matching(pair, scope):
            del self.model[scope][name]
        self.model[scope].update({name: (_unit(v), t, m) for name, v, m, t in rows})

    @rule(ids=st.lists(strategies.ids, max_size=4), scope=scopes)
    def delete_ids(self, ids: list[str], scope: Scope) -> None:
        """Delete by ids, known and unknown."""
        known = {name for name in ids if name in self.model[scope]}
        assert self.run(self.docs.delete(ids=ids, scope=scope)) == len(known)
        for name in known:
            del self.model[scope][name]

    @rule(pair=strategies.filters, scope=scopes)
    def delete_filter(self, pair: strategies.Pair, scope: Scope) -> None:
        """The number of deleted records is that of the model."""
        gone = self.matching(pair, scope)
        assert self.run(self.docs.delete(filter=pair.json, allow_all=True, scope=scope)) == len(gone)
        for name in gone:
            del self.model[scope][name]

    @rule(pair=strategies.filters, change=strategies.metadata, scope=scopes)
    def update_filter(self, pair: strategies.Pair, change: Mapping[str, Any], scope: Scope) -> None:
        """Merge metadata by filter; all or nothing."""
        space = self.model[scope]
        targets = self.matching(pair, scope)
        try:
            merged = {name: canonical_metadata({**space[name][2], **change}) for name in targets}
        except InvalidRecordError:
            with pytest.raises(InvalidRecordError):
                self.run(self.docs.update_metadata(filter=pair.json, set=change, allow_all=True, scope=scope))
            return
        changed = self.run(self.docs.update_metadata(filter=pair.json, set=change, allow_all=True, scope=scope))
        assert changed == len(targets)
        for name, metadata in merged.items():
            space[name] = (*space[name][:2], metadata)

    @rule(ids=st.lists(strategies.ids, min_size=1, max_size=3, unique=True), scope=scopes)
    def update_ids(self, ids: list[str], scope: Scope) -> None:
        """Remove a key by ids; an unknown id changes nothing."""
        space = self.model[scope]
        if any(name not in space for name in ids):
            with pytest.raises(RecordNotFoundError):
                self.run(self.docs.update_metadata(ids=ids, remove=["a"], scope=scope))
            return
        assert self.run(self.docs.update_metadata(ids=ids, remove=["a"], scope=scope)) == len(ids)
        for name in ids:
            space[name] = (*space[name][:2], {key: value for key, value in space[name][2].items() if key != "a"})

    @rule(pair=strategies.filters, scope=scopes, query=strategies.vectors(DIMENSION), top_k=st.integers(1, 6))
    def search(self, pair: strategies.Pair, scope: Scope, query: list[float], top_k: int) -> None:
        """The right records, best first; within the precision of scores that SEMANTICS promises, in any order."""
        space, asked = self.model[scope], _unit(query).astype(np.float64)
        scores = {
            name: float(np.clip(space[name][0].astype(np.float64) @ asked, -1, 1))
            for name in self.matching(pair, scope)
        }
        found = self.run(self.docs.search(vector=query, top_k=top_k, filter=pair.json, scope=scope, exact=True))
        best = sorted(scores.values(), reverse=True)[:top_k]
        assert [match.score for match in found] == pytest.approx(best, abs=PRECISION)
        assert [match.score for match in found] == pytest.approx([scores[match.id] for match in found], abs=PRECISION)
        assert len({match.id for match in found}) == len(found)
        order = [(-match.score, match.id) for match in found]
        assert order == sorted(order)

    @rule(pair=strategies.filters, scope=scopes)
    def count(self, pair: strategies.Pair, scope: Scope) -> None:
        """With any filter, the count is that of the model."""
        assert self.run(self.docs.count(filter=pair.json, scope=scope)) == len(self.matching(pair, scope))

    def matching(self, pair: strategies.Pair, scope: Scope) -> list[str]:
        """Ids that the evaluator accepts."""
        node = as_filter(pair.json)
        return [name for name, (_, _, metadata) in self.model[scope].items() if matches(node, metadata)]

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """Every id, vector, text and metadata value, with types, in every scope."""
        if not hasattr(self, "docs"):
            return
        found = self.run(self._everything())
        wanted = {
            (scope, name): (vector.tolist(), text, repr(sorted(metadata.items())))
            for scope, space in self.model.items()
            for name, (vector, text, metadata) in space.items()
        }
        assert found == wanted

    async def _everything(self) -> dict[Any, Any]:
        found = {}
        async for batch in self.docs.scan_batches(scope=ALL_SCOPES, batch_size=3):
            for record in batch:
                metadata = repr(sorted(record.metadata.items()))
                found[batch.scope, record.id] = (np.asarray(record.vector).tolist(), record.text, metadata)
        return found

    def teardown(self) -> None:
        """Drop the collection, close the store and the loop."""
        if hasattr(self, "manager"):
            if hasattr(self, "docs"):
                self.run(self.manager.drop_collection("docs"))
            self.run(self.manager.close())
        self.loop.close()


def _unit(vector: list[float]) -> np.ndarray[Any, Any]:
    wide = np.asarray(vector, dtype=np.float32).astype(np.float64)
    unit: np.ndarray[Any, Any] = (wide / np.sqrt((wide**2).sum())).astype(np.float32)
    return unit


__all__ = ["CollectionMachine", "rule"]
