"""A store of the layout in memory, and other processes that write to it at any request."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vpa.base.capabilities import Capabilities
from vpa.base.records import CollectionInfo, Metric, RecordBatch
from vpa.base.scope import Scope
from vpa.filters.ast import Comparison
from vpa.stores.layout import rows as layout
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, StoredRow, Where
from vpa.stores.layout.predicate import AllOf, AnyOf, Bound, Has, Lacks, Predicate
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.words import WordQuery
from vpa.stores.remote.session import Session


@dataclass
class Stored:
    """One row, with the scope that a filter sees."""

    row: Row
    scope: Scope
    vector: Any


@dataclass
class Server:
    """What the processes share. `meanwhile` is called at every request, before it is answered."""

    rows: dict[str, Stored] = field(default_factory=dict)
    info: CollectionInfo | None = None
    meanwhile: Callable[[], None] = lambda: None

    def put(
        self, scope: Scope, record_id: str, vector: Sequence[float], metadata: dict[str, Any] | None = None
    ) -> None:
        """As another process writes a record."""
        matrix = np.asarray([vector], dtype=np.float32)
        [row] = layout.encode(RecordBatch(ids=[record_id], vectors=matrix, metadata=[metadata or {}]), scope=scope).rows
        self.rows[row.key] = Stored(row, scope, matrix[0])


_COMPARES: Any = {
    Comparison.GT: operator.gt,
    Comparison.GTE: operator.ge,
    Comparison.LT: operator.lt,
    Comparison.LTE: operator.le,
}


class _Connection:
    is_open = True

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None


def _holds(predicate: Predicate | None, row: Row) -> bool:
    match predicate:
        case None:
            return True
        case Has(tokens):
            return any(token in row.index.tokens for token in tokens)
        case Lacks(tokens):
            return not any(token in row.index.tokens for token in tokens)
        case Bound(name, greatest, comparison, value):
            ends = row.index.strings.get(name) or row.index.numbers.get(name)
            return ends is not None and _COMPARES[comparison](ends[int(greatest)], value)
        case AllOf(parts):
            return all(_holds(part, row) for part in parts)
        case AnyOf(parts):
            return any(_holds(part, row) for part in parts)
    raise NotImplementedError(str(predicate))


class SimulatedDriver(LayoutDriver):
    """Answers at once. `asked` holds the scope of each search that was sent.

    `exact_search` "listed": keys are listed, scored and then fetched, each in a request of its own.
    """

    provider = "simulated"
    client_version = "simulated 1"

    def __init__(self, session: Session, server: Server, *, exact_search: str = "native") -> None:
        super().__init__(session)
        self._server = server
        self.asked: list[Scope | None] = []
        self.scores_all = exact_search == "listed"  # type: ignore[misc]
        self.exact_search = "native" if self.scores_all else exact_search  # type: ignore[misc]
        self.capabilities = Capabilities(
            durable=True,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=True,
            keywords=True,
        )
        # How many rows each keyword search asked for.
        self.depths: list[int] = []

    async def _answer(self, verb: str, work: Callable[[], Any]) -> Any:
        async def answer() -> Any:
            self._server.meanwhile()
            return work()

        return await self.ask(verb, answer)

    def _chosen(self, where: Where) -> list[Stored]:
        return [
            stored
            for stored in self._server.rows.values()
            if where.scope in (None, stored.scope) and _holds(where.predicate, stored.row)
        ]

    async def ping(self) -> dict[str, Any]:
        return {}

    async def list_collections(self) -> list[str]:
        return [] if self._server.info is None else [self._server.info.name]

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        return scoring.dot(raw)

    def raw_of(self, metric: Metric, score: float, distance: float) -> float:
        return score

    def spell(self, where: Where) -> Any:
        return str(where)

    async def make(self, info: CollectionInfo) -> None:
        self._server.info = info

    async def find(self, name: str) -> CollectionInfo | None:
        info = self._server.info
        return info if info is not None and info.name == name else None

    async def remove_collection(self, name: str) -> None:
        self._server.info = None

    async def save_info(self, info: CollectionInfo) -> None:
        self._server.info = info

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        def write() -> None:
            for row, vector in zip(rows.rows, rows.vectors, strict=True):  # type: ignore[arg-type]
                self._server.rows[row.key] = Stored(row, rows.scope, vector)

        await self._answer("upsert", write)

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        def rewrite() -> None:
            for row in rows.rows:
                if row.key in self._server.rows:
                    self._server.rows[row.key] = Stored(row, rows.scope, self._server.rows[row.key].vector)

        await self._answer("update_metadata", rewrite)

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        def fetch() -> list[StoredRow]:
            return [self._row(self._server.rows[key]) for key in keys if key in self._server.rows]

        found: list[StoredRow] = await self._answer("get", fetch)
        return found

    def _row(self, stored: Stored, raw: float = float("nan")) -> StoredRow:
        return StoredRow(stored.row.key, stored.row.payload, stored.vector, raw)

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        await self._answer("delete", lambda: [self._server.rows.pop(key, None) for key in keys])

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        def remove() -> None:
            for stored in self._chosen(where):
                del self._server.rows[stored.row.key]

        await self._answer("delete", remove)

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        return int(await self._answer("count", lambda: len(self._chosen(where))))

    async def nearest(
        self, info: CollectionInfo, query: Any, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        self.asked.append(where.scope)

        def best() -> list[StoredRow]:
            found = [self._row(stored, float(stored.vector @ query)) for stored in self._chosen(where)]
            return sorted(found, key=lambda row: -row.raw)[:limit]

        rows: list[StoredRow] = await self._answer("search", best)
        return rows

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        self.depths.append(limit)
        asked = dict(zip(*query.sparse, strict=True))

        def best() -> list[StoredRow]:
            rows = []
            for stored in self._chosen(where):
                if stored.row.words is not None:
                    held = zip(*stored.row.words.sparse, strict=True)
                    rows.append(self._row(stored, sum(asked.get(number, 0.0) * impact for number, impact in held)))
            return sorted((row for row in rows if row.raw > 0), key=lambda row: -row.raw)[:limit]

        ranked: list[StoredRow] = await self._answer("search_words", best)
        return ranked

    async def list_keys(self, info: CollectionInfo, where: Where) -> list[str] | None:
        if not self.scores_all:
            return None
        keys: list[str] = await self._answer("scan", lambda: [stored.row.key for stored in self._chosen(where)])
        return keys

    async def score_all(self, info: CollectionInfo, query: Any, where: Where, *, count: int) -> list[StoredRow]:
        def score() -> list[StoredRow]:
            found = [StoredRow(one.row.key, raw=float(one.vector @ query)) for one in self._chosen(where)]
            # One in seven is not reached.
            return [row for row in found if int(row.key[-2:], 16) % 7][:count]

        rows: list[StoredRow] = await self._answer("search", score)
        return rows

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        def following() -> list[StoredRow]:
            # As stores do whose order of keys is all that tells scopes apart.
            found = [self._row(stored) for stored in self._chosen(where.in_every_scope)]
            return sorted((row for row in found if row.key > after), key=lambda row: row.key)[:limit]

        rows: list[StoredRow] = await self._answer("scan", following)
        return rows


def simulated(server: Server, **options: Any) -> tuple[LayoutStore, SimulatedDriver]:
    """A process that uses the server: its store, and the driver in it."""
    session = Session(_Connection(), provider="simulated", translate=lambda error: None)
    driver = SimulatedDriver(session, server, **options)
    return LayoutStore(driver, session), driver
