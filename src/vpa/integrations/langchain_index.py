"""LangChain's RecordManager in a collection: what `langchain_core.indexing.index` has written, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from langchain_core.indexing import RecordManager
from pydantic import SecretStr

from vpa.base.arguments import explains
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.integrations.keyed import DIMENSION, KEY, METRIC, TABLE, forget, keyed, keyed_record
from vpa.integrations.owned import Closing, OwnedCollection, Place

_GROUP: Final = "group_id"
_UPDATED: Final = "updated_at"


@explains
class VPARecordManager(Closing, RecordManager):
    """`VPARecordManager("docs", place="embedded://./data")`: one namespace of a collection of its own.

    Times are those of this machine: programs on several that index into one namespace need clocks that agree.
    """

    def __init__(
        self,
        namespace: str,
        *,
        place: Place = "embedded://",
        collection_name: str = "langchain-index",
        api_key: str | SecretStr | None = None,
        scope: Scope = Scope(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since the epoch."""
        super().__init__(namespace)
        self._owned = OwnedCollection(place, collection_name, api_key=api_key, metric=METRIC)
        self._scope = scope
        self._clock = clock

    def create_schema(self) -> None:
        """Make the collection."""
        self._owned.run(_is_there, dimension=DIMENSION)

    async def acreate_schema(self) -> None:
        await self._owned.arun(_is_there, dimension=DIMENSION)

    def get_time(self) -> float:
        """Seconds since the epoch."""
        return self._clock()

    async def aget_time(self) -> float:
        return self._clock()

    def update(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        """Note that these keys were written now. Raises ValueError where the clock is behind `time_at_least`."""
        self._owned.run(self._updating(keys, group_ids, time_at_least), dimension=DIMENSION)

    async def aupdate(
        self,
        keys: Sequence[str],
        *,
        group_ids: Sequence[str | None] | None = None,
        time_at_least: float | None = None,
    ) -> None:
        await self._owned.arun(self._updating(keys, group_ids, time_at_least), dimension=DIMENSION)

    def _updating(
        self, keys: Sequence[str], groups: Sequence[str | None] | None, least: float | None
    ) -> Callable[[Collection], Any]:
        if groups is not None and len(groups) != len(keys):
            raise ValueError(f"{len(keys)} keys and {len(groups)} group_ids: give one for each key")
        now = self._clock()
        if least is not None and now < least:
            raise ValueError(f"the clock says {now}, which is before time_at_least={least}")
        pairs = dict(zip(keys, groups or [None] * len(keys), strict=True))
        records = [
            keyed_record(self.namespace, key, text=None, metadata={_GROUP: group, _UPDATED: now})
            for key, group in pairs.items()
        ]
        return lambda collection: collection.upsert(records, scope=self._scope)

    def exists(self, keys: Sequence[str]) -> list[bool]:
        """Whether each key was noted."""
        known: set[str] = self._owned.run(self._knowing(keys), default=set())
        return [key in known for key in keys]

    async def aexists(self, keys: Sequence[str]) -> list[bool]:
        known: set[str] = await self._owned.arun(self._knowing(keys), default=set())
        return [key in known for key in keys]

    def _knowing(self, keys: Sequence[str]) -> Callable[[Collection], Any]:
        async def read(collection: Collection) -> set[str]:
            return set(await keyed(collection, self.namespace, list(dict.fromkeys(keys)), scope=self._scope))

        return read

    def list_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """The keys of the namespace: noted before and after these times, of these groups."""
        names: list[str] = self._owned.run(self._listing(before, after, groups=group_ids, limit=limit), default=[])
        return names

    async def alist_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        return await self._owned.arun(self._listing(before, after, groups=group_ids, limit=limit), default=[])

    def _listing(
        self, before: float | None, after: float | None, *, groups: Sequence[str] | None, limit: int | None
    ) -> Callable[[Collection], Any]:
        condition: dict[str, Any] = {TABLE: self.namespace}
        moments = {sign: moment for sign, moment in (("$lt", before), ("$gt", after)) if moment is not None}
        if moments:
            condition[_UPDATED] = moments
        if groups is not None:
            condition[_GROUP] = {"$in": list(groups)}

        async def read(collection: Collection) -> list[str]:
            if groups is not None and not groups:
                return []
            names: list[str] = []
            async for record in collection.scan(filter=condition, include_vectors=False, scope=self._scope):
                if limit is not None and len(names) >= limit:
                    break
                names.append(str(record.metadata[KEY]))
            return names

        return read

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Forget keys."""
        self._owned.run(lambda collection: forget(collection, self.namespace, keys, scope=self._scope))

    async def adelete_keys(self, keys: Sequence[str]) -> None:
        await self._owned.arun(lambda collection: forget(collection, self.namespace, keys, scope=self._scope))


async def _is_there(collection: Collection) -> bool:
    return True
