"""One collection: a single writer at a time, any number of readers that never wait for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from vpa.base import distances
from vpa.base.arrays import RowMask
from vpa.base.errors import ClosedError, ProviderError, RecordExistsError, RecordNotFoundError
from vpa.base.query import OnConflict, SearchRequest
from vpa.base.records import CollectionInfo, Match, Metric, Record, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.engine.batches import change_of, kept, merged_mapping
from vpa.engine.change import Change
from vpa.engine.compaction import Compaction, StoppedError, drain, is_worth_it
from vpa.engine.indexes import flat
from vpa.engine.indexes.choice import create_index
from vpa.engine.rows import NewRows, RowStore, encode_mappings
from vpa.engine.scan import scan_view
from vpa.engine.vectors import FileBlock
from vpa.engine.view import View
from vpa.filters.ast import ALWAYS, Filter
from vpa.kit.memory import give_back

# With no more than these the last step of a compaction may begin.
_FEW_ROWS: Final = 1000


class Journal(Protocol):
    """Where changes are made durable before they are acknowledged."""

    def append(self, change: Change) -> int:
        """Write, not yet synced; returns a ticket for `commit`. Raises before anything is applied."""
        ...

    def commit(self, ticket: int) -> None:
        """Return when everything up to the ticket is on the disk."""
        ...


class Answer(NamedTuple):
    """Matches of one query, best first, how many rows were scored for it, and whether none can be missing."""

    matches: list[Match]
    candidates: int
    exact: bool


class Collection:
    """Records of one collection. Every method is synchronous and may be called from any thread.

    Arguments are checked values: batches from `base.validation`, filters normalised.
    """

    def __init__(self, info: CollectionInfo, rows: RowStore | None = None) -> None:
        self.info = info
        rows = rows or RowStore.of(info)
        self._rows_by_id: dict[Scope, dict[str, int]] = {}
        self._index_rows(rows)
        self._view = View(rows, rows.count, None, rows.count)
        self._live: RowMask | None = None
        self._write_lock = threading.RLock()
        self._publish_lock = threading.Lock()
        self._journal: Journal | None = None
        self._broken: str | None = None
        self._closed = False
        self.revision = 0
        self.index = create_index(info.index)

    def _index_rows(self, rows: RowStore) -> None:
        codes = rows.scope_column(rows.count)
        for code, scope in enumerate(rows.scopes):
            numbers = range(rows.count) if len(rows.scopes) == 1 else np.flatnonzero(codes == code).tolist()
            self._rows_by_id[scope] = {rows.ids[row]: row for row in numbers}

    def attach(self, journal: Journal) -> None:
        """From here on every change goes through `journal` first."""
        self._journal = journal

    def close(self) -> None:
        """Refuse further writes and let the rows go."""
        with self._write_lock:
            self._closed = True
            rows = RowStore.of(self.info)
            self._rows_by_id = {}
            self._view = View(rows, 0, None, 0)

    # Reading

    @property
    def view(self) -> View:
        """The current state."""
        return self._view

    def count(self, node: Filter, scope: Scope | AllScopes) -> int:
        """How many records match."""
        view = self._view
        chosen = view.selection(node, scope)
        return view.live_count if chosen is None else chosen.count

    def get(self, ids: Sequence[str], *, scope: Scope, include_vectors: bool) -> list[Record]:
        """The records found, in the order asked."""
        with self._publish_lock:
            view = self._view
            index = self._rows_by_id.get(scope, {})
            rows = [row for row in (index.get(value) for value in ids) if row is not None]
        return view.records(rows, include_vectors=include_vectors)

    def search_many(self, asked: Sequence[tuple[SearchRequest, Filter]]) -> list[list[Answer] | Exception]:
        """For each request its answers, or the error that it met; those that differ in nothing but vectors run as one."""
        groups: dict[Any, list[int]] = {}
        for place, (request, node) in enumerate(asked):
            # By its text: as values, filters for 1 and for True are equal.
            groups.setdefault((request.like(), "" if node is ALWAYS else repr(node)), []).append(place)
        results: list[list[Answer] | Exception] = [[]] * len(asked)
        for places in groups.values():
            request, node = asked[places[0]]
            lengths = [len(asked[place][0].vectors) for place in places]
            whole = request if len(places) == 1 else replace(request, vectors=np.concatenate([asked[place][0].vectors for place in places]))  # fmt: skip
            try:
                answers = iter(self.search(whole, node))
            except Exception as error:  # noqa: BLE001 - each caller is handed it, and raises it
                results = [error if place in places else result for place, result in enumerate(results)]
                continue
            for place, length in zip(places, lengths, strict=True):
                results[place] = list(islice(answers, length))
        return results

    def search(self, request: SearchRequest, node: Filter) -> list[Answer]:
        """An answer for each query."""
        view = self._view
        chosen = view.selection(node, request.scope)
        exact = True
        if request.exact:
            found = flat.search(view, request.vectors, top_k=request.top_k, chosen=chosen)
        else:
            found, exact = self.index.search(view, request.vectors, top_k=request.top_k, chosen=chosen)
        return [
            Answer(self._matches(view, request, found=hits, query=query), hits.candidates, exact)
            for hits, query in zip(found, request.vectors, strict=True)
        ]

    @property
    def wants_tending(self) -> bool:
        """Whether `tend` has something to do."""
        return is_worth_it(self._view) or self.index.wants(self._view)

    def tend(self, *, stop: Callable[[], bool]) -> None:
        """Leave out dead rows where they are many, make codes for new ones, measure recall where the data has changed; memory goes back.

        Searches and writes go on meanwhile. Called by one thread at a time.
        """
        with contextlib.suppress(StoppedError):
            if is_worth_it(self._view):
                self._compact(stop)
            self.index.tend(lambda: self._view, stop=stop)
        give_back()

    def _matches(self, view: View, request: SearchRequest, *, found: flat.Found, query: Any) -> list[Match]:
        rows, scores = found.rows, found.scores
        if request.score_threshold is not None:
            keep = scores >= request.score_threshold
            rows, scores = rows[keep], scores[keep]
        values: list[float] = scores.tolist()
        if self.info.metric is Metric.EUCLIDEAN:
            lengths = distances.l2(view.rows.gather(rows), query).tolist()
        else:
            lengths = [distances.distance_of(self.info.metric, score) for score in values]
        return view.matches(rows.tolist(), scores=values, distances=lengths, include_vectors=request.include_vectors)

    def scan(
        self, node: Filter, *, scope: Scope | AllScopes, batch_size: int, cursor: str | None, include_vectors: bool
    ) -> Iterator[RecordBatch]:
        """Batches in (tenant, namespace, id) order from one view, each of one scope, with the cursor behind it."""
        return scan_view(
            self._view, node, scope=scope, batch_size=batch_size, cursor=cursor, include_vectors=include_vectors
        )

    # Writing

    def upsert(self, batch: RecordBatch, *, scope: Scope, on_conflict: OnConflict, replacing: Filter | None) -> int:
        """Write a checked batch; returns how many records were written."""
        change = change_of(batch, scope)

        def plan(view: View) -> Change:
            existing = self._rows_by_id.get(scope, {})
            if on_conflict is OnConflict.ERROR:
                known = [value for value in change.ids if value in existing]
                if known:
                    raise RecordExistsError(
                        f"{len(known)} of {len(batch)} ids exist, for example {known[0]!r}; nothing was written",
                        ids=known,
                    )
            planned = change
            if on_conflict is OnConflict.SKIP:
                planned = kept(change, [i for i, value in enumerate(change.ids) if value not in existing])
            if replacing is not None:
                coming = set(change.ids)
                gone = [view.rows.ids[row] for row in view.select(replacing, scope).tolist()]
                planned.removed = [value for value in gone if value not in coming]
            return planned

        return len(self._write(plan).ids)

    def delete(self, *, ids: Sequence[str] | None, node: Filter, scope: Scope, dry_run: bool) -> int:
        """Remove by ids or by filter; returns how many existed."""

        def plan(view: View) -> Change:
            return Change(scope, removed=self._existing(view, ids, node=node, scope=scope))

        if dry_run:
            return len(self._existing(self._view, ids, node=node, scope=scope))
        return len(self._write(plan).removed)

    def update_metadata(
        self,
        *,
        ids: Sequence[str] | None,
        node: Filter,
        scope: Scope,
        assign: Mapping[str, Any],
        remove: Iterable[str],
        dry_run: bool,
    ) -> int:
        """Merge top-level keys into records; returns how many matched. All of them, or an error and none."""
        removed = set(remove)

        def plan(view: View) -> Change:
            if ids is not None:
                known = self._rows_by_id.get(scope, {})
                missing = [value for value in ids if value not in known]
                if missing:
                    raise RecordNotFoundError(
                        f"{len(missing)} of {len(ids)} ids do not exist, for example {missing[0]!r}; nothing was changed"
                    )
            targets = self._existing(view, ids, node=node, scope=scope)
            rows = [self._rows_by_id[scope][value] for value in targets]
            merged = [merged_mapping(mapping, assign, removed) for mapping in view.rows.metadata_of(rows)]
            return Change(
                scope,
                ids=targets,
                metadata=encode_mappings(merged),
                system=view.rows.system.packed(np.asarray(rows, dtype=np.int64)),
                parsed_metadata=merged,
            )

        if dry_run:
            with self._write_lock:
                return len(plan(self._view).ids)
        return len(self._write(plan).ids)

    def _existing(self, view: View, ids: Sequence[str] | None, *, node: Filter, scope: Scope) -> list[str]:
        if ids is None:
            return [view.rows.ids[row] for row in view.select(node, scope).tolist()]
        with self._publish_lock:
            known = self._rows_by_id.get(scope, {})
            return [value for value in dict.fromkeys(ids) if value in known]

    def _write(self, plan: Callable[[View], Change]) -> Change:
        with self._write_lock:
            self._check_writable()
            change = plan(self._view)
            if change.is_empty:
                return change
            ticket = None if self._journal is None else self._journal.append(change)
            try:
                self.apply(change)
            except BaseException as error:
                self._broken = f"a write failed half-way in memory ({type(error).__name__}: {error}); reopen the store"
                raise
        if self._journal is not None and ticket is not None:
            self._journal.commit(ticket)
        return change

    @contextmanager
    def paused_writes(self) -> Iterator[View]:
        """Hold writers back for a moment; gives the state that they left."""
        with self._write_lock:
            yield self._view

    def _check_writable(self) -> None:
        if self._closed:
            raise ClosedError(f"collection {self.info.name!r} is closed")
        if self._broken is not None:
            raise ProviderError(f"collection {self.info.name!r} takes no writes: {self._broken}")

    def apply(self, change: Change) -> None:
        """Carry out a change that is in the log: append the new rows, then publish the new view in one step."""
        with self._write_lock:
            rows = self._view.rows
            index = self._rows_by_id.setdefault(change.scope, {})
            first = rows.count
            if change.ids:
                first = rows.append(self._new_rows(change, index), change.scope)
            with self._publish_lock:
                dead = [index.pop(value) for value in change.removed if value in index]
                if index:
                    dead += [row for row in map(index.get, change.ids) if row is not None]
                index.update(zip(change.ids, range(first, rows.count), strict=True))
                self._publish(rows, dead)

    def _new_rows(self, change: Change, index: Mapping[str, int]) -> NewRows:
        parsed = {"parsed_metadata": change.parsed_metadata, "parsed_system": change.parsed_system}
        if change.vectors is not None:
            return NewRows(change.ids, change.vectors, change.texts, change.metadata, change.system, **parsed)
        old = self._view.rows
        numbers = np.fromiter((index[value] for value in change.ids), dtype=np.int64, count=len(change.ids))
        vectors = old.vectors.select(numbers)
        return NewRows(change.ids, vectors, old.texts.packed(numbers), change.metadata, change.system, **parsed)

    def _publish(self, rows: RowStore, dead: Sequence[int]) -> None:
        count = rows.count
        live = self._live
        if dead or (live is not None and len(live) < count):
            grown = np.ones(
                max(count, len(live) * 3 // 2 if live is not None and len(live) < count else count), np.bool_
            )
            if live is not None:
                grown[: len(live)] = live[: len(grown)]
            grown[list(dead)] = False
            live = self._live = grown
        lost = self._view.count - self._view.live_count + len(dead)
        self._view = View(rows, count, None if live is None else live[:count], count - lost)
        self.revision += 1

    def move_vectors(self, view: View, block: FileBlock) -> None:
        """The vectors of `view` are on a file: let the memory of them go, if they still have these numbers."""
        with self._write_lock:
            if self._view.rows is view.rows:
                view.rows.vectors.move_to(block)

    def compact(self, *, stop: Callable[[], bool]) -> None:
        """Leave out dead rows, however few; for one thread at a time, as `tend` is."""
        with contextlib.suppress(StoppedError):
            if self._view.live is not None:
                self._compact(stop)

    def _compact(self, stop: Callable[[], bool]) -> None:
        """Only the last step keeps writers waiting, and no step a reader."""
        compaction = Compaction.begin(self._view, stop=stop)
        while compaction.behind(view := self._view) > _FEW_ROWS:
            if stop():
                return
            compaction.catch_up(view)
        successor = self.index.successor(compaction.view(), stop=stop)
        with self._write_lock:
            if self._closed or stop():
                return
            compaction.catch_up(self._view)
            with self._publish_lock:
                old, self._rows_by_id = self._rows_by_id, compaction.rows_by_id
                self._live = compaction.live
                self._view = compaction.view()
            self.index.adopt(successor)
        drain(old)
