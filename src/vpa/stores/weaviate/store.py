"""The adapter of Weaviate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar, Final

import weaviate
from weaviate.classes.config import Configure, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, MetadataQuery, Sort
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateInsertManyAllFailedError

from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import (
    CollectionNotFoundError,
    ConfigurationError,
    PartialWriteError,
    ProviderError,
)
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.kit.tasks import together
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import FOREIGN, LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session
from vpa.stores.weaviate import errors, filters, foreign
from vpa.stores.weaviate.connection import Connection
from vpa.stores.weaviate.convert import companions_of, fixed_properties, properties_of, stored_of
from vpa.stores.weaviate.filters import KEY, PAYLOAD, Speller

_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789_"
# Unit vectors under inner product: one multiplication less, and the bits stay.
_DISTANCES: Final = {
    Metric.COSINE: VectorDistances.DOT,
    Metric.DOT: VectorDistances.DOT,
    Metric.EUCLIDEAN: VectorDistances.L2_SQUARED,
}
# A search among fewer than this is brute force, and so exact, wherever it is filtered: ours always is.
_EXACT_BELOW: Final = 40_000
_NEGATES: Final = (1, 33)
_MOST: Final = 10_000


class WeaviateDriver(LayoutDriver):
    """A server with REST and gRPC. Options: grpc_port (50051, or 443 with TLS); of others' collections, vector and
    tenant.
    """

    provider: ClassVar[str] = "weaviate"
    client_version: ClassVar[str] = f"weaviate-client {version('weaviate-client')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"weaviate-client": ("4.20.0", "4.24.1")}
    limits: ClassVar[Limits] = Limits(
        batch_bytes=24 << 20, page=1000, tokens=2000, terms=2000, text_literal_bytes=filters.TEXT_CHARACTERS - 1
    )

    def __init__(self, session: Session, connection: Connection, options: Mapping[str, str]) -> None:
        super().__init__(session)
        self._connection = connection
        self._options = options
        self._negates = True
        self._known: dict[str, set[str]] = {}
        self._foreign: dict[str, foreign.Choice] = {}
        self._schema_lock = asyncio.Lock()
        self.capabilities = Capabilities(
            durable=True,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=True,
            encrypts_in_transit=connection.server.tls,
            max_top_k=_MOST,
        )

    def forget(self) -> None:
        """The properties of classes."""
        self._known.clear()

    @property
    def client(self) -> weaviate.WeaviateAsyncClient:
        """The open client; ask again for each call, it may have been renewed."""
        return self._connection.client

    async def ping(self) -> dict[str, Any]:
        """The server's version, which says how filters are negated, and how many collections there are."""

        async def facts() -> dict[str, Any]:
            about = await self.client.get_meta()
            self._negates = _release(about["version"]) >= _NEGATES
            return {"server_version": about["version"], "collections": len(await self.client.collections.list_all())}

        return await self.ask("ping", facts)

    # Collections

    def _native(self, name: str) -> str:
        native = native_name(name, allowed=_NAME, separator="_")
        return native[0].upper() + native[1:]

    def _of(self, info: CollectionInfo) -> Any:
        collection = self.client.collections.get(self._native(info.name))
        tenant = self._choice(info).tenant
        return collection if tenant is None else collection.with_tenant(tenant)

    def _choice(self, info: CollectionInfo) -> foreign.Choice:
        return self._foreign.get(info.name, foreign.Choice()) if info.layout_version == FOREIGN else foreign.Choice()

    def _rows_of(self, info: CollectionInfo, answer: Any, *, with_vectors: bool) -> list[StoredRow]:
        name, is_foreign = self._choice(info).vector, info.layout_version == FOREIGN
        return stored_of(answer.objects, with_vectors=with_vectors, foreign=is_foreign, vector_name=name)

    async def make(self, info: CollectionInfo) -> None:
        """Every property is declared, so that auto-schema has nothing to do; the info is the description."""
        index = Configure.VectorIndex.hnsw(
            distance_metric=_DISTANCES[info.metric], ef=-1, flat_search_cutoff=_EXACT_BELOW
        )

        async def create() -> None:
            await self.client.collections.create(
                self._native(info.name),
                description=json.dumps(info.to_json()),
                properties=fixed_properties(),
                vector_config=Configure.Vectors.self_provided(
                    vector_index_config=index, quantizer=Configure.VectorIndex.Quantizer.none()
                ),
            )

        await self.ask("create_collection", create, idempotent=False)

    async def find(self, name: str) -> CollectionInfo | None:
        """From the class's description; notes its properties."""
        collection = self.client.collections.get(self._native(name))
        try:
            found = await self.ask("describe_collection", collection.config.get)
        except CollectionNotFoundError:
            self._known.pop(name, None)
            return None
        self._known[name] = {one.name for one in found.properties}
        info = _info_of(found.description)
        if info is not None:
            return info
        return await self._foreign_info(name, found, collection)

    async def _foreign_info(self, name: str, native: Any, collection: Any) -> CollectionInfo:
        theirs = self._foreign[name] = foreign.choose(name, native, self._options)
        objects = collection if theirs.tenant is None else collection.with_tenant(theirs.tenant)
        answer = await self.ask(
            "describe_collection", lambda: objects.query.fetch_objects(limit=1, include_vector=True)
        )
        rows = stored_of(answer.objects, with_vectors=True, foreign=True, vector_name=theirs.vector)
        return foreign.info_of(name, native, rows, theirs)

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others with a small first letter."""
        found = await self.ask("list_collections", lambda: self.client.collections.list_all(simple=True))
        infos = {native: _info_of(config.description) for native, config in found.items()}
        return sorted(native[0].lower() + native[1:] if info is None else info.name for native, info in infos.items())

    async def remove_collection(self, name: str) -> None:
        self._known.pop(name, None)
        await self.ask("drop_collection", lambda: self.client.collections.delete(self._native(name)), idempotent=False)

    async def save_info(self, info: CollectionInfo) -> None:
        text = json.dumps(info.to_json())
        await self.ask("set_embedding", lambda: self._of(info).config.update(description=text))

    async def _declare(self, info: CollectionInfo, rows: Rows) -> None:
        needed = companions_of(rows)
        async with self._schema_lock:
            # Each time: a write to a class that is gone would make it again, as Weaviate likes it.
            if await self.find(info.name) is None:
                raise CollectionNotFoundError(f"no collection {info.name!r}", collection=info.name)
            for name in sorted(set(needed) - self._known[info.name]):
                added = needed[name]
                await self.ask("add_property", lambda p=added: self._add(info, p))  # type: ignore[misc]
                self._known[info.name].add(name)

    async def _add(self, info: CollectionInfo, added: Any) -> None:
        try:
            await self._of(info).config.add_property(added)
        except UnexpectedStatusCodeError as error:
            # Somebody else declared it first, and declares the same.
            if "already in use" not in str(error):
                raise

    # Records

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Objects are replaced whole; Weaviate says which it refused."""
        if rows.vectors is None:
            raise ProviderError("rows to be written have vectors")
        await self._declare(info, rows)
        objects = [
            DataObject(uuid=row.key, properties=properties_of(row), vector=vector)
            for row, vector in zip(rows.rows, rows.vectors.tolist(), strict=True)
        ]

        async def insert() -> Any:
            try:
                return await self._of(info).data.insert_many(objects)
            except WeaviateInsertManyAllFailedError as error:
                raise errors.first_cause(error) from error

        answer = await self.ask("upsert", insert)
        if answer.has_errors:
            failed = {rows.rows[position].id: str(one.message) for position, one in answer.errors.items()}
            written = [row.id for row in rows.rows if row.id not in failed]
            first = next(iter(failed.values()))
            raise PartialWriteError(f"Weaviate refused {len(failed)} objects: {first}", written=written, failed=failed)

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """A merge, object by object: what is gone stays gone, a companion left over is not looked at."""
        await self._declare(info, rows)
        turn = asyncio.Semaphore(self.limits.writes_at_once * 4)

        async def change(row: Any) -> None:
            async with turn:
                changed = properties_of(row)
                try:
                    await self.ask("update_metadata", lambda: self._of(info).data.update(row.key, properties=changed))
                except CollectionNotFoundError:
                    return

        await together(change(row) for row in rows.rows)

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        del scope
        answer = await self.ask(
            "get",
            lambda: self._of(info).query.fetch_objects_by_ids(
                list(keys),
                limit=len(keys),
                include_vector=include_vectors,
                return_properties=_properties(info) if payloads else [],
            ),
        )
        return self._rows_of(info, answer, with_vectors=include_vectors)

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        del scope
        chosen = Filter.by_id().contains_any(list(keys))
        await self.ask("delete", lambda: self._of(info).data.delete_many(where=chosen))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        """Until nothing matches: one request removes ten thousand at most."""
        chosen = await self._filter(info, where)
        while (await self.ask("delete", lambda: self._of(info).data.delete_many(where=chosen))).matches:
            pass

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        chosen = None if info.layout_version == FOREIGN else await self._filter(info, where)
        answer = await self.ask("count", lambda: self._of(info).aggregate.over_all(filters=chosen, total_count=True))
        return 0 if answer.total_count is None else int(answer.total_count)

    async def must_scan(self, info: CollectionInfo, where: Where) -> bool:
        """Among few, Weaviate's own search is exact."""
        return await self.count_where(info, where) >= _EXACT_BELOW

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By the HNSW index, or brute force among few."""
        del exact
        is_foreign = info.layout_version == FOREIGN
        chosen = None if is_foreign else await self._filter(info, where)
        target = self._choice(info).vector if is_foreign else None
        answer = await self.ask(
            "search",
            lambda: self._of(info).query.near_vector(
                query.tolist(),
                limit=limit,
                filters=chosen,
                include_vector=include_vectors,
                target_vector=target,
                return_metadata=MetadataQuery(distance=True),
                return_properties=_properties(info),
            ),
        )
        found = self._rows_of(info, answer, with_vectors=include_vectors)
        if is_foreign and info.metric is Metric.COSINE:
            # Of others: Weaviate's own cosine distance, 1 - similarity, where ours is the negative product.
            return [replace(one, raw=one.raw - 1.0) for one in found]
        return found

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """Sorted by a copy of the key, from behind the last one."""
        if info.layout_version == FOREIGN:
            return await self._foreign_page(info, after=after, limit=limit, include_vectors=include_vectors)
        chosen = await self._filter(info, where) & Filter.by_property(KEY).greater_than(after or "!")
        answer = await self.ask(
            "scan",
            lambda: self._of(info).query.fetch_objects(
                limit=limit,
                filters=chosen,
                sort=Sort.by_property(KEY, ascending=True),
                include_vector=include_vectors,
                return_properties=[PAYLOAD],
            ),
        )
        return self._rows_of(info, answer, with_vectors=include_vectors)

    async def _foreign_page(
        self, info: CollectionInfo, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        answer = await self.ask(
            "scan",
            lambda: self._of(info).query.fetch_objects(
                limit=limit, after=after or None, include_vector=include_vectors, return_properties=_properties(info)
            ),
        )
        return self._rows_of(info, answer, with_vectors=include_vectors)

    async def own_pages(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[list[StoredRow]]:
        """The objects themselves, by UUID: the only way to them that no index stands in."""
        after = ""
        while page := await self._foreign_page(info, after=after, limit=1000, include_vectors=include_vectors):
            after = page[-1].key
            yield page

    async def _filter(self, info: CollectionInfo, where: Where) -> Any:
        speller = Speller(known=self._known.get(info.name, set()), negates=self._negates)
        chosen = speller.spell(where)
        if speller.unknown or info.name not in self._known:
            # Another manager may have declared them since.
            if await self.find(info.name) is None:
                raise CollectionNotFoundError(f"no collection {info.name!r}", collection=info.name)
            chosen = Speller(known=self._known[info.name], negates=self._negates).spell(where)
        return chosen

    def spell(self, where: Where) -> Any:
        """As JSON, in the words of Weaviate's filters."""
        return filters.readable(where)

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Weaviate returns the negative product, or the squared distance."""
        if metric is Metric.EUCLIDEAN:
            return scoring.euclidean(scoring.root(raw))
        return scoring.cosine(-raw) if metric is Metric.COSINE else scoring.dot(-raw)

    def raw_of(self, metric: Metric, score: float, distance: float) -> float:
        return distance * distance if metric is Metric.EUCLIDEAN else -score


def _properties(info: CollectionInfo) -> Any:
    return None if info.layout_version == FOREIGN else [PAYLOAD]


def _info_of(description: str | None) -> CollectionInfo | None:
    try:
        stored = json.loads(description or "")
    except ValueError:
        return None
    return CollectionInfo.from_json(stored) if isinstance(stored, dict) and "layout_version" in stored else None


def _release(text: str) -> tuple[int, int]:
    try:
        major, minor = text.split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        return (0, 0)


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    options = check_options(config, "grpc_port", "grpc_host", "vector", "tenant")
    server = server_of(config)
    if server is None:
        raise ConfigurationError("weaviate needs a server: weaviate://host:8080?grpc_port=50051")
    connection = Connection(config, server, options)
    session = Session(
        connection,
        provider=WeaviateDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        renewable=connection.renewable,
        address=connection.server.url,
    )
    return LayoutStore(WeaviateDriver(session, connection, options), session)
