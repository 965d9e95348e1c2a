"""The adapter of Weaviate."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from string import ascii_letters, digits
from typing import Any, ClassVar, Final

import weaviate
from weaviate.classes.query import Filter

from vpa.analysis.bm25 import WordStatistics
from vpa.base.arrays import FloatVector
from vpa.base.capabilities import Capabilities
from vpa.base.errors import CollectionNotFoundError, ConfigurationError, PartialWriteError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.filters.ast import ALWAYS
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name
from vpa.stores.layout.words import WordQuery
from vpa.stores.options import WeaviateOptions
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session
from vpa.stores.weaviate import convert, errors, filters, foreign, options, words
from vpa.stores.weaviate.connection import Connection
from vpa.stores.weaviate.declare import Declarations
from vpa.stores.weaviate.efforts import Efforts
from vpa.stores.weaviate.filters import divided
from vpa.stores.weaviate.inserts import insert_all, merge_all
from vpa.stores.weaviate.nearest import NearestSearch, properties_of
from vpa.stores.weaviate.ordering import OrderSpeller
from vpa.stores.weaviate.ranking import WordRank
from vpa.stores.weaviate.tenants import Tenants, has_tenants

_NAME: Final = f"{ascii_letters}{digits}_"
# A search among fewer than this is brute force, and so exact, wherever it is filtered.
_EXACT_BELOW: Final = 40_000
_NEGATES: Final = (1, 33)
_MOST: Final = 10_000


class WeaviateDriver(LayoutDriver):
    """A server with REST and gRPC. Options: grpc_host, grpc_port; of others' collections, vector and tenant."""

    provider: ClassVar[str] = "weaviate"
    checks_scanned: ClassVar[bool] = True
    client_version: ClassVar[str] = f"weaviate-client {version('weaviate-client')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"weaviate-client": ("4.20.0", "4.24.1")}
    options_type = WeaviateOptions
    limits: ClassVar[Limits] = Limits(
        batch_bytes=24 << 20,
        page=1000,
        tokens=2000,
        terms=2000,
        text_literal_bytes=filters.TEXT_CHARACTERS - 1,
        word_candidates=(2.0, 100),
    )
    words_by = "the store's own BM25 over names of terms"

    def __init__(self, session: Session, connection: Connection, chosen: Mapping[str, str]) -> None:
        super().__init__(session)
        self._connection = connection
        self._options = chosen
        self._negates = True
        self._known: dict[str, set[str]] = {}
        self._foreign: dict[str, foreign.Choice] = {}
        self._declarations = Declarations(self._known, self.find, self._add_property)
        self._tenants = Tenants(self.ask, self._collection)
        self._efforts = Efforts(self.ask, self._collection)
        self.capabilities = Capabilities(
            durable=True,
            atomic_conflict=False,
            atomic_replace=False,
            atomic_update=False,
            approximate=True,
            keywords=True,
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
            self._negates = convert.release_of(about["version"]) >= _NEGATES
            return {"server_version": about["version"], "collections": len(await self.client.collections.list_all())}

        return await self.ask("ping", facts)

    # Collections

    def _native(self, name: str) -> str:
        native = native_name(name, allowed=_NAME, separator="_", letter_first=True)
        return native[0].upper() + native[1:]

    def _collection(self, info: CollectionInfo) -> Any:
        collection = self.client.collections.get(self._native(info.name))
        tenant = self._choice(info).tenant
        return collection if tenant is None else collection.with_tenant(tenant)

    def _choice(self, info: CollectionInfo) -> foreign.Choice:
        return self._foreign.get(info.name, foreign.Choice()) if info.layout_version == FOREIGN else foreign.Choice()

    def _rows_of(self, info: CollectionInfo, answer: Any, *, with_vectors: bool) -> list[StoredRow]:
        name, is_foreign = self._choice(info).vector, info.layout_version == FOREIGN
        objects = () if answer is None else answer.objects
        return convert.stored_of(objects, with_vectors=with_vectors, foreign=is_foreign, vector_name=name)

    async def make(self, info: CollectionInfo) -> None:
        """Every property is declared, so that auto-schema has nothing to do; the info is the description."""
        arguments = options.creation_arguments(info, exact_below=_EXACT_BELOW) | words.creation_arguments(info)

        async def create() -> None:
            await self.client.collections.create(
                self._native(info.name),
                description=json.dumps(info.to_json()),
                properties=convert.fixed_properties(info),
                **arguments,
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
        self._efforts.note(name, found)
        info = convert.info_of(found.description)
        if info is None:
            self._foreign[name], info = await foreign.described(
                self.ask, name, found, collection=collection, options=self._options
            )
        return info

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """The class's configuration."""
        collection = self.client.collections.get(self._native(info.name))
        return options.settings_of(await self.ask("statistics", collection.config.get), self._choice(info).vector)

    def has_scopes_apart(self, info: CollectionInfo) -> bool:
        """Where each has a tenant."""
        return has_tenants(info)

    def is_approximate(self, info: CollectionInfo) -> bool:
        """Not where every search looks at every vector."""
        return not options.is_flat(info)

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others with a small first letter."""
        found = await self.ask("list_collections", lambda: self.client.collections.list_all(simple=True))
        names = {native: convert.name_of(config.description) for native, config in found.items()}
        return sorted(native[0].lower() + native[1:] if name is None else name for native, name in names.items())

    async def remove_collection(self, name: str) -> None:
        self._known.pop(name, None)
        await self.ask("drop_collection", lambda: self.client.collections.delete(self._native(name)), idempotent=False)

    async def save_info(self, info: CollectionInfo) -> None:
        text = json.dumps(info.to_json())
        await self.ask("set_embedding", lambda: self._collection(info).config.update(description=text))

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """Least candidates in the graph (`dynamicEfMin`), which are the class's: from what it uses upward."""
        return self._efforts.upward(info)

    async def use_effort(self, info: CollectionInfo) -> None:
        """Raise the class to it."""
        await self._efforts.use(info)

    async def _add_property(self, info: CollectionInfo, added: Mapping[str, Any]) -> None:
        await self.ask("add_property", lambda: self._connection.add_property(self._native(info.name), added))

    # Records

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Objects are replaced whole; Weaviate says which it refused."""
        objects = convert.objects_of(rows, await self._declarations.declare(info, rows))
        refused = await insert_all(self.ask, self._tenants.objects(info, rows.scope), objects)
        failed = {rows.rows[place].id: why for place, why in refused.items()}
        if failed:
            written = [row.id for row in rows.rows if row.id not in failed]
            message = f"Weaviate refused {len(failed)} objects: {next(iter(failed.values()))}"
            raise PartialWriteError(message, written=written, failed=failed)

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """A merge, object by object: what is gone stays gone, a companion left over is not looked at."""
        declared = await self._declarations.declare(info, rows)
        await self._merge(info, rows, lambda row: convert.properties_of(row, rows.scope, declared))

    async def _merge(self, info: CollectionInfo, rows: Rows, change: Callable[[Row], dict[str, Any]]) -> None:
        changes, objects = {row.key: change(row) for row in rows.rows}, self._tenants.objects(info, rows.scope)
        await merge_all(self.ask, objects, changes, at_once=self.limits.writes_at_once * 4)

    async def prepare_words(self, info: CollectionInfo) -> None:
        """Declare the property, and give the class our formula."""
        await self._add_property(info, words.ADDED)
        changed, settings = words.changed_formula(), self._collection(info).config
        await self.ask("set_keywords", lambda: settings.update(inverted_index_config=changed))

    async def write_words(self, info: CollectionInfo, rows: Rows) -> None:
        """A merge of nothing else."""
        await self._merge(info, rows, lambda row: words.words_field(row.words, {words.WORDS}))

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        answer = await self._tenants.ask(
            info,
            scope,
            "get",
            lambda objects: objects.query.fetch_objects_by_ids(
                list(keys),
                limit=len(keys),
                include_vector=include_vectors,
                return_properties=properties_of(info) if payloads else [],
            ),
        )
        return self._rows_of(info, answer, with_vectors=include_vectors)

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        chosen = Filter.by_id().contains_any(list(keys))
        await self._tenants.ask(info, scope, "delete", lambda objects: objects.data.delete_many(where=chosen))

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        """Until nothing matches: one request removes ten thousand at most."""
        chosen = await self._filter(info, where) or filters.everything()

        async def remove(objects: Any) -> int:
            return int((await objects.data.delete_many(where=chosen)).matches)

        while await self._tenants.ask(info, where.scope, "delete", remove):
            continue

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        chosen = None
        if info.layout_version != FOREIGN:
            # Without a filter Weaviate returns a number that lags behind deletes.
            chosen = await self._filter(info, where) or filters.everything()

        async def total(objects: Any) -> int:
            return int((await objects.aggregate.over_all(filters=chosen, total_count=True)).total_count or 0)

        if where.scope is None and has_tenants(info):
            return sum(await self._tenants.each(info, "count", total))
        return await self._tenants.ask(info, where.scope, "count", total) or 0

    async def must_scan(self, info: CollectionInfo, where: Where) -> bool:
        """Ours are divided into parts among which its own search is exact, unless it goes by codes first."""
        return options.has_codes(info) or (
            info.layout_version == FOREIGN and await self.count_where(info, where) >= _EXACT_BELOW
        )

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By the HNSW index; exact by brute force, which Weaviate chooses among few: part by part."""
        ask = partial(self._tenants.ask, info, where.scope, "search")
        search = NearestSearch(ask, info, self._choice(info).vector, query, limit, include_vectors)
        if info.layout_version == FOREIGN:
            return await search.among(None)
        chosen = await self._filter(info, where)
        if not exact or options.is_flat(info):
            return await search.among(chosen)
        parts = divided(chosen, count=await self.count_where(info, where))
        return await search.in_parts(parts, at_once=self.limits.searches_at_once)

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By Weaviate's own BM25 over the names of terms; among tenants each counts its own words."""
        ask = partial(self._tenants.ask, info, where.scope, "search")
        rank = WordRank(ask, await self._filter(info, where))
        return await rank.best(query, limit=limit, include_vectors=include_vectors)

    def words_at_most(self, raw: float, statistics: WordStatistics) -> float:
        """Weaviate counts with what it knows at the moment: its scores tell nothing of ours."""
        del raw, statistics
        return math.inf

    async def list_keys(self, info: CollectionInfo, where: Where) -> list[str] | None:
        """Where a filter leaves few: one request returns ten thousand at most."""
        if where.filter is ALWAYS or has_tenants(info) or await self.count_where(info, where) > _MOST // 2:
            return None
        chosen = await self._filter(info, where)
        answer = await self.ask(
            "scan",
            lambda: self._collection(info).query.fetch_objects(limit=_MOST, filters=chosen, return_properties=[]),
        )
        # Others may have added to them meanwhile.
        return None if len(answer.objects) == _MOST else [str(one.uuid) for one in answer.objects]

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By Weaviate's own cursor, in the order of UUIDs, which knows no filter; tenant by tenant."""

        async def read(objects: Any, start: str) -> list[StoredRow]:
            answer = await objects.query.fetch_objects(
                limit=limit, after=start or None, include_vector=include_vectors, return_properties=properties_of(info)
            )
            return self._rows_of(info, answer, with_vectors=include_vectors)

        if where.scope is None and has_tenants(info):
            return await self._tenants.page(info, after=after, limit=limit, read=read)
        return await self._tenants.ask(info, where.scope, "scan", lambda objects: read(objects, after)) or []

    async def own_pages(self, info: CollectionInfo, *, include_vectors: bool) -> AsyncIterator[list[StoredRow]]:
        """The objects themselves, by UUID: the only way to them that no index stands in."""
        after = ""
        while page := await self.page(info, Where(None), after=after, limit=1000, include_vectors=include_vectors):
            after = page[-1].key
            yield page

    async def _filter(self, info: CollectionInfo, where: Where) -> Any:
        where = where.in_every_scope if has_tenants(info) else where
        speller = OrderSpeller(known=self._known.get(info.name, set()), negates=self._negates)
        chosen = speller.spell(where)
        if speller.unknown or info.name not in self._known:
            # Another manager may have declared them since.
            if await self.find(info.name) is None:
                raise CollectionNotFoundError(f"no collection {info.name!r}", collection=info.name)
            chosen = OrderSpeller(known=self._known[info.name], negates=self._negates).spell(where)
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


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    chosen = check_options(config, "grpc_port", "grpc_host", "vector", "tenant")
    server = server_of(config)
    if server is None:
        raise ConfigurationError("weaviate needs a server: weaviate://host:8080?grpc_port=50051")
    connection = Connection(config, server, chosen)
    session = Session(
        connection,
        provider=WeaviateDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        renewable=connection.renewable,
        address=connection.server.url,
    )
    return LayoutStore(WeaviateDriver(session, connection, chosen), session)
