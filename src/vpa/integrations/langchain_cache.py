"""A key-value store of bytes in a collection: for CacheBackedEmbeddings, parent documents and the like."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.stores import ByteStore
from pydantic import SecretStr

from vpa.base.arguments import explains
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.integrations.keyed import DIMENSION, KEY, METRIC, TABLE, forget, keyed, keyed_record
from vpa.integrations.owned import Closing, OwnedCollection, Place


@explains
class VPAByteStore(Closing, ByteStore):
    """`VPAByteStore(place="embedded://./data", collection_name="cache")`: `BaseStore[str, bytes]` on any store.

    Values are kept as base64 text. `namespace` parts one collection into several such stores.
    """

    def __init__(
        self,
        *,
        place: Place = "embedded://",
        collection_name: str = "langchain-bytes",
        namespace: str = "",
        api_key: str | SecretStr | None = None,
        scope: Scope = Scope(),
    ) -> None:
        self._owned = OwnedCollection(place, collection_name, api_key=api_key, metric=METRIC)
        self._table = namespace
        self._scope = scope

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of these keys; None for one that is not there."""
        values: dict[str, bytes] = self._owned.run(self._getting(keys), default={})
        return [values.get(key) for key in keys]

    async def amget(self, keys: Sequence[str]) -> list[bytes | None]:
        values: dict[str, bytes] = await self._owned.arun(self._getting(keys), default={})
        return [values.get(key) for key in keys]

    def _getting(self, keys: Sequence[str]) -> Callable[[Collection], Any]:
        async def read(collection: Collection) -> dict[str, bytes]:
            records = await keyed(collection, self._table, list(dict.fromkeys(keys)), scope=self._scope)
            return {key: base64.b64decode(record.text or "") for key, record in records.items()}

        return read

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Write values; the last of several under one key wins."""
        self._owned.run(self._setting(key_value_pairs), dimension=DIMENSION)

    async def amset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        await self._owned.arun(self._setting(key_value_pairs), dimension=DIMENSION)

    def _setting(self, pairs: Sequence[tuple[str, bytes]]) -> Callable[[Collection], Any]:
        records = [
            keyed_record(self._table, key, text=base64.b64encode(value).decode(), metadata={})
            for key, value in dict(pairs).items()
        ]
        return lambda collection: collection.upsert(records, scope=self._scope)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Remove keys; unknown ones are no error."""
        self._owned.run(lambda collection: forget(collection, self._table, keys, scope=self._scope))

    async def amdelete(self, keys: Sequence[str]) -> None:
        await self._owned.arun(lambda collection: forget(collection, self._table, keys, scope=self._scope))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """The keys, sorted, all or those that begin with `prefix`."""
        names: list[str] = self._owned.run(self._listing(prefix), default=[])
        yield from names

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncIterator[str]:
        names: list[str] = await self._owned.arun(self._listing(prefix), default=[])
        for name in names:
            yield name
            await asyncio.sleep(0)

    def _listing(self, prefix: str | None) -> Callable[[Collection], Any]:
        condition: dict[str, Any] = {TABLE: self._table}
        if prefix:
            condition[KEY] = {"$starts_with": prefix}

        async def read(collection: Collection) -> list[str]:
            records = collection.scan(filter=condition, include_vectors=False, scope=self._scope)
            return sorted([str(record.metadata[KEY]) async for record in records])

        return read
