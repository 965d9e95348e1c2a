"""The adapter of Milvus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from string import ascii_letters, digits
from typing import Any, ClassVar, Final

from pymilvus import AsyncMilvusClient

from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import CollectionNotFoundError, ConfigurationError, ProviderError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.keyspace import IntervalPages
from vpa.stores.layout.listing import names_of
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.sparse import SparseVector
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.layout.words import WordQuery
from vpa.stores.milvus import errors, filters, foreign, options
from vpa.stores.milvus.connection import Connection
from vpa.stores.milvus.convert import (
    INFO,
    MAX_PAYLOAD_BYTES,
    PAYLOAD,
    VECTOR,
    check_row,
    info_of,
    row_of,
    stored_of,
    stored_text,
)
from vpa.stores.milvus.schema import creation_of
from vpa.stores.milvus.words import ALL_WORDS, SPARSE, WORDS, as_mapping, check_field, words_query
from vpa.stores.milvus.writes import Writes
from vpa.stores.options import MilvusOptions
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

_NAME: Final = f"{ascii_letters}{digits}_"
# Of a read that a write depends on; others are asked with the collection's own level.
_NEWEST: Final = {"consistency_level": "Strong"}


class MilvusDriver(LayoutDriver):
    """A server, or Milvus Lite in a directory (`path`)."""

    provider: ClassVar[str] = "milvus"
    client_version: ClassVar[str] = f"pymilvus {version('pymilvus')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"pymilvus": ("3.0.0", "3.0.2")}
    options_type = MilvusOptions
    limits: ClassVar[Limits] = Limits(
        batch_bytes=24 << 20,
        tokens=1000,
        terms=2000,
        page=4000,
        least_page=4000,
        text_literal_bytes=filters.TEXT_BYTES - 1,
        negative_weights=False,
    )

    def __init__(self, session: Session, connection: Connection) -> None:
        super().__init__(session)
        self._connection = connection
        self._writes = Writes(self.ask, lambda: self._client, is_lite=connection.server is None)
        self._intervals = IntervalPages()
        self._foreign = foreign.ForeignFields(self._index_of)
        self._loaded: dict[str, Any] = {}
        self.capabilities = Capabilities(
            durable=True,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=False,
            keywords=True,
            sparse_vectors=True,
            encrypts_in_transit=connection.server is None or connection.server.tls,
            max_top_k=16_384,
            max_metadata_bytes=MAX_PAYLOAD_BYTES,
        )

    @property
    def _client(self) -> AsyncMilvusClient:
        return self._connection.client

    def forget(self) -> None:
        """Which collections are loaded, and what is in Lite's memory."""
        self._loaded.clear()
        self._writes.forget()

    async def ping(self) -> dict[str, Any]:
        """The server's version, and how many collections there are."""

        async def facts() -> dict[str, Any]:
            names = await self._client.list_collections()
            about = await self._client.get_server_version()
            self._writes.is_lite = str(about).startswith("milvus_lite")
            return {
                "server_version": about,
                "collections": len(names),
                "mode": "lite" if self._connection.server is None else "server",
            }

        return await self.ask("ping", facts)

    # Collections

    def _native(self, name: str) -> str:
        return native_name(name, allowed=_NAME, separator="_", letter_first=True)

    async def make(self, info: CollectionInfo) -> None:
        """With fields and indexes as `schema` says."""
        native, arguments = self._native(info.name), creation_of(info, lite=self._writes.is_lite)
        await self.ask("create_collection", lambda: self._connection.create(native, **arguments), idempotent=False)

    async def find(self, name: str) -> CollectionInfo | None:
        """From the collection's properties."""

        async def describe() -> Mapping[str, Any] | None:
            native = self._native(name)
            found: Mapping[str, Any] | None = None
            if await self._client.has_collection(native):
                found = await self._client.describe_collection(native)
                if self._loaded.get(native, ()) != found.get("collection_id"):
                    # Released after a restart, and by others, or made anew; loading what is loaded does nothing.
                    await self._client.load_collection(native, replica_number=options.replicas_of(info_of(found)))
                    self._loaded[native] = found.get("collection_id")
            return found

        try:
            found = await self.ask("describe_collection", describe)
        except CollectionNotFoundError:
            return None
        if found is None:
            return None
        return info_of(found) or await self._foreign.describe(name, found)

    async def _index_of(self, native: str, field: str) -> Any:
        return await self.ask("describe_collection", lambda: self._client.describe_index(native, field))

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""

        async def name_of(native: str) -> str:
            about = await self.ask("list_collections", lambda: self._client.describe_collection(native))
            stored = stored_text(about)
            return native if stored is None else str(json.loads(stored)["name"])

        return await names_of(await self.ask("list_collections", self._client.list_collections), name_of)

    async def remove_collection(self, name: str) -> None:
        self._loaded.pop(self._native(name), None)
        await self.ask("drop_collection", lambda: self._client.drop_collection(self._native(name)), idempotent=False)

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """The collection and its index; on a server the copies in memory too."""

        async def facts() -> dict[str, Any]:
            native, (_, field) = self._native(info.name), self._fields(info)
            described = await self._client.describe_collection(native)
            index = await self._client.describe_index(native, field)
            replicas = None if self._writes.is_lite else len((await self._client.describe_replica(native)) or ())
            return options.settings_of(described, index, replicas)

        return await self.ask("statistics", facts)

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """By the index."""
        return options.efforts(info)

    def is_approximate(self, info: CollectionInfo) -> bool:
        """Not with a FLAT index."""
        return not options.is_exact(info)

    async def must_scan(self, info: CollectionInfo, where: Where) -> bool:
        """Where no setting of the index makes it look at every vector."""
        del where
        return options.must_scan(info)

    async def save_info(self, info: CollectionInfo) -> None:
        """Into the collection's properties."""
        stored = {INFO: json.dumps(info.to_json())}
        await self.ask(
            "set_embedding",
            lambda: self._client.alter_collection_properties(self._native(info.name), properties=stored),
        )

    # Records

    def check_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """What a row, and on a server its JSON fields, hold."""
        del info
        for row in rows.rows:
            check_row(row, lite=self._writes.is_lite)

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Rows are replaced whole."""
        if rows.vectors is None:
            raise ProviderError("rows to be written have vectors")
        data = [row_of(row, rows.scope, vector) for row, vector in zip(rows.rows, rows.vectors, strict=True)]
        await self._writes.upsert(self._native(info.name), data)

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """A partial update of those that are there."""
        data = {row.key: row_of(row, rows.scope, None) for row in rows.rows}

        async def existing() -> set[str]:
            there = await self.fetch_keys(info, list(data), scope=rows.scope, payloads=False, include_vectors=False)
            return {row.key for row in there}

        await self._writes.update(self._native(info.name), data, existing)

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        del scope
        own: dict[str, Any] = {"ids": list(keys), "newest": True}
        return await self._query(info, "get", payloads=payloads, include_vectors=include_vectors, **own)

    async def _query(
        self, info: CollectionInfo, verb: str, *, payloads: bool, include_vectors: bool, newest: bool, **arguments: Any
    ) -> list[StoredRow]:
        key, vector = self._fields(info)
        arguments |= _NEWEST if newest else {}
        fields = self._output(info, payloads=payloads, vectors=include_vectors)
        rows = await self.ask(
            verb, lambda: self._client.query(self._native(info.name), output_fields=fields, **arguments)
        )
        return stored_of(rows, key, vector, foreign=info.layout_version == FOREIGN)

    def _fields(self, info: CollectionInfo) -> tuple[str, str]:
        return self._foreign.of(info) or (filters.KEY, VECTOR)

    def _output(self, info: CollectionInfo, *, payloads: bool, vectors: bool) -> list[str]:
        if info.layout_version == FOREIGN:
            return ["*"]
        return [filters.KEY, *([PAYLOAD] if payloads else []), *([VECTOR] if vectors else [])]

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        del scope
        await self._writes.delete(self._native(info.name), ids=list(keys))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        await self._writes.delete(self._native(info.name), filter=filters.spell(where))

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        return await self._count(info, where, newest=True)

    async def _count(self, info: CollectionInfo, where: Where, *, newest: bool) -> int:
        chosen, level = filters.spell(where), _NEWEST if newest else {}
        rows = await self.ask(
            "count",
            lambda: self._client.query(self._native(info.name), filter=chosen, output_fields=["count(*)"], **level),
        )
        return int(rows[0]["count(*)"])

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By the index; where that goes by codes, the candidates are scored again by their vectors."""
        again = options.is_coded(info)
        rows = await self._search(
            info,
            where,
            field=self._fields(info)[1],
            query=query,
            limit=options.candidates(info, limit),
            parameters=options.search_parameters(info, limit=limit, exact=exact, effort=where.effort(info)),
            include_vectors=include_vectors or again,
        )
        if not again:
            return rows
        return await scoring.nearest_of_candidates(
            info.metric, rows, query=query, limit=limit, raw_of=self.raw_of, keep_vectors=include_vectors
        )

    async def _search(
        self,
        info: CollectionInfo,
        where: Where,
        *,
        field: str,
        query: Any,
        limit: int,
        parameters: Mapping[str, Any],
        include_vectors: bool,
    ) -> list[StoredRow]:
        chosen, (key, vector) = filters.spell(where), self._fields(info)
        answer = await self.ask(
            "search",
            lambda: self._client.search(
                self._native(info.name),
                data=[query],
                limit=limit,
                filter=chosen,
                anns_field=field,
                search_params={"params": parameters} if parameters else None,
                output_fields=self._output(info, payloads=True, vectors=include_vectors),
            ),
        )
        return stored_of(answer[0], key, vector, foreign=info.layout_version == FOREIGN)

    def check_keywords(self, info: CollectionInfo) -> None:
        """A field of vectors cannot be added."""
        check_field(info)

    async def before_ranking(self, info: CollectionInfo) -> None:
        """Not beside another search: while Lite puts rows on its disk, it finds none of them."""
        await self._writes.settle(self._native(info.name))

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By the products of sparse vectors, of which none is left out."""
        return await self._rank(info, (WORDS, words_query(query)), where, limit=limit, include_vectors=include_vectors)

    async def rank_sparse(
        self, info: CollectionInfo, query: SparseVector, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """As words are ranked."""
        return await self._rank(info, (SPARSE, as_mapping(query)), where, limit=limit, include_vectors=include_vectors)

    async def _rank(
        self, info: CollectionInfo, asked: tuple[str, Any], where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        own: dict[str, Any] = {"field": asked[0], "query": asked[1], "limit": limit, "parameters": ALL_WORDS}
        return await self._search(info, where, **own, include_vectors=include_vectors)

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By intervals of the key's number: a query has no order."""
        if info.layout_version == FOREIGN:
            # Nothing to order by: all rows that one query may return are read and sorted.
            own: dict[str, Any] = {"filter": "", "limit": foreign.MOST, "payloads": True, "newest": False}
            rows = await self._query(info, "scan", **own, include_vectors=include_vectors)
            return foreign.page_of(info, rows, after=after, limit=limit)

        async def fetch(low: int | None, high: int | None, most: int) -> list[StoredRow]:
            chosen = filters.spell(where.in_every_scope, low=low, high=high)
            return await self._query(
                info,
                "scan",
                filter=chosen,
                limit=most,
                payloads=True,
                include_vectors=include_vectors,
                newest=where.newest,
            )

        return await self._intervals.page(
            (info.name, where, limit),
            fetch,
            scope=where.scope,
            after=after,
            limit=limit,
            total=lambda: self._count(info, Where(None), newest=where.newest),
        )

    def spell(self, where: Where) -> Any:
        return filters.spell(where)

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Milvus returns products as they are, and squared distances."""
        if metric is Metric.EUCLIDEAN:
            return scoring.euclidean(scoring.root(raw))
        return scoring.cosine(raw) if metric is Metric.COSINE else scoring.dot(raw)

    def raw_of(self, metric: Metric, score: float, distance: float) -> float:
        return distance * distance if metric is Metric.EUCLIDEAN else score


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    database = check_options(config, "database").get("database", "")
    server = server_of(config)
    if server is None and config.path is None:
        raise ConfigurationError(
            "milvus needs a server (milvus://host:19530) or a file for Milvus Lite (milvus:///path/to/file.db)"
        )
    connection = Connection(config, server, database=database)
    session = Session(
        connection,
        provider=MilvusDriver.provider,
        translate=partial(errors.translate, lite=server is None),
        secret=config.api_key,
        renewable=connection.renewable,
        address=None if connection.server is None else connection.server.url,
    )
    return LayoutStore(MilvusDriver(session, connection), session)
