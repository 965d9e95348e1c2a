"""The adapter of Chroma."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from inspect import signature
from string import ascii_letters, digits
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from chromadb.api import ServerAPI

from vpa.analysis.bm25 import WordStatistics
from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import CollectionNotFoundError, ConfigurationError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.filters.ast import ALWAYS
from vpa.stores.chroma import errors, filters, options
from vpa.stores.chroma.connection import Connection
from vpa.stores.chroma.convert import INFO, metadata_of, stored_of
from vpa.stores.chroma.words import AT_MOST, WordRank
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.natives import check_native_fields
from vpa.stores.layout.reader import first_that_exist
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.layout.words import WordQuery
from vpa.stores.options import ChromaOptions
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

T = TypeVar("T")
# Clients before 1.5.4 do not.
_LIMITS_DELETES: Final = "limit" in signature(ServerAPI._delete).parameters
_FEW: Final = 100
_NAME: Final = f"{ascii_letters}{digits}_-."
# Chroma keeps its own documents under the first, and refuses the second.
_THEIR_KEYS: Final = ("chroma:", "#")
_METRICS: Final = {"cosine": Metric.COSINE, "ip": Metric.DOT, "l2": Metric.EUCLIDEAN}


class ChromaDriver(LayoutDriver):
    """A server, a directory (`path`), or memory: the last two are Chroma's own engine in this process."""

    provider: ClassVar[str] = "chromadb"
    client_version: ClassVar[str] = f"chromadb {version('chromadb')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"chromadb": ("1.5.0", "1.5.9")}
    options_type = ChromaOptions
    limits: ClassVar[Limits] = Limits(
        batch_bytes=24 << 20,
        bytes_per_value=5.5,
        tokens=300,
        terms=400,
        text_literal_bytes=filters.TEXT_BYTES,
        searches_at_once=4,
        word_candidates=(3.0, 150),
    )
    words_by = "lists of the records with a term"
    exact_search: ClassVar[str] = "native"
    scores_all: ClassVar[bool] = True
    parses_numbers = True
    checks_scanned: ClassVar[bool] = True

    def __init__(self, session: Session, connection: Connection, *, durable: bool, place: Mapping[str, str]) -> None:
        super().__init__(session)
        self._connection = connection
        self._server = connection.server
        self._place = dict(place)
        self._ids: dict[str, UUID] = {}
        self.capabilities = Capabilities(
            durable=durable,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=True,
            keywords=True,
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
        check_native_fields(info, self.provider, prefixes=_THEIR_KEYS)

        async def create() -> None:
            await self._connection.call(
                "create_collection",
                name=self._native(info.name),
                metadata={INFO: json.dumps(info.to_json())},
                configuration=options.configuration(info),
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

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """The index's configuration."""

        async def describe() -> Any:
            return await self._connection.call("get_collection", name=self._native(info.name), **self._place)

        return options.settings_of((await self.ask("statistics", describe)).configuration_json)

    async def save_info(self, info: CollectionInfo) -> None:
        """Into the collection's metadata."""
        stored = {INFO: json.dumps(info.to_json())}
        await self._on(info, "set_embedding", lambda number: self._call("_modify", id=number, new_metadata=stored))

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """Candidates in the graph: as many as the collection's `ef_search`, or as many as are asked for."""
        return options.efforts(info)

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
        metadata = [metadata_of(row, rows.scope, info.native_fields) for row in rows.rows]
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
        metadata = [metadata_of(row, rows.scope, info.native_fields) for row in rows.rows]
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
        await self._remove(info, ids=list(keys))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        """A part at a time: a delete of very many at once is refused. Each part is by the filter, so that what is
        written anew meanwhile, and does not match any more, stays.
        """
        if not _LIMITS_DELETES:
            await self._remove_listed(info, where)
            return
        arguments = {"where": filters.spell(where), "limit": self.limits.ids}
        first = removed = await self._remove(info, **arguments)
        # What others add meanwhile need not be waited for: the end is where fewer are left than one request removes.
        while removed and removed >= first:
            removed = await self._remove(info, **arguments)

    async def _remove_listed(self, info: CollectionInfo, where: Where) -> None:
        """By keys and filter, which takes the server far longer."""
        keys, chosen = await self._keys(info, "delete", where), filters.spell(where)
        for start in range(0, len(keys), _FEW):
            await self._remove(info, ids=keys[start : start + _FEW], where=chosen)

    async def _remove(self, info: CollectionInfo, **arguments: Any) -> int:
        """How many were removed; 0 from servers that do not say, which pass over `limit` too."""
        answer = await self._on(info, "delete", lambda number: self._call("_delete", collection_id=number, **arguments))
        return int((answer or {}).get("deleted") or 0)

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        """Chroma counts everything or nothing: with a filter, ids are listed and counted."""
        if where.filter is not ALWAYS or where.scope not in (None, DEFAULT_SCOPE):
            return len(await self._keys(info, "count", where))
        if where.scope is None:
            return await self._total(info)
        # All are of the default scope if none is of another, before and after they were counted.
        if not await self._has_others(info):
            total = await self._total(info)
            if not await self._has_others(info):
                return total
        return len(await self._keys(info, "count", where))

    async def _total(self, info: CollectionInfo) -> int:
        total: int = await self._on(info, "count", lambda number: self._call("_count", collection_id=number))
        return total

    async def _has_others(self, info: CollectionInfo) -> bool:
        found = await self._get(info, "count", where={filters.NAMED: {"$ne": 0}}, include=[], limit=1)
        return bool(found["ids"])

    async def list_keys(self, info: CollectionInfo, where: Where) -> list[str]:
        """All at once, since pages by offset move when records go: 36 bytes a record."""
        return await self._keys(info, "scan", where)

    async def _keys(self, info: CollectionInfo, verb: str, where: Where) -> list[str]:
        chosen = filters.spell(where)
        found = (await self._get(info, verb, where=chosen, include=[]))["ids"]
        return [str(key) for key in found]

    async def score_all(self, info: CollectionInfo, query: FloatVector, where: Where, *, count: int) -> list[StoredRow]:
        """A search for as many as there are visits the whole graph; what it cannot reach is left out."""
        return await self._query(info, query, where, limit=count, include=["distances"])

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By the HNSW index; more candidates than it takes by itself are asked for, and the best of them fetched.

        (Chroma 1.5 takes a changed `ef_search` over when it loads the index the next time.)
        """
        del exact  # An exact search goes by `score_all`.
        foreign, effort = info.layout_version == FOREIGN, where.effort(info) or 0
        if effort <= max(limit, options.own_candidates(info)):
            include = ["distances", *_include(foreign=foreign, vectors=include_vectors)]
            return await self._query(info, query, where, limit=limit, include=include)
        candidates = await self._query(info, query, where, limit=effort, include=["distances"])
        raws = {row.key: row.raw for row in candidates}
        include, chosen = _include(foreign=foreign, vectors=include_vectors), filters.spell(where)

        async def fetch(keys: Sequence[str]) -> list[StoredRow]:
            # Not by the keys alone: a record may have been changed since, so that the filter means it no more.
            answer = await self._get(info, "search", ids=list(keys), where=chosen, include=include)
            return stored_of(answer, foreign=foreign)

        rows = await first_that_exist(raws, fetch, limit=limit, rank=lambda key: (raws[key], key))
        return [replace(row, raw=raws[row.key]) for row in rows]

    async def _query(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, include: list[str]
    ) -> list[StoredRow]:
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
                include=include,
            ),
        )
        return stored_of(answer, row=0, foreign=info.layout_version == FOREIGN and "metadatas" in include)

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """Keys are listed term by term, and the rows whose terms weigh most fetched."""
        chosen = filters.spell(where)

        async def keys(condition: dict[str, Any]) -> Sequence[str]:
            answer = await self._get(info, "search", where=condition, include=[])
            return [str(key) for key in answer["ids"]]

        async def fetch(keys: Sequence[str]) -> list[StoredRow]:
            include = _include(foreign=False, vectors=include_vectors)
            return stored_of(await self._get(info, "search", ids=list(keys), where=chosen, include=include))

        return await WordRank(keys, fetch, at_once=self.limits.searches_at_once).best(query, where, limit=limit)

    def words_at_most(self, raw: float, statistics: WordStatistics) -> float:
        """A record that holds nothing but the terms gets that."""
        del statistics
        return AT_MOST * raw

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
    chosen = check_options(config, "tenant", "database")
    connection = Connection(config, server_of(config))
    session = Session(
        connection,
        provider=ChromaDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        address=None if connection.server is None else connection.server.url,
    )
    place = {
        "tenant": chosen.get("tenant", "default_tenant"),
        "database": chosen.get("database", "default_database"),
    }
    durable = connection.server is not None or config.path is not None
    return LayoutStore(ChromaDriver(session, connection, durable=durable, place=place), session)
