"""The adapter of Qdrant."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from string import ascii_letters, digits
from typing import Any, ClassVar, Final, TypeVar

import grpc
from qdrant_client import AsyncQdrantClient, models

from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import ProviderError, ServiceUnavailableError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.filters import NormalFilter
from vpa.kit.tasks import together
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.listing import names_of
from vpa.stores.layout.natives import check_native_fields
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.layout.words import WordQuery
from vpa.stores.options import QdrantOptions
from vpa.stores.qdrant import errors, fields, filters
from vpa.stores.qdrant import options as qdrant_options
from vpa.stores.qdrant.connection import Connection
from vpa.stores.qdrant.convert import INFO, id_of, info_of
from vpa.stores.qdrant.fields import payload_of
from vpa.stores.qdrant.indexes import PayloadIndexes
from vpa.stores.qdrant.points import RECORD_NAMES, Depth, Points, Selection, Spelled, selection_of
from vpa.stores.qdrant.schema import ALWAYS_INDEXED, PAYLOAD_SCHEMAS, creation_of
from vpa.stores.qdrant.words import SPARSE, TERMS, Sparse, declare_words, named_of_rows, sparse_of
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

T = TypeVar("T")
_NAME: Final = f"{ascii_letters}{digits}_-."
# Candidates of a search that no recall was promised for: more than Qdrant's own 100.
_EF: Final = 128
# How often words are written again without the points that went meanwhile.
_TRIES: Final = 5
# The service does not know the collection, or the method: it is not the Qdrant that answers REST.
_UNDONE: Final = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED)


class QdrantDriver(LayoutDriver):
    """A server, a directory (`path`), or memory: the last two are the client's own emulation, for one process."""

    provider: ClassVar[str] = "qdrant"
    client_version: ClassVar[str] = f"qdrant-client {version('qdrant-client')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"qdrant-client": ("1.16.1", "1.20.0")}
    options_type = QdrantOptions
    limits: ClassVar[Limits] = Limits(batch_bytes=24 << 20, bytes_per_value=12, terms=2000)
    filters_by_tokens: ClassVar[bool] = False
    parses_numbers = True

    def __init__(self, session: Session, connection: Connection) -> None:
        super().__init__(session)
        self._connection = connection
        self._server = connection.server
        self._indexes = PayloadIndexes(self._index, self._has, patience_s=connection.patience_s)
        self.capabilities = Capabilities(
            durable=connection.server is not None or connection.path is not None,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=connection.server is not None,
            keywords=True,
            sparse_vectors=True,
            encrypts_in_transit=connection.server is None or connection.server.tls,
        )

    def forget(self) -> None:
        """Which indexes there are."""
        self._indexes.forget()

    @property
    def client(self) -> AsyncQdrantClient:
        """The open client; ask again for each call."""
        return self._connection.client

    async def ping(self) -> dict[str, Any]:
        """The server's version, how many collections there are, and by which protocol records go."""

        async def facts() -> dict[str, Any]:
            names = (await self.client.get_collections()).collections
            route = self._connection.route
            if route is None:
                return {"mode": "local", "path": self._connection.path, "collections": len(names)}
            about = await self.client.info()
            protocol = "rest" if route.points is None else "grpc"
            return {
                "server_version": about.version,
                "collections": len(names),
                "protocol": protocol,
                "protocol_reason": route.reason,
            }

        return await self.ask("ping", facts)

    # Collections

    def _native(self, name: str) -> str:
        return native_name(name, allowed=_NAME, separator="_")

    async def make(self, info: CollectionInfo) -> None:
        """With the indexes that every filter may use."""
        name, options = self._native(info.name), qdrant_options.options_of(info)
        check_native_fields(info, self.provider, names=RECORD_NAMES)
        if self._server is None and info.store_options:
            raise options.refused("the client's local mode has no index to set; use a server")

        async def status() -> Any:
            return await self.ask("describe_collection", self.client.cluster_status)

        await qdrant_options.check_cluster(options, status)
        arguments = creation_of(info, options)
        await self.ask("create_collection", lambda: self.client.create_collection(name, **arguments), idempotent=False)
        self._indexes.drop(info.name)
        if self._server is not None:
            await together(self._index(info.name, key, kind) for key, kind in ALWAYS_INDEXED.items())
            self._indexes.note(info.name, ALWAYS_INDEXED)

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """Candidates in the graph (`hnsw_ef`)."""
        del info
        return () if self._server is None else (_EF, 192, 256, 384, 512, 768, 1024, 2048, 4096)

    async def _index(self, name: str, key: str, kind: str) -> None:
        schema = PAYLOAD_SCHEMAS[kind]
        await self.ask(
            "create_index",
            lambda: self.client.create_payload_index(self._native(name), key, field_schema=schema, wait=True),
        )

    async def _has(self, name: str, key: str) -> bool:
        """Whether some record has the field that a key belongs to; True for keys that several share."""
        if (field := fields.name_of_key(key)) is None:
            return True
        chosen, native = filters.having(field), self._native(name)
        rows = await self._points(
            "create_index",
            lambda points: points.scroll(native, chosen, start=None, limit=1, selection=Selection(False)),
        )
        return bool(rows)

    async def find(self, name: str) -> CollectionInfo | None:
        """From the collection's metadata."""
        native = self._native(name)

        async def describe() -> models.CollectionInfo | None:
            return await self.client.get_collection(native) if await self.client.collection_exists(native) else None

        found = await self.ask("describe_collection", describe)
        if found is None:
            self._indexes.drop(name)
            return None
        self._indexes.note(name, found.payload_schema or ())
        return info_of(name, found)

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""

        async def name_of(native: str) -> str:
            about = await self.ask("list_collections", lambda: self.client.get_collection(native))
            stored = (about.config.metadata or {}).get(INFO)
            return native if stored is None else str(json.loads(stored)["name"])

        listed = await self.ask("list_collections", lambda: self.client.get_collections())
        return await names_of([native.name for native in listed.collections], name_of)

    async def remove_collection(self, name: str) -> None:
        await self.ask("drop_collection", lambda: self.client.delete_collection(self._native(name)), idempotent=False)

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """The collection's configuration; nothing of the local mode, which has none."""
        if self._server is None:
            return {}
        native = self._native(info.name)
        found = await self.ask("statistics", lambda: self.client.get_collection(native))
        return qdrant_options.settings_of(found)

    def is_approximate(self, info: CollectionInfo) -> bool:
        """Not without a graph, unless codes are searched first."""
        options = qdrant_options.options_of(info)
        return self.capabilities.approximate and (options.m != 0 or options.quantization is not None)

    async def save_info(self, info: CollectionInfo) -> None:
        """Into the collection's metadata."""
        stored = {INFO: json.dumps(info.to_json())}
        await self.ask("set_embedding", lambda: self.client.update_collection(self._native(info.name), metadata=stored))

    # Records

    async def _points(self, verb: str, call: Callable[[Points], Awaitable[T]]) -> T:
        """Send a request by the protocol of the moment. What no gRPC service of Qdrant's did goes by REST at once."""

        async def attempt() -> T:
            points = self._connection.points
            try:
                return await call(points)
            except grpc.aio.AioRpcError as error:
                route = self._connection.route
                if error.code() not in _UNDONE or route is None or not route.may_be_left:
                    raise
                answer = await call(self._connection.rest)
                # REST knows what gRPC did not.
                route.lost(error)
                return answer

        return await self.ask(verb, attempt)

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Points are replaced whole."""
        name, vectors = self._native(info.name), rows.vectors
        if vectors is None:
            raise ProviderError(f"points of {info.name!r} are written with their vectors")
        payloads, named = [payload_of(row, rows.scope) for row in rows.rows], named_of_rows(rows.rows)
        await self._points(
            "upsert", lambda points: points.upsert(name, rows.keys, vectors=vectors, payloads=payloads, named=named)
        )

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Payloads only, which leaves vectors of every kind; a point that is gone stays gone."""
        name = self._native(info.name)
        payloads = {row.key: payload_of(row, rows.scope) for row in rows.rows}
        await self._points("update_metadata", lambda points: points.overwrite(name, payloads))

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        del scope
        name, foreign = self._native(info.name), info.layout_version == FOREIGN
        selection = selection_of(info, payloads=payloads, vectors=include_vectors)
        ids = [id_of(key, foreign=foreign) for key in keys]
        return await self._points("get", lambda points: points.retrieve(name, ids, selection))

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        del scope
        name = self._native(info.name)
        await self._points("delete", lambda points: points.delete_ids(name, keys))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        name = self._native(info.name)
        await self._filtered("delete", info, where, call=lambda points, chosen: points.delete_where(name, chosen))

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        name = self._native(info.name)
        return await self._filtered("count", info, where, call=lambda points, chosen: points.count(name, chosen))

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """The index is asked for as many candidates as were measured to keep the promised recall, or at least 128."""
        name = self._native(info.name)
        selection = selection_of(info, vectors=include_vectors)
        ef = max(where.effort(info) or _EF, limit)
        depth = Depth(exact, ef, qdrant_options.oversampling(info, limit=limit))

        async def search(points: Points, chosen: Spelled) -> list[StoredRow]:
            return await points.nearest(name, query, chosen, limit=limit, depth=depth, selection=selection)

        return await self._filtered("search", info, where, call=search)

    async def prepare_words(self, info: CollectionInfo) -> None:
        """Every collection of ours has the sparse vector; one that was made before may get it."""
        await declare_words(self.client, self._native(info.name), self.ask)

    async def write_words(self, info: CollectionInfo, rows: Rows) -> None:
        """Qdrant refuses the request for one point that is gone: then those that are there are written."""
        name = self._native(info.name)
        words = {row.key: sparse_of(row.words) for row in rows.rows}
        for _ in range(_TRIES):
            try:
                await self._write_words(name, words)
            except errors.MissingPointError:
                there = await self._points("get", lambda points: points.retrieve(name, rows.keys, Selection(False)))
                words = {row.key: words[row.key] for row in there if row.key in words}
            else:
                return
        raise ServiceUnavailableError(f"records of {info.name!r} go while their words are written; try again")

    async def _write_words(self, name: str, words: Mapping[str, Sparse]) -> None:
        if words:
            await self._points("update_metadata", lambda points: points.write_words(name, words))

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By the sparse vectors, all of them: Qdrant has no approximate index of these."""
        selection = selection_of(info, vectors=include_vectors)
        return await self._rank(info, query.sparse, where, using=TERMS, limit=limit, selection=selection)

    async def rank_sparse(
        self, info: CollectionInfo, query: Sparse, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """As words are ranked."""
        selection = selection_of(info, vectors=include_vectors)
        return await self._rank(info, query, where, using=SPARSE, limit=limit, selection=selection)

    async def _rank(
        self, info: CollectionInfo, sparse: Sparse, where: Where, *, using: str, limit: int, selection: Selection
    ) -> list[StoredRow]:
        name = self._native(info.name)

        async def search(points: Points, chosen: Spelled) -> list[StoredRow]:
            return await points.rank(name, sparse, chosen, using=using, limit=limit, selection=selection)

        return await self._filtered("search", info, where, call=search)

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """Points come in the order of their ids; the one to start from is included, so it is asked for and left out."""
        name, foreign = self._native(info.name), info.layout_version == FOREIGN
        selection = selection_of(info, vectors=include_vectors)
        start = id_of(after, foreign=foreign) if after else None

        async def scroll(points: Points, chosen: Spelled) -> list[StoredRow]:
            return await points.scroll(name, chosen, start=start, limit=limit + 1, selection=selection)

        # The order of keys is that of scopes, so the filter need not say which.
        rows = await self._filtered("scan", info, where.in_every_scope, call=scroll)
        return [row for row in rows if row.key != after][:limit]

    def order_of(self, key: str) -> tuple[bool, int, str]:
        """Numbers, which only others use as ids, stand before UUIDs."""
        number = int(key) if key.isdigit() else -1
        return (bool(key) and number < 0, number, key)

    def spell(self, where: Where) -> Any:
        return filters.spell(where)

    async def _filtered(
        self, verb: str, info: CollectionInfo, where: Where, *, call: Callable[[Points, Spelled], Awaitable[T]]
    ) -> T:
        async def send(*, required: bool = False) -> T:
            chosen = await self._filter(info, where, required=required)
            return await self._points(verb, lambda points: call(points, chosen))

        try:
            return await send()
        except errors.MissingIndexError:
            # Strict mode: the indexes take longer than a filter waits, or no record has the field; or others dropped
            # the collection and made it again, without the indexes that it had.
            self._indexes.drop(info.name)
        return await send(required=True)

    async def _filter(self, info: CollectionInfo, where: Where, *, required: bool) -> Spelled:
        """The filter, once the keys in it have their indexes, or these take too long."""
        if info.layout_version == FOREIGN:
            return None
        spelled = filters.spell(where)
        if spelled is not None and self._server is not None:
            await self._indexes.ensure(info.name, filters.keys_of(spelled), required=required)
        return spelled

    def terms(self, node: NormalFilter) -> int:
        """As many conditions as it is spelled with."""
        return filters.terms(node)

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Qdrant's scores are ours, but for Euclid: the distance."""
        if metric is Metric.EUCLIDEAN:
            return scoring.euclidean(raw)
        return scoring.cosine(raw) if metric is Metric.COSINE else scoring.dot(raw)


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    check_options(config, "grpc", "grpc_port")
    connection = Connection(config, server_of(config))
    session = Session(
        connection,
        provider=QdrantDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        renewable=connection.route,
        address=None if connection.server is None else connection.server.url,
    )
    return LayoutStore(QdrantDriver(session, connection), session)
