"""The adapter of Qdrant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, ClassVar, Final

from qdrant_client import AsyncQdrantClient, models

from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import ConfigurationError
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import FOREIGN, LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.qdrant import errors, filters
from vpa.stores.qdrant.connection import Connection
from vpa.stores.qdrant.convert import INFO, PAYLOAD, payload_of, stored_of
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-"
# Cosine is stored as unit vectors under Dot: Qdrant would normalise them once more, which changes their last bits.
_DISTANCES: Final = {
    Metric.COSINE: models.Distance.DOT,
    Metric.DOT: models.Distance.DOT,
    Metric.EUCLIDEAN: models.Distance.EUCLID,
}
_METRICS: Final = {
    models.Distance.COSINE: Metric.COSINE,
    models.Distance.DOT: Metric.DOT,
    models.Distance.EUCLID: Metric.EUCLIDEAN,
}
_INDEXES: Final = {
    filters.TOKENS: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    filters.SCOPE: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    f"{filters.COMPANIONS}[].h": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    **{
        f"{filters.COMPANIONS}[].{name}": models.PayloadSchemaType.FLOAT for name in ("x", "w0", "w1", "w2", "w3", "w4")
    },
}


class QdrantDriver(LayoutDriver):
    """A server, a directory (`path`), or memory: the last two are the client's own emulation, for one process."""

    provider: ClassVar[str] = "qdrant"
    client_version: ClassVar[str] = f"qdrant-client {version('qdrant-client')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"qdrant-client": ("1.16.1", "1.20.0")}
    limits: ClassVar[Limits] = Limits(batch_bytes=24 << 20, bytes_per_value=12, terms=2000)

    def __init__(self, session: Session, connection: Connection) -> None:
        super().__init__(session)
        self._connection = connection
        self._server = connection.server
        self.capabilities = Capabilities(
            durable=connection.server is not None or connection.path is not None,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=connection.server is not None,
            encrypts_in_transit=connection.server is None or connection.server.tls,
        )

    @property
    def client(self) -> AsyncQdrantClient:
        """The open client; ask again for each call."""
        return self._connection.client

    async def ping(self) -> dict[str, Any]:
        """The server's version, and how many collections there are."""

        async def facts() -> dict[str, Any]:
            names = (await self.client.get_collections()).collections
            if self._server is None:
                return {"mode": "local", "path": self._connection.path, "collections": len(names)}
            about = await self.client.info()
            return {"server_version": about.version, "collections": len(names)}

        return await self.ask("ping", facts)

    # Collections

    def _native(self, name: str) -> str:
        return native_name(name, allowed=_NAME, separator="_")

    async def make(self, info: CollectionInfo) -> None:
        """With the indexes that every filter uses, so that strict mode has nothing to refuse."""
        name = self._native(info.name)

        async def create() -> None:
            await self.client.create_collection(
                name,
                vectors_config=models.VectorParams(size=info.dimension, distance=_DISTANCES[info.metric]),
                metadata={INFO: json.dumps(info.to_json())},
            )

        await self.ask("create_collection", create, idempotent=False)
        if self._server is None:
            return
        for field, schema in _INDEXES.items():
            make = partial(self.client.create_payload_index, name, field, field_schema=schema, wait=True)
            await self.ask("create_index", make)

    async def find(self, name: str) -> CollectionInfo | None:
        """From the collection's metadata."""
        native = self._native(name)

        async def describe() -> models.CollectionInfo | None:
            return await self.client.get_collection(native) if await self.client.collection_exists(native) else None

        found = await self.ask("describe_collection", describe)
        return None if found is None else _info_of(name, found)

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""

        async def names() -> list[str]:
            found = []
            for one in (await self.client.get_collections()).collections:
                stored = ((await self.client.get_collection(one.name)).config.metadata or {}).get(INFO)
                found.append(one.name if stored is None else json.loads(stored)["name"])
            return sorted(found)

        return await self.ask("list_collections", names)

    async def remove_collection(self, name: str) -> None:
        await self.ask("drop_collection", lambda: self.client.delete_collection(self._native(name)), idempotent=False)

    async def save_info(self, info: CollectionInfo) -> None:
        """Into the collection's metadata."""
        stored = {INFO: json.dumps(info.to_json())}
        await self.ask("set_embedding", lambda: self.client.update_collection(self._native(info.name), metadata=stored))

    # Records

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Points are replaced whole."""
        batch = models.Batch.model_construct(
            ids=rows.keys,
            vectors=rows.vectors.tolist() if rows.vectors is not None else [],
            payloads=[payload_of(row, rows.scope) for row in rows.rows],
        )
        await self.ask("upsert", lambda: self.client.upsert(self._native(info.name), points=batch, wait=True))

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Payloads only; a point that is gone stays gone."""
        operations: list[Any] = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(payload=payload_of(row, rows.scope), points=[row.key])
            )
            for row in rows.rows
        ]
        await self.ask(
            "update_metadata",
            lambda: self.client.batch_update_points(self._native(info.name), update_operations=operations, wait=True),
        )

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        del scope
        foreign = info.layout_version == FOREIGN
        wanted = [int(key) if foreign and key.isdigit() else key for key in keys]
        points = await self.ask(
            "get",
            lambda: self.client.retrieve(
                self._native(info.name),
                ids=wanted,
                with_payload=_fields(foreign) if payloads else False,
                with_vectors=include_vectors,
            ),
        )
        return stored_of(points, foreign=foreign)

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        del scope
        selector = models.PointIdsList(points=list(keys))
        await self.ask("delete", lambda: self.client.delete(self._native(info.name), selector, wait=True))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        selector = models.FilterSelector(filter=self._filter(where) or models.Filter())
        await self.ask("delete", lambda: self.client.delete(self._native(info.name), selector, wait=True))

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        chosen = self._filter(where)
        found = await self.ask(
            "count", lambda: self.client.count(self._native(info.name), count_filter=chosen, exact=True)
        )
        return int(found.count)

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """The index is asked for at least 128 candidates."""
        foreign = info.layout_version == FOREIGN
        chosen = self._filter(where)
        parameters = models.SearchParams(exact=True) if exact else models.SearchParams(hnsw_ef=max(128, limit))
        chosen_parameters = None if self._server is None else parameters
        answer = await self.ask(
            "search",
            lambda: self.client.query_points(
                self._native(info.name),
                query=query.tolist(),
                query_filter=chosen,
                limit=limit,
                search_params=chosen_parameters,
                with_payload=_fields(foreign),
                with_vectors=include_vectors,
            ),
        )
        return stored_of(answer.points, foreign=foreign)

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """Points come in the order of their ids; the one to start from is included, so it is asked for and left out."""
        foreign = info.layout_version == FOREIGN
        chosen = self._filter(where)
        start: Any = (int(after) if foreign and after.isdigit() else after) if after else None
        points, _ = await self.ask(
            "scan",
            lambda: self.client.scroll(
                self._native(info.name),
                scroll_filter=chosen,
                limit=limit + 1,
                offset=start,
                with_payload=_fields(foreign),
                with_vectors=include_vectors,
            ),
        )
        return [one for one in stored_of(points, foreign=foreign) if one.key != after][:limit]

    def spell(self, where: Where) -> Any:
        return filters.spell(where)

    def _filter(self, where: Where) -> models.Filter | None:
        spelled = filters.spell(where)
        return None if spelled is None else models.Filter.model_validate(spelled)

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Qdrant's scores are ours, but for Euclid: the distance."""
        if metric is Metric.EUCLIDEAN:
            return scoring.euclidean(raw)
        return scoring.cosine(raw) if metric is Metric.COSINE else scoring.dot(raw)


def _fields(foreign: bool) -> Any:
    return True if foreign else [PAYLOAD]


def _info_of(name: str, native: models.CollectionInfo) -> CollectionInfo:
    stored = (native.config.metadata or {}).get(INFO)
    vectors = native.config.params.vectors
    if stored is not None:
        info = CollectionInfo.from_json(json.loads(stored))
        if not isinstance(vectors, models.VectorParams) or vectors.size != info.dimension:
            raise ConfigurationError(f"collection {name!r} was changed by others: it holds vectors {vectors}")
        return info
    if not isinstance(vectors, models.VectorParams) or vectors.distance not in _METRICS:
        raise ConfigurationError(
            f"collection {name!r} was made by others, with several vectors or a distance that vpa does not know"
        )
    return CollectionInfo(name=name, dimension=vectors.size, metric=_METRICS[vectors.distance], layout_version=FOREIGN)


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    check_options(config)
    connection = Connection(config, server_of(config))
    session = Session(
        connection,
        provider=QdrantDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        address=None if connection.server is None else connection.server.url,
    )
    return LayoutStore(QdrantDriver(session, connection), session)
