"""The records of one collection: searched by any number of threads while one at a time writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from vpa.base import distances
from vpa.base.arrays import FloatVector, RowNumbers, Scores
from vpa.base.errors import ClosedError, RecordExistsError, RecordNotFoundError
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, Match, Metric, Record, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.engine.batches import change_of, merged_mapping, part_of
from vpa.engine.change import Change
from vpa.engine.indexes import flat
from vpa.engine.indexes.choice import create_index
from vpa.engine.rows import RowStore, encode_mappings
from vpa.engine.scan import scan_view
from vpa.engine.slices import sliced, slices
from vpa.engine.upkeep import Upkeep
from vpa.engine.view import View
from vpa.engine.writer import State, Writer
from vpa.filters.ast import ALWAYS, Filter

# Answers between two rests.
_ANSWERS: Final = 32
# Taking in fewer texts again, at the next opening, costs less than a snapshot.
_UNSAVED_TEXTS: Final = 2_000


class Answer(NamedTuple):
    """Matches of one query, best first, how many rows were scored for it, and whether none can be missing."""

    matches: list[Match]
    candidates: int
    exact: bool


class Table:
    """Every method is synchronous and may be called from any thread.

    Arguments are checked values: batches from `base.validation`, filters normalised. Once closed, every method but
    `close` raises ClosedError.
    """

    def __init__(self, info: CollectionInfo, rows: RowStore | None = None) -> None:
        self.writer = Writer(info, rows or RowStore.of(info))
        self.index = create_index(info.index, self.writer)
        self.upkeep = Upkeep(self.writer, self.index)

    @property
    def info(self) -> CollectionInfo:
        """What was stored with the collection."""
        return self.writer.state.info

    @property
    def view(self) -> View:
        """The rows as they are now."""
        return self.writer.state.view

    @property
    def revision(self) -> int:
        """Grows with every write."""
        return self.writer.state.revision

    def close(self) -> None:
        """Refuse everything from here on, background work and snapshots too, and let go of the rows. May be called
        twice.
        """
        self.writer.close()

    # Reading

    def open_state(self) -> State:
        """The newest state; raises ClosedError once the table is closed."""
        state = self.writer.state
        if state.closed:
            raise ClosedError(f"collection {state.info.name!r} was dropped, or its store was closed")
        return state

    def count(self, node: Filter, scope: Scope | AllScopes) -> int:
        """How many records match."""
        view = self.open_state().view
        chosen = view.selection(node, scope)
        return view.live_count if chosen is None else chosen.count

    def get(self, ids: Sequence[str], *, scope: Scope, include_vectors: bool) -> list[Record]:
        """The records found, in the order asked."""
        self.open_state()
        located = self.writer.find(ids, scope)
        return located.view.records(located.rows, include_vectors=include_vectors)

    def search(self, request: SearchRequest, node: Filter) -> list[Answer]:
        """An answer for each query."""
        state = self.open_state()
        view = state.view
        chosen = view.selection(node, request.scope)
        exact = True
        if request.exact:
            found = flat.search(view, request.vectors, top_k=request.top_k, chosen=chosen)
        else:
            found, exact = self.index.search(
                view, request.vectors, top_k=request.top_k, chosen=chosen, codes=state.codes
            )
        answers: list[Answer] = []
        for part in slices(len(found), _ANSWERS):
            for best, query in zip(found[part], request.vectors[part], strict=True):
                matches = self._matches(view, request, best=best, query=query)
                answers.append(Answer(matches, best.candidates, exact))
        return answers

    def _matches(self, view: View, request: SearchRequest, *, best: flat.BestRows, query: Any) -> list[Match]:
        rows, scores = best.rows, best.scores
        if request.score_threshold is not None:
            keep = scores >= request.score_threshold
            rows, scores = rows[keep], scores[keep]
        values: list[float] = scores.tolist()
        lengths = distances_of(view, rows, scores=scores, query=query)
        return view.matches(rows.tolist(), scores=values, distances=lengths, include_vectors=request.include_vectors)

    @property
    def has_unsaved(self) -> bool:
        """Whether a snapshot is worth it for codes, or words of texts, that were made since the last one."""
        words = self.view.rows.words
        return self.index.unsaved or (words is not None and words.unsaved > _UNSAVED_TEXTS)

    def note_saved(self, view: View) -> None:
        """A snapshot of `view` is on the disk, with the codes and words that were made before."""
        self.index.saved()
        if view.rows.words is not None:
            view.rows.words.unsaved = 0

    def scan(
        self, node: Filter, *, scope: Scope | AllScopes, batch_size: int, cursor: str | None, include_vectors: bool
    ) -> Iterator[RecordBatch]:
        """Batches in (tenant, namespace, id) order from one view, each of one scope, with the cursor behind it."""
        view = self.open_state().view
        return scan_view(view, node, scope=scope, batch_size=batch_size, cursor=cursor, include_vectors=include_vectors)

    # Writing

    def upsert(self, batch: RecordBatch, *, scope: Scope, on_conflict: OnConflict, replacing: Filter | None) -> int:
        """Write a checked batch; returns how many records were written."""
        change = change_of(batch, scope)

        def plan(state: State) -> Change:
            existing = state.known(scope)
            if on_conflict is OnConflict.ERROR:
                known = [value for value in change.ids if value in existing]
                if known:
                    raise RecordExistsError(
                        f"{len(known)} of {len(batch)} ids exist, for example {known[0]!r}; nothing was written",
                        ids=known,
                    )
            planned = change
            if on_conflict is OnConflict.SKIP:
                planned = part_of(change, [i for i, value in enumerate(change.ids) if value not in existing])
            if replacing is not None:
                coming = set(change.ids)
                gone = [state.view.rows.ids[row] for row in state.view.select(replacing, scope).tolist()]
                planned.removed = [value for value in gone if value not in coming]
            return planned

        return len(self._write(plan).ids)

    def delete(
        self, *, ids: Sequence[str] | None, node: Filter, still: Filter = ALWAYS, scope: Scope, dry_run: bool
    ) -> int:
        """Remove by filter, or by ids those that satisfy `still`; returns how many existed."""

        def plan(state: State) -> Change:
            return Change(scope, removed=_targets(state, ids, node=node, still=still, scope=scope))

        if dry_run:
            return len(self._planned(plan).removed)
        return len(self._write(plan).removed)

    def update_metadata(
        self,
        *,
        ids: Sequence[str] | None,
        node: Filter,
        still: Filter = ALWAYS,
        scope: Scope,
        assign: Mapping[str, Any],
        remove: Iterable[str],
        dry_run: bool,
    ) -> int:
        """Merge top-level keys into records; returns how many matched. All of them, or an error and none.

        Of `ids`, those that satisfy `still`; without it each must exist.
        """
        removed = set(remove)

        def plan(state: State) -> Change:
            known = state.known(scope)
            needed = ids if still is ALWAYS else None
            missing = [value for value in needed or () if value not in known]
            if missing:
                raise RecordNotFoundError(
                    f"{len(missing)} of {len(ids or ())} ids do not exist, for example {missing[0]!r}; nothing was "
                    "changed"
                )
            targets = _targets(state, ids, node=node, still=still, scope=scope)
            rows = [known[value] for value in targets]
            merged = sliced(
                rows, lambda part: [merged_mapping(old, assign, removed) for old in state.view.rows.metadata_of(part)]
            )
            return Change(
                scope,
                ids=targets,
                metadata=encode_mappings(merged),
                system=state.view.rows.system.packed(np.asarray(rows, dtype=np.int64)),
                parsed_metadata=merged,
            )

        return len(self._planned(plan).ids if dry_run else self._write(plan).ids)

    def _planned(self, plan: Callable[[State], Change]) -> Change:
        with self.writer.paused() as state:
            return plan(state)

    def _write(self, plan: Callable[[State], Change]) -> Change:
        change = self.writer.write(plan)
        self.upkeep.keep_bound()
        return change


def distances_of(view: View, rows: RowNumbers, *, scores: Scores, query: FloatVector) -> list[float]:
    """The distances of rows from a query `(d,)`, given their scores; Euclid's from the vectors, which say them more
    exactly.
    """
    metric = view.rows.vectors.metric
    if metric is Metric.EUCLIDEAN:
        lengths: list[float] = distances.l2(view.rows.gather(rows), query).tolist()
        return lengths
    return [distances.distance_of(metric, score) for score in scores.tolist()]


def _targets(state: State, ids: Sequence[str] | None, *, node: Filter, still: Filter, scope: Scope) -> list[str]:
    if ids is None:
        return [state.view.rows.ids[row] for row in state.view.select(node, scope).tolist()]
    known = state.known(scope)
    existing = [value for value in dict.fromkeys(ids) if value in known]
    if still is ALWAYS:
        return existing
    satisfying = set(state.view.select(still, scope).tolist())
    return [value for value in existing if known[value] in satisfying]
