"""Whether every way to a collection's records sees the same records, and how to mend what one of them lacks.

A store keeps a record in several places: the record itself, an index for filters, an index for searches. After an
unclean stop these may disagree for good, without an error. Here each record is looked for in each of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from vpa.base.arguments import explained
from vpa.base.distances import scores
from vpa.base.errors import StorageCorruptedError
from vpa.base.query import MAX_TOP_K
from vpa.base.records import Metric, Record, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.arguments import check_collection, check_sample
from vpa.client.collection import Collection
from vpa.transfer.digest import ScopeDigest, digest_of

ITERATION: Final = "iteration"
SCAN: Final = "scan"
GET: Final = "get"
SEARCH: Final = "search"
EXACT: Final = "exact search"
VIEWS: Final = (ITERATION, SCAN, GET, SEARCH, EXACT)
_PAGE: Final = 100  # Ids fetched in one request, below every store's limit.
# A record that is not among the ten nearest to its own vector may have many neighbours as near: then more are asked
# for.
_DEPTHS: Final = (10, 500)
_EXACT_QUERIES: Final = 20
# Records that are looked at once more, to see whether others replace them: so often, with so long between.
_ASKED_AGAIN: Final = 1_000
_TRIES, _PAUSE_S = 3, 0.005
_PRECISION: Final = 2e-5

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, order=True)
class Apart:
    """One record, and the views that lack it: "iteration" (the store's own), "scan", "get", "search", "exact
    search".
    """

    scope: Scope
    id: str
    lacking: tuple[str, ...]

    def __str__(self) -> str:
        place = f" in scope {self.scope.tenant or '-'}/{self.scope.namespace or '-'}" if self.scope != Scope() else ""
        return f"{self.id!r}{place} is lacking in: {', '.join(self.lacking)}"


@dataclass(frozen=True, slots=True)
class Count:
    """A scope whose `count` is not the number of its records."""

    scope: Scope
    counted: int
    records: int


@dataclass(slots=True)
class CheckReport:
    """What `check` found.

    `searched` of `records` were looked for by their own vectors; for `undecided` of these, other records are as near
    as the record itself. `repaired` were written again. `apart` and `counts` are what disagrees, after a repair what
    still does. `written_to`: others wrote meanwhile, so that some scopes could not be counted.
    """

    records: int = 0
    scopes: int = 0
    views: tuple[str, ...] = VIEWS
    searched: int = 0
    undecided: int = 0
    apart: list[Apart] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    repaired: list[Apart] = field(default_factory=list)
    written_to: bool = False
    listed: int = field(default=0, repr=False)  # A sum over what was listed, to see whether that changes.

    @property
    def ok(self) -> bool:
        """Whether every view shows the same records."""
        return not (self.apart or self.counts)

    def to_json(self) -> dict[str, Any]:
        """For reports: counts by each way, and the ids that are apart."""
        return {
            "ok": self.ok,
            **{name: getattr(self, name) for name in ("records", "scopes", "views", "searched", "undecided")},
            "apart": [_json(one) for one in self.apart],
            "counts": [_json(one) for one in self.counts],
            "repaired": [_json(one) for one in self.repaired],
            "written_to": self.written_to,
        }


def _json(fact: Apart | Count) -> dict[str, Any]:
    plain = {name: getattr(fact, name) for name in fact.__slots__ if name != "scope"}
    return {"tenant": fact.scope.tenant, "namespace": fact.scope.namespace, **plain}


@explained
async def check(
    collection: Collection,
    *,
    repair: bool = False,
    sample: int | None = 10_000,
    seed: int = 0,
    progress: Progress = lambda view, count: None,
) -> CheckReport:
    """Look for every record by the store's own iteration, by `scan`, `get`, `count`, and by searches.

    At most `sample` records, drawn with `seed`, are searched for by their own vectors (None: every one). `repair`
    writes the records again that a view lacks, proves that their content stayed, and checks once more. Memory holds
    the ids. What is apart is looked for twice, so that records which come and go while others write are none of it;
    `repair` is for a collection that nothing else writes to.
    Raises InvalidQueryError for a sample below 1, ConfigurationError for a manager, StorageCorruptedError where a
    repair changed a record.
    """
    check_collection(collection, function="check")
    sample = None if sample is None else check_sample(sample, needed="at least 1, or None for all records")
    looking = _Looking(collection, sample, seed, progress)
    found = await looking.twice(frozenset())
    mendable = [one for one in found.apart if not {GET, found.views[0]} <= {*one.lacking}]
    if not repair or not mendable:
        return found
    await _write_again(collection, mendable)
    always = frozenset((one.scope, one.id) for one in mendable)
    after = await looking.twice(always)
    after.repaired = mendable
    return after


Places = dict[Scope, dict[str, set[str]]]


Chosen = frozenset[tuple[Scope, str]]


@dataclass(frozen=True, slots=True)
class _Looking:
    """What is looked at, and how closely. `always`: records that are searched for whether or not they are drawn."""

    collection: Collection
    sample: int | None
    seed: int
    progress: Progress

    async def twice(self, always: Chosen) -> CheckReport:
        """What is apart in both of two looks; one is enough where nothing is."""
        first = await self.once(always)
        if first.ok:
            return first
        second = await self.once(always.union((one.scope, one.id) for one in first.apart))
        before = {(one.scope, one.id): one.lacking for one in first.apart}
        second.apart = [
            replace(one, lacking=lacking)
            for one in second.apart
            if (lacking := tuple(view for view in one.lacking if view in before.get((one.scope, one.id), ())))
        ]
        replaced = [one for one in second.apart[:_ASKED_AGAIN] if await _is_replaced(self.collection, one)]
        second.apart = [one for one in second.apart if one not in replaced]
        second.written_to |= first.written_to or bool(replaced) or first.listed != second.listed
        second.counts = [] if second.written_to else [one for one in second.counts if one in first.counts]
        return second

    async def once(self, always: Chosen) -> CheckReport:
        """Every record by every view."""
        seen: Places = {}
        listings = await _list(self.collection, seen, self.progress)
        names = [(scope, name) for scope in sorted(seen) for name in sorted(seen[scope])]
        few = self.sample is None or len(names) <= self.sample
        drawn = names if few else random.Random(self.seed).sample(names, self.sample or 0)
        chosen = always.union(drawn)
        report = CheckReport(scopes=len(seen), views=(*listings, GET, SEARCH, EXACT), listed=sum(map(hash, names)))
        for scope in sorted(seen):
            look = _ScopeLook(self.collection, scope, seen[scope])
            await look.run({name for place, name in chosen if place == scope}, self.progress)
            look.report_to(report)
        return report


async def _is_replaced(collection: Collection, apart: Apart) -> bool:
    """Whether only searches lack it, and others keep giving it another vector: then none can tell."""
    if not {*apart.lacking} <= {SEARCH, EXACT}:
        return False
    for _ in range(_TRIES):
        before = await collection.get([apart.id], scope=apart.scope)
        await asyncio.sleep(_PAUSE_S)
        after = await collection.get([apart.id], scope=apart.scope)
        if len(before) != len(after) or not before or not np.array_equal(before[0].vector, after[0].vector):  # type: ignore[arg-type]
            return True
    return False


async def _list(collection: Collection, seen: Places, progress: Progress) -> tuple[str, ...]:
    own = _own_iteration(collection, include_vectors=False)
    listings: dict[str, AsyncIterator[RecordBatch]] = {
        SCAN: collection.scan_batches(scope=ALL_SCOPES, include_vectors=False)
    }
    if own is not None:
        listings = {ITERATION: own, **listings}
    for view, batches in listings.items():
        async for batch in batches:
            for name in batch.ids:
                seen.setdefault(batch.scope or Scope(), {}).setdefault(name, set()).add(view)
            progress(view, len(batch))
    return tuple(listings)


def _own_iteration(collection: Collection, *, include_vectors: bool) -> AsyncIterator[RecordBatch] | None:
    """The records as the store itself lists them, in no promised order; None where it lists them as `scan` does."""
    bound = collection._bound()
    return bound.store.native_batches(bound.info, include_vectors=include_vectors)


class _ScopeLook:
    """One scope: each record is fetched, and those chosen are searched for."""

    def __init__(self, collection: Collection, scope: Scope, seen: dict[str, set[str]]) -> None:
        self._collection, self._scope, self._seen = collection, scope, seen
        self._searched: set[str] = set()
        self._exactly: set[str] = set()
        self._existing = self._counted = self._undecided = 0
        self._is_steady = True

    async def run(self, chosen: set[str], progress: Progress) -> None:
        """Count, fetch, search, and count again; names every record that a way misses."""
        counted = await self._collection.count(scope=self._scope)
        names = sorted(self._seen)
        samples: list[Record] = []
        for start in range(0, len(names), _PAGE):
            records = await self._collection.get(names[start : start + _PAGE], scope=self._scope)
            for record in records:
                self._seen[record.id].add(GET)
            wanted = [record for record in records if record.id in chosen and self._can_be_asked(record)]
            self._searched |= await self._search_each(wanted, exact=False)
            samples += wanted[: max(0, _EXACT_QUERIES - len(samples))]
            progress(SEARCH, len(records))
        # An iteration of the store's own shows what there is, also where `get` goes by an index.
        self._existing = sum(GET in views or ITERATION in views for views in self._seen.values())
        if samples and self._existing < MAX_TOP_K:
            await self._search_all(samples[0])
        else:
            self._exactly = await self._search_each(samples, exact=True)
        self._counted = await self._collection.count(scope=self._scope)
        self._is_steady = counted == self._counted

    def _can_be_asked(self, record: Record) -> bool:
        # No vector is near to a zero vector by angle.
        return self._collection.info.metric is not Metric.COSINE or bool(np.asarray(record.vector).any())

    async def _search_all(self, record: Record) -> None:
        """One exact answer that holds the whole scope; one that holds more, as others write, says nothing."""
        found = await self._collection.search(
            vector=np.asarray(record.vector), top_k=self._existing + 1, exact=True, scope=self._scope
        )
        if len(found) > self._existing:
            return
        for name in found.ids:
            self._seen.setdefault(name, set()).add(EXACT)
        self._exactly = {name for name, views in self._seen.items() if GET in views}

    async def _search_each(self, records: Sequence[Record], *, exact: bool) -> set[str]:
        """Search for each record by its own vector; returns the ids for which the answers say whether it is found."""
        left, decided = list(records), set()
        for depth in _DEPTHS:
            unclear: list[Record] = []
            for start in range(0, len(left), _PAGE):
                page = left[start : start + _PAGE]
                vectors = np.asarray([record.vector for record in page], dtype=np.float32)
                answers = await self._collection.search_batch(
                    vectors=vectors, top_k=depth, exact=exact, scope=self._scope
                )
                for record, found in zip(page, answers, strict=True):
                    if record.id in found.ids:
                        self._seen[record.id].add(EXACT if exact else SEARCH)
                    elif len(found) == depth and (depth < _DEPTHS[-1] or self._as_near(record, found[-1].score)):
                        unclear.append(record)
                        continue
                    decided.add(record.id)
            left = unclear
        self._undecided += len(left)
        return decided

    def _as_near(self, record: Record, score: float) -> bool:
        vector = np.asarray(record.vector, dtype=np.float32)
        own = float(scores(self._collection.info.metric, vector.reshape(1, -1), vector)[0])
        return score >= own - _PRECISION * max(1.0, abs(own))

    def report_to(self, report: CheckReport) -> None:
        """Add what was found."""
        report.records += self._existing
        report.searched += len(self._searched)
        report.undecided += self._undecided
        for name in sorted(self._seen):
            lacking = tuple(view for view in report.views if self._lacks(name, view))
            if lacking:
                report.apart.append(Apart(self._scope, name, lacking))
        report.written_to |= not self._is_steady
        if self._is_steady and self._counted != self._existing:
            report.counts.append(Count(self._scope, self._counted, self._existing))

    def _lacks(self, name: str, view: str) -> bool:
        if (view == SEARCH and name not in self._searched) or (view == EXACT and name not in self._exactly):
            return False
        return view not in self._seen[name]


async def _write_again(collection: Collection, apart: Sequence[Apart]) -> None:
    """Write the records as they are, through a vector that differs in its last bit; proves that they stayed.

    A store may skip a write that changes nothing (Weaviate does), and its indexes then stay as they are.
    """
    before = await _read(collection, apart)
    for scope, records in before.items():
        for start in range(0, len(records), _PAGE):
            page = records[start : start + _PAGE]
            await collection.upsert([_nudged(record) for record in page], scope=scope)
            await collection.upsert(page, scope=scope)
    after = await _read(collection, apart)
    for scope, records in before.items():
        changed = _digest(records, collection).differences(_digest(after.get(scope, []), collection))
        if changed:
            raise StorageCorruptedError(
                f"after {len(records)} records were written again, they differ in {', '.join(changed)} from what they "
                "were; "
                "does something else write to this collection? Compare it with its source by vpa.audit"
            )


async def _read(collection: Collection, apart: Sequence[Apart]) -> dict[Scope, list[Record]]:
    wanted: dict[Scope, set[str]] = {}
    for one in apart:
        wanted.setdefault(one.scope, set()).add(one.id)
    own = _own_iteration(collection, include_vectors=True)
    if own is None:
        return {scope: await collection.get(sorted(names), scope=scope) for scope, names in wanted.items()}
    found: dict[Scope, list[Record]] = {}
    async for batch in own:
        scope = batch.scope or Scope()
        names = wanted.get(scope, set())
        found.setdefault(scope, []).extend(record for record in batch if record.id in names)
    return {scope: records for scope, records in found.items() if records}


def _nudged(record: Record) -> Record:
    vector = np.array(record.vector, dtype=np.float32)
    largest = int(np.abs(vector).argmax())
    vector[largest] = np.nextafter(vector[largest], np.float32(0))
    return replace(record, vector=vector)


def _digest(records: Sequence[Record], collection: Collection) -> ScopeDigest:
    if not records:
        return ScopeDigest()
    batch = RecordBatch(
        ids=[record.id for record in records],
        vectors=np.asarray([record.vector for record in records], dtype=np.float32),
        texts=[record.text for record in records],
        metadata=[record.metadata for record in records],
        system=[record.system for record in records],
        sparse=[record.sparse for record in records],
    )
    return digest_of(batch, collection.info)
