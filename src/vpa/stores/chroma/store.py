"""The adapter of Chroma."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import CollectionNotFoundError, ConfigurationError
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.stores.chroma import errors, filters
from vpa.stores.chroma.connection import Connection
from vpa.stores.chroma.convert import INFO, metadata_of, stored_of
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import FOREIGN, LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.keyspace import IntervalPages
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

T = TypeVar("T")
_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-"
# Chroma's own cosine changes the last bits of what it stores; unit vectors under "ip" come back as they were.
_SPACES: Final = {Metric.COSINE: "ip", Metric.DOT: "ip", Metric.EUCLIDEAN: "l2"}
_METRICS: Final = {"cosine": Metric.COSINE, "ip": Metric.DOT, "l2": Metric.EUCLIDEAN}
_COUNT_PAGE: Final = 20_000
_INDEX: Final = {"ef_construction": 200, "max_neighbors": 32, "ef_search": 200}


class ChromaDriver(LayoutDriver):
    """A server, a directory (`path`), or memory: the last two are Chroma's own engine in this process."""

    provider: ClassVar[str] = "chromadb"
    client_version: ClassVar[str] = f"chromadb {version('chromadb')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"chromadb": ("1.5.0", "1.5.9")}
    limits: ClassVar[Limits] = Limits(
        batch_bytes=24 << 20, bytes_per_value=5.5, tokens=300, terms=400, page=2000, searches_at_once=4
    )
    exact_search: ClassVar[str] = "scan"

    def __init__(self, session: Session, connection: Connection, *, durable: bool, place: Mapping[str, str]) -> None:
        super().__init__(session)
        self._connection = connection
        self._server = connection.server
        self._place = dict(place)
        self._ids: dict[str, UUID] = {}
        self._intervals = IntervalPages()
        self.capabilities = Capabilities(
            durable=durable,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=True,
            encrypts_in_transit=connection.server is None or connection.server.tls,
        )

    def forget(self) -> None:
        """The numbers of collections."""
        self._ids.clear()

    async def ping(self) -> dict[str, Any]:
        """The server's version, and how many collections there are."""

        async def facts() -> dict[str, Any]:
            found = await self._connection.call("count_collections", **self._place)
            about = await self._connection.call("get_version")
            return {"server_version": about, "collections": found, "mode": "server" if self._server else "in process"}

        return await self.ask("ping", facts)

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """Chroma's server runs code of unauthenticated callers (CVE-2026-45829), so it belongs on loopback."""
        del facts
        if self._server is None or self._server.is_loopback:
            return []
        return [
            f"Chroma listens on {self._server.host}: CVE-2026-45829 lets callers run code before they are "
            "authenticated; "
            "bind it to loopback, or put a proxy that authenticates before it"
        ]

    # Collections

    def _native(self, name: str) -> str:
        return native_name(name, allowed=_NAME, separator="_", shortest=3)

    async def make(self, info: CollectionInfo) -> None:
        """With the true metric in the metadata: cosine is stored as unit vectors under inner product."""

        async def create() -> None:
            await self._connection.call(
                "create_collection",
                name=self._native(info.name),
                metadata={INFO: json.dumps(info.to_json())},
                configuration={"hnsw": {"space": _SPACES[info.metric], **_INDEX}, "embedding_function": None},
                **self._place,
            )

        await self.ask("create_collection", create, idempotent=False)

    async def find(self, name: str) -> CollectionInfo | None:
        """From the collection's metadata."""

        async def describe() -> Any:
            return await self._connection.call("get_collection", name=self._native(name), **self._place)

        try:
            found = await self.ask("describe_collection", describe)
        except CollectionNotFoundError:
            self._ids.pop(name, None)
            return None
        self._ids[name] = found.id
        return _info_of(name, found)

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""

        async def names() -> list[str]:
            found = await self._connection.call("list_collections", **self._place)
            return sorted(_name_of(one) for one in found)

        return await self.ask("list_collections", names)

    async def remove_collection(self, name: str) -> None:

        async def drop() -> None:
            await self._connection.call("delete_collection", name=self._native(name), **self._place)

        self._ids.pop(name, None)
        await self.ask("drop_collection", drop, idempotent=False)

    async def save_info(self, info: CollectionInfo) -> None:
        """Into the collection's metadata."""
        stored = {INFO: json.dumps(info.to_json())}
        await self._on(info, "set_embedding", lambda number: self._call("_modify", id=number, new_metadata=stored))

    async def _call(self, method: str, /, **arguments: Any) -> Any:
        return await self._connection.call(method, **arguments, **self._place)

    async def _on(self, info: CollectionInfo, verb: str, work: Callable[[UUID], Awaitable[T]]) -> T:
        if info.name not in self._ids and await self.find(info.name) is None:
            raise CollectionNotFoundError(f"no collection {info.name!r}", collection=info.name)
        known = self._ids[info.name]
        try:
            return await self.ask(verb, lambda: work(known))
        except CollectionNotFoundError:
            # Dropped and made again by somebody else: it has another number now.
            if await self.find(info.name) is None or self._ids[info.name] == known:
                raise
        return await self.ask(verb, lambda: work(self._ids[info.name]))

    # Records

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Chroma merges metadata; a companion that is left over is not looked at, its kind's token being gone."""
        metadata = [metadata_of(row, info.native_fields) for row in rows.rows]
        vectors = [] if rows.vectors is None else list(rows.vectors)
        await self._on(
            info,
            "upsert",
            lambda number: self._call(
                "_upsert", collection_id=number, ids=rows.keys, embeddings=vectors, metadatas=metadata
            ),
        )

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """An update of what is gone does nothing."""
        metadata = [metadata_of(row, info.native_fields) for row in rows.rows]
        await self._on(
            info,
            "update_metadata",
            lambda number: self._call("_update", collection_id=number, ids=rows.keys, metadatas=metadata),
        )

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        del scope
        foreign = info.layout_version == FOREIGN
        wanted = _include(foreign=foreign, vectors=include_vectors) if payloads else []
        answer = await self._get(info, "get", ids=list(keys), include=wanted)
        return stored_of(answer, foreign=foreign and payloads)

    async def _get(self, info: CollectionInfo, verb: str, **arguments: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._on(
            info, verb, lambda number: self._call("_get", collection_id=number, **arguments)
        )
        return found

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        del scope
        await self._on(info, "delete", lambda number: self._call("_delete", collection_id=number, ids=list(keys)))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        """A part at a time: a delete of very many at once is refused."""
        chosen = filters.spell(where)
        while ids := (await self._get(info, "delete", where=chosen, include=[], limit=self.limits.ids))["ids"]:
            await self.remove_keys(info, ids, scope=Scope())

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        """Chroma counts everything or nothing: with a filter, ids are fetched and counted."""
        chosen = filters.spell(where)
        if chosen is None:
            total: int = await self._on(info, "count", lambda number: self._call("_count", collection_id=number))
            return total
        found, offset = 0, 0
        while True:
            page = await self._get(info, "count", where=chosen, include=[], limit=_COUNT_PAGE, offset=offset)
            found, offset = found + len(page["ids"]), offset + _COUNT_PAGE
            if len(page["ids"]) < _COUNT_PAGE:
                return found

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By the HNSW index."""
        del exact  # The exact search of this store is a scan.
        foreign = info.layout_version == FOREIGN
        chosen = filters.spell(where)
        answer = await self._on(
            info,
            "search",
            lambda number: self._call(
                "_query",
                collection_id=number,
                query_embeddings=[query],
                n_results=limit,
                where=chosen,
                include=["distances", *_include(foreign=foreign, vectors=include_vectors)],
            ),
        )
        return stored_of(answer, row=0, foreign=foreign)

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By intervals of the key's number; of a collection that others wrote, by offset."""
        if info.layout_version == FOREIGN:
            return await self._foreign_page(info, after=after, limit=limit, include_vectors=include_vectors)

        async def fetch(low: int | None, high: int | None, most: int) -> list[StoredRow]:
            chosen = filters.spell(where, low=low, high=high)
            include = _include(foreign=False, vectors=include_vectors)
            return stored_of(await self._get(info, "scan", where=chosen, limit=most, include=include))

        return await self._intervals.page(
            (info.name, where, limit),
            fetch,
            scope=where.scope,
            after=after,
            limit=limit,
            total=lambda: self.count_where(info, Where(None, None)),
        )

    async def _foreign_page(
        self, info: CollectionInfo, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        # Nothing to order by: all ids are read and sorted, then one page of them.
        ids = sorted((await self._get(info, "scan", include=[]))["ids"])
        chosen = [value for value in ids if value > after][:limit]
        found = await self.fetch_keys(info, chosen, scope=Scope(), payloads=True, include_vectors=include_vectors)
        return sorted(found, key=lambda row: row.key)

    async def own_pages(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[list[StoredRow]]:
        """By offset, without a condition."""
        foreign, offset = info.layout_version == FOREIGN, 0
        include = _include(foreign=foreign, vectors=include_vectors)
        while page := stored_of(
            await self._get(info, "scan", limit=self.limits.page, offset=offset, include=include), foreign=foreign
        ):
            offset += len(page)
            yield page

    def spell(self, where: Where) -> Any:
        return filters.spell(where)

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Chroma returns 1 - product, or the squared distance."""
        if metric is Metric.EUCLIDEAN:
            return scoring.euclidean(scoring.root(raw))
        return scoring.cosine(1.0 - raw) if metric is Metric.COSINE else scoring.dot(1.0 - raw)

    def raw_of(self, metric: Metric, score: float, distance: float) -> float:
        return distance * distance if metric is Metric.EUCLIDEAN else 1.0 - score


def _include(*, foreign: bool, vectors: bool) -> list[str]:
    return ["metadatas", *(["documents"] if foreign else []), *(["embeddings"] if vectors else [])]


def _name_of(native: Any) -> str:
    stored = (native.metadata or {}).get(INFO)
    return str(native.name if stored is None else json.loads(stored)["name"])


def _info_of(name: str, native: Any) -> CollectionInfo:
    stored = (native.metadata or {}).get(INFO)
    if stored is not None:
        info = CollectionInfo.from_json(json.loads(stored))
        if native.dimension is not None and native.dimension != info.dimension:
            raise ConfigurationError(
                f"collection {name!r} was changed by others: it holds vectors of {native.dimension}"
            )
        return info
    if native.dimension is None:
        raise ConfigurationError(f"collection {name!r} was made by others and is empty: its dimension is unknown")
    space = (native.configuration_json.get("hnsw") or {}).get("space", "l2")
    return CollectionInfo(name=name, dimension=native.dimension, metric=_METRICS[space], layout_version=FOREIGN)


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    options = check_options(config, "tenant", "database")
    connection = Connection(config, server_of(config))
    session = Session(
        connection,
        provider=ChromaDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        address=None if connection.server is None else connection.server.url,
    )
    place = {
        "tenant": options.get("tenant", "default_tenant"),
        "database": options.get("database", "default_database"),
    }
    durable = connection.server is not None or config.path is not None
    return LayoutStore(ChromaDriver(session, connection, durable=durable, place=place), session)
