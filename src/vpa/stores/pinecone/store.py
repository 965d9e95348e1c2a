"""The adapter of Pinecone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, Final

from pinecone import AsyncIndex, AsyncPinecone
from pinecone.errors import IndexInitFailedError

from vpa.base.arrays import FloatVector
from vpa.base.errors import (
    CollectionNotFoundError,
    ConfigurationError,
    PermissionDeniedError,
    ProviderError,
)
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.filters import Filter
from vpa.filters.ast import Not, Range
from vpa.kit.tasks import together
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.layout import scoring
from vpa.stores.layout.driver import LayoutDriver, Limits, StoredRow, Where
from vpa.stores.layout.keyspace import IntervalPages
from vpa.stores.layout.natives import check_native_fields
from vpa.stores.layout.reader import Reader
from vpa.stores.layout.rows import Row, Rows
from vpa.stores.layout.sparse import SparseVector
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name, scope_range
from vpa.stores.layout.words import WordQuery
from vpa.stores.options import PineconeOptions
from vpa.stores.pinecone import convert, errors, filters, options, words
from vpa.stores.pinecone.capabilities import capabilities
from vpa.stores.pinecone.connection import Connection
from vpa.stores.pinecone.convert import info_of, name_of, namespace_of, stored_of, tags_of
from vpa.stores.pinecone.freshness import Freshness
from vpa.stores.pinecone.queries import WITH_METADATA, query_index
from vpa.stores.pinecone.tables import WordTables
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"
_THEIRS: Final = {"cosine": Metric.COSINE, "dotproduct": Metric.DOT, "euclidean": Metric.EUCLIDEAN}
_FETCH: Final = 100


class PineconeDriver(LayoutDriver):
    """The service. Options: cloud and region of new indexes (aws, us-east-1). A host is for test servers."""

    provider: ClassVar[str] = "pinecone"
    client_version: ClassVar[str] = f"pinecone {version('pinecone')}"
    tested_clients: ClassVar[Mapping[str, tuple[str, str]]] = {"pinecone": ("10.0.0", "10.2.0")}
    options_type = PineconeOptions
    limits: ClassVar[Limits] = Limits(
        batch_records=500,
        batch_bytes=1_500_000,
        bytes_per_value=22,
        bytes_of_number=640,
        ids=_FETCH,
        page=WITH_METADATA,
        tokens=2000,
        terms=5000,
        terms_of_bound=241,
        searches_at_once=4,
        word_candidates=(1.5, WITH_METADATA),
        sparse_entries=words.MOST,
    )
    exact_search: ClassVar[str] = "scan"
    keeps_scopes_apart: ClassVar[bool] = True
    ranks_all_words: ClassVar[bool] = False

    def __init__(self, session: Session, connection: Connection, place: Mapping[str, str]) -> None:
        super().__init__(session)
        self._place = place
        self._connection = connection
        self._intervals = IntervalPages(number=convert.key_number, largest=16**12 - 1, scope_span=16**12)
        self._fresh = Freshness(self)
        self._tables = WordTables(self)
        self.capabilities = capabilities(tls=connection.server is None or connection.server.tls)

    def supports(self, leaf: Filter) -> bool:
        """No order of texts."""
        inner = leaf.part if isinstance(leaf, Not) else leaf
        return not (isinstance(inner, Range) and isinstance(inner.value, str)) and super().supports(leaf)

    def forget(self) -> None:
        """The tables of words that were read."""
        self._tables.forget()

    @property
    def client(self) -> AsyncPinecone:
        """The open client of the control plane."""
        return self._connection.client

    async def ping(self) -> dict[str, Any]:
        """How many indexes there are."""
        return {"collections": len(await self._models())}

    async def _models(self) -> list[Any]:
        async def names() -> list[Any]:
            return [model async for model in self.client.indexes.list()]

        return await self.ask("list_collections", names)

    # Collections

    def _native(self, name: str) -> str:
        return native_name(name, allowed=_NAME, separator="-", longest=45)

    async def make(self, info: CollectionInfo) -> None:
        """An index; waits until it is ready. The info is in its tags."""
        check_native_fields(info, self.provider)
        chosen, native = options.options_of(info), self._native(info.name)
        arguments = options.creation_arguments(chosen, place=self._place)

        async def create() -> None:
            try:
                await self.client.indexes.create(
                    name=native, schema=options.schema_of(info), tags=tags_of(info), **arguments
                )
            except IndexInitFailedError:
                await self.client.indexes.delete(native)
                raise

        try:
            await self.ask("create_collection", create)
        except (CollectionNotFoundError, PermissionDeniedError) as error:
            # A region that does not exist, or read nodes that the plan does not include.
            if not info.store_options or (isinstance(error, PermissionDeniedError) and not chosen.read_node_type):
                raise
            raise chosen.refused(error.message) from error

    async def find(self, name: str) -> CollectionInfo | None:
        try:
            model = await self.ask("describe_collection", lambda: self.client.indexes.describe(self._native(name)))
        except CollectionNotFoundError:
            await self._connection.forget(name)
            return None
        await self._connection.remember(name, model.host)
        info = info_of(model.tags)
        if info is not None:
            return await self._tables.filled(info)
        values = model.schema.fields.get(options.DENSE) if model.schema else None
        if values is None or set(model.schema.fields) - {options.DENSE, options.SPARSE}:
            raise ConfigurationError(
                f"index {name!r} was made by others for documents, not for vectors; vpa cannot read it"
            )
        return CollectionInfo(
            name=name, dimension=values.dimension, metric=_THEIRS[str(values.metric)], layout_version=FOREIGN
        )

    async def settings(self, info: CollectionInfo) -> dict[str, Any]:
        """As the control plane describes the index."""
        native = self._native(info.name)
        return options.settings_of(await self.ask("statistics", lambda: self.client.indexes.describe(native)))

    async def index(self, info: CollectionInfo) -> AsyncIndex:
        """The client of one index."""
        if info.name not in self._connection.indexes and await self.find(info.name) is None:
            raise CollectionNotFoundError(f"no collection {info.name!r}", collection=info.name)
        return self._connection.indexes[info.name]

    async def list_collections(self) -> list[str]:
        """Those of vpa under their own names, those of others under theirs."""
        return sorted(name_of(model.tags) or model.name for model in await self._models())

    async def remove_collection(self, name: str) -> None:
        await self._connection.forget(name)
        await self.ask("drop_collection", lambda: self.client.indexes.delete(self._native(name)))

    async def save_info(self, info: CollectionInfo) -> None:
        """Into the index's tags, but for the table of words."""
        before, marked = self._tables.mark_of(info.name), await self._tables.keep(info)
        tags = tags_of(marked)
        await self.ask("set_embedding", lambda: self.client.indexes.configure(self._native(info.name), tags=tags))
        if before is not None and (marked.words is None or marked.words.table != before):
            await self._tables.remove(info, before)

    def check_keywords(self, info: CollectionInfo) -> None:
        """Cosine and dot, which are both Pinecone's dotproduct, and without sparse vectors."""
        words.check_words(info)

    def check_sparse(self, info: CollectionInfo) -> None:
        """Cosine and dot."""
        words.check_metric(info, "sparse")

    async def prepare_words(self, info: CollectionInfo) -> None:
        """The index must have been made with sparse values."""
        model = await self.ask("describe_collection", lambda: self.client.indexes.describe(self._native(info.name)))
        words.check_schema(info, list(model.schema.fields) if model.schema else [], options.SPARSE)

    # Records

    def check_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """No vector of zeros; at most 40 kB of metadata, tokens included."""
        del info
        convert.check_rows(rows)

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Returns when every kind of read sees it."""
        if rows.vectors is None:
            raise ProviderError("rows to be written have vectors")
        index, namespace = await self.index(info), namespace_of(rows.scope)
        vectors = [convert.vector_of(row, vector) for row, vector in zip(rows.rows, rows.vectors.tolist(), strict=True)]
        answer = await self.ask(
            "upsert", lambda: index.upsert(vectors=vectors, namespace=namespace, show_progress=False)
        )
        await self._fresh.after_write(info, rows, answer.response_info)

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """An update of what is gone does nothing, and one of metadata leaves the words."""
        await self._update(info, rows, lambda row: {"set_metadata": convert.metadata_of(row)})

    async def write_words(self, info: CollectionInfo, rows: Rows) -> None:
        """An update of what is gone does nothing."""
        await self._update(info, rows, lambda row: {"sparse_values": words.changed_values(row.words)})

    async def _update(self, info: CollectionInfo, rows: Rows, changed: Callable[[Row], dict[str, Any]]) -> None:
        index, namespace = await self.index(info), namespace_of(rows.scope)
        turn = asyncio.Semaphore(self.limits.writes_at_once * 4)

        async def change(row: Row) -> Any:
            async with turn:
                changes = changed(row)
                answer = await self.ask(
                    "update_metadata", lambda: index.update(id=row.key, namespace=namespace, **changes)
                )
                return answer.response_info

        answers = await together(change(row) for row in rows.rows)
        await self._fresh.after_write(info, rows, *answers, may_be_gone=True)

    async def fetch_keys(
        self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope, payloads: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By id, a hundred a request: they stand in the URL."""
        index, foreign = await self.index(info), info.layout_version == FOREIGN
        namespace = "" if foreign else namespace_of(scope)
        answer = await self.ask("get", lambda: index.fetch(ids=list(keys), namespace=namespace))
        return stored_of(answer.vectors.values(), payloads=payloads, with_vectors=include_vectors, foreign=foreign)

    async def remove_keys(self, info: CollectionInfo, keys: Sequence[str], *, scope: Scope) -> None:
        """Returns when no kind of read sees them."""
        index, namespace = await self.index(info), namespace_of(scope)
        await self.ask("delete", lambda: index.delete(ids=list(keys), namespace=namespace))
        await self._fresh.after_delete(info, keys, scope=scope)

    async def remove_where(self, info: CollectionInfo, where: Where) -> None:
        """Page by page, by id: a delete by filter tells neither how far it got nor when."""
        if where.scope is None:
            raise ProviderError("a delete is within one scope")
        while page := await self.page(info, where, after="", limit=self.limits.page, include_vectors=False):
            await self.remove_keys(info, [stored.key for stored in page], scope=where.scope)

    async def count_where(self, info: CollectionInfo, where: Where) -> int:
        """By an update that only counts: statistics lag."""
        if info.layout_version == FOREIGN or where.scope is None:
            found = 0
            async for page in Reader(self).pages(info, where, include_vectors=False):
                found += len(page)
            return found
        index, namespace, chosen = await self.index(info), namespace_of(where.scope), filters.spell(where)
        answer = await self.ask(
            "count", lambda: index.update(filter=chosen, set_metadata={"_vpa_c": 0}, namespace=namespace, dry_run=True)
        )
        return 0 if answer.matched_records is None else int(answer.matched_records)

    async def nearest(
        self, info: CollectionInfo, query: FloatVector, where: Where, *, limit: int, exact: bool, include_vectors: bool
    ) -> list[StoredRow]:
        """By vector. The exact search of this store is a scan."""
        del exact
        asked = {"vector": query.tolist()}
        return await query_index(self, info, asked, where, limit=limit, include_vectors=include_vectors)

    async def rank_words(
        self, info: CollectionInfo, query: WordQuery, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """By sparse values alone: Pinecone's own weighting with alpha=0. Records without any of the terms come too."""
        asked = {"vector": [0.0] * info.dimension, "sparse_vector": words.asked_values(query)}
        return await query_index(self, info, asked, where, limit=limit, include_vectors=include_vectors, least=0.0)

    async def rank_sparse(
        self, info: CollectionInfo, query: SparseVector, where: Where, *, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """As words; a product may be below 0, so that records without a dimension of it come too."""
        asked = {"vector": [0.0] * info.dimension, "sparse_vector": words.sparse_as_it_is(query)}
        return await query_index(self, info, asked, where, limit=limit, include_vectors=include_vectors)

    async def page(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        """Namespace by namespace, each by intervals of the key's number."""
        if info.layout_version == FOREIGN:
            return await self._foreign_page(info, after=after, limit=limit, include_vectors=include_vectors)
        scopes = [where.scope] if where.scope is not None else await self._scopes(info)
        # In four billion two scopes have keys in one place; then those of both are mixed.
        for (low, high), group in itertools.groupby(sorted(scopes, key=scope_range), key=scope_range):
            if after and high < after:
                continue
            start, rows = after if after >= low else "", []
            for scope in group:
                one = Where(scope, where.filter)
                rows += await self._page_of(info, one, after=start, limit=limit, vectors=include_vectors)
            if rows:
                return sorted(rows, key=lambda row: row.key)[:limit]
        return []

    async def _page_of(
        self, info: CollectionInfo, where: Where, *, after: str, limit: int, vectors: bool
    ) -> list[StoredRow]:
        index = await self.index(info)
        namespace = namespace_of(where.scope or Scope())

        async def fetch(low: int | None, high: int | None, most: int) -> list[StoredRow]:
            chosen = filters.spell(where, low=low, high=high)
            answer = await self.ask(
                "scan", lambda: index.fetch_by_metadata(filter=chosen, namespace=namespace, limit=most)
            )
            return stored_of(answer.vectors.values(), payloads=True, with_vectors=vectors, foreign=False)

        return await self._intervals.page(
            (info.name, where, limit),
            fetch,
            scope=None,
            after=after,
            limit=limit,
            total=lambda: self.count_where(info, where),
        )

    async def _scopes(self, info: CollectionInfo) -> list[Scope]:
        index = await self.index(info)

        async def names() -> list[str]:
            return [one.name async for page in index.list_namespaces() for one in page.namespaces]

        found = (convert.scope_of(name) for name in await self.ask("scan", names))
        return [scope for scope in found if scope is not None]

    async def _foreign_page(
        self, info: CollectionInfo, *, after: str, limit: int, include_vectors: bool
    ) -> list[StoredRow]:
        # In the default namespace, ids are listed in byte order; a page starts behind `after` by walking there.
        index = await self.index(info)

        async def ids() -> list[str]:
            found: list[str] = []
            async for page in index.list():
                found += [item.id for item in page.vectors if item.id > after]
                if len(found) >= limit:
                    break
            return found[:limit]

        keys = await self.ask("scan", ids)
        if not keys:
            return []
        rows = await Reader(self).fetch(info, keys, scope=Scope(), payloads=True, include_vectors=include_vectors)
        return sorted(rows, key=lambda row: row.key)

    def spell(self, where: Where) -> Any:
        return filters.spell(where)

    def score_of(self, metric: Metric, raw: float) -> tuple[float, float]:
        """Pinecone returns products as they are, and squared distances."""
        if metric is Metric.EUCLIDEAN:
            return scoring.euclidean(scoring.root(raw))
        return scoring.cosine(raw) if metric is Metric.COSINE else scoring.dot(raw)

    def raw_of(self, metric: Metric, score: float, distance: float) -> float:
        return distance * distance if metric is Metric.EUCLIDEAN else score


def create_store(config: VectorDatabaseConfig) -> LayoutStore:
    """The factory that the registry calls."""
    chosen = check_options(config, "cloud", "region")
    if not config.api_key:
        raise ConfigurationError("pinecone needs an API key: pass api_key=… or set VPA_VECTOR_DB_API_KEY")
    connection = Connection(config, server_of(config))
    session = Session(
        connection,
        provider=PineconeDriver.provider,
        translate=errors.translate,
        secret=config.api_key,
        address=None if connection.server is None else connection.server.url,
        retries=False,  # The client tries again by itself.
    )
    place = {"cloud": chosen.get("cloud", "aws"), "region": chosen.get("region", "us-east-1")}
    return LayoutStore(PineconeDriver(session, connection, place), session)
