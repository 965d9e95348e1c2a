"""The adapter of Pinecone."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, Final

import numpy as np
from pinecone import AsyncIndex, AsyncPinecone
from pinecone.errors import IndexInitFailedError

from vpa.base.arrays import FloatVector
from vpa.base.errors import (
    CollectionNotFoundError,
    ConfigurationError,
    InvalidRecordError,
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
from vpa.stores.layout.rows import Rows
from vpa.stores.layout.store import LayoutStore
from vpa.stores.layout.tokens import native_name, scope_range
from vpa.stores.options import PineconeOptions
from vpa.stores.pinecone import convert, errors, filters, options
from vpa.stores.pinecone.capabilities import capabilities
from vpa.stores.pinecone.connection import Connection
from vpa.stores.pinecone.convert import MAX_METADATA_BYTES, info_of, name_of, namespace_of, stored_of, tags_of
from vpa.stores.pinecone.freshness import Freshness
from vpa.stores.remote.endpoint import check_options, server_of
from vpa.stores.remote.session import Session

_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"
# Unit vectors under inner product come back as they were; whether "cosine" keeps their bits is not documented.
_METRICS: Final = {Metric.COSINE: "dotproduct", Metric.DOT: "dotproduct", Metric.EUCLIDEAN: "euclidean"}
_THEIRS: Final = {"cosine": Metric.COSINE, "dotproduct": Metric.DOT, "euclidean": Metric.EUCLIDEAN}
_FETCH: Final = 100
_WITH_METADATA: Final = 40


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
        page=_WITH_METADATA,
        tokens=2000,
        terms=5000,
        terms_of_bound=241,
        searches_at_once=4,
    )
    exact_search: ClassVar[str] = "scan"
    keeps_scopes_apart: ClassVar[bool] = True

    def __init__(self, session: Session, connection: Connection, place: Mapping[str, str]) -> None:
        super().__init__(session)
        self._place = place
        self._connection = connection
        self._intervals = IntervalPages(number=convert.key_number, largest=16**12 - 1, scope_span=16**12)
        self._fresh = Freshness(self)
        self.capabilities = capabilities(tls=connection.server is None or connection.server.tls)

    def supports(self, leaf: Filter) -> bool:
        """No order of texts."""
        inner = leaf.part if isinstance(leaf, Not) else leaf
        return not (isinstance(inner, Range) and isinstance(inner.value, str)) and super().supports(leaf)

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
            schema = {"type": "dense_vector", "dimension": info.dimension, "metric": _METRICS[info.metric]}
            try:
                await self.client.indexes.create(
                    name=native, schema={"fields": {"_values": schema}}, tags=tags_of(info), **arguments
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
            return info
        values = model.schema.fields.get("_values") if model.schema else None
        if values is None or set(model.schema.fields) - {"_values", "_sparse_values"}:
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
        await self.ask(
            "set_embedding", lambda: self.client.indexes.configure(self._native(info.name), tags=tags_of(info))
        )

    # Records

    def check_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """No vector of zeros; at most 40 kB of metadata, tokens included."""
        if rows.vectors is not None:
            empty = np.flatnonzero(np.logical_not(rows.vectors.any(axis=1)))
            if len(empty):
                raise InvalidRecordError(
                    f"vector of record {rows.ids[int(empty[0])]!r} is all zeros; Pinecone refuses those with every "
                    "metric"
                )
        for row in rows.rows:
            if row.size_bytes > MAX_METADATA_BYTES // 4 and (size := convert.metadata_bytes(row)) > MAX_METADATA_BYTES:
                raise InvalidRecordError(
                    f"record {row.id!r} takes {size} bytes of Pinecone's metadata, text included, and at most "
                    f"{MAX_METADATA_BYTES} are "
                    "possible; use smaller chunks or fewer values"
                )

    async def write_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """Returns when every kind of read sees it."""
        if rows.vectors is None:
            raise ProviderError("rows to be written have vectors")
        index, namespace = await self.index(info), namespace_of(rows.scope)
        vectors = [
            {"id": row.key, "values": vector, "metadata": convert.metadata_of(row)}
            for row, vector in zip(rows.rows, rows.vectors.tolist(), strict=True)
        ]
        answer = await self.ask(
            "upsert", lambda: index.upsert(vectors=vectors, namespace=namespace, show_progress=False)
        )
        await self._fresh.after_write(info, rows, answer.response_info)

    async def rewrite_rows(self, info: CollectionInfo, rows: Rows) -> None:
        """An update of what is gone does nothing."""
        index, namespace = await self.index(info), namespace_of(rows.scope)
        turn = asyncio.Semaphore(self.limits.writes_at_once * 4)

        async def change(row: Any) -> Any:
            async with turn:
                changed = convert.metadata_of(row)
                answer = await self.ask(
                    "update_metadata", lambda: index.update(id=row.key, set_metadata=changed, namespace=namespace)
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
        """Many matches come without their metadata, which is fetched after: an answer holds 4 MB."""
        del exact  # The exact search of this store is a scan.
        index, foreign = await self.index(info), info.layout_version == FOREIGN
        namespace = "" if foreign or where.scope is None else namespace_of(where.scope)
        few, chosen = limit <= _WITH_METADATA, None if foreign else filters.spell(where)
        answer = await self.ask(
            "search",
            lambda: index.query(
                vector=query.tolist(),
                top_k=limit,
                namespace=namespace,
                filter=chosen,
                include_metadata=few,
                include_values=few and include_vectors,
            ),
        )
        if few:
            return stored_of(answer.matches, payloads=True, with_vectors=include_vectors, foreign=foreign)
        scores = {match.id: float(match.score) for match in answer.matches}
        scope = where.scope or Scope()
        rows = await Reader(self).fetch(info, list(scores), scope=scope, payloads=True, include_vectors=include_vectors)
        return [StoredRow(row.key, row.payload, row.vector, scores[row.key], row.record) for row in rows]

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
