"""A search by vector on Weaviate, as a whole or part by part."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weaviate.classes.query import MetadataQuery

from vpa.base.arrays import FloatVector
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.kit.tasks import together
from vpa.stores.layout.driver import StoredRow
from vpa.stores.weaviate.convert import stored_of
from vpa.stores.weaviate.filters import PAYLOAD


def properties_of(info: CollectionInfo) -> Any:
    """Those that are returned; None for all."""
    return None if info.layout_version == FOREIGN else [PAYLOAD]


@dataclass(frozen=True, slots=True)
class NearestSearch:
    """`ask` sends a request about the objects of a scope, None where it has none; `vector_name`: of others' vectors."""

    ask: Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]]
    info: CollectionInfo
    vector_name: str
    query: FloatVector
    limit: int
    include_vectors: bool

    async def among(self, chosen: Any) -> list[StoredRow]:
        """Of the objects that a filter chooses, as Weaviate's index has them."""
        is_foreign = self.info.layout_version == FOREIGN
        answer = await self.ask(
            lambda objects: objects.query.near_vector(
                self.query.tolist(),
                limit=self.limit,
                filters=chosen,
                include_vector=self.include_vectors,
                target_vector=self.vector_name if is_foreign else None,
                return_metadata=MetadataQuery(distance=True),
                return_properties=properties_of(self.info),
            )
        )
        rows = stored_of(
            () if answer is None else answer.objects,
            with_vectors=self.include_vectors,
            foreign=is_foreign,
            vector_name=self.vector_name,
        )
        if is_foreign and self.info.metric is Metric.COSINE:
            # Of others: Weaviate's own cosine distance, 1 - similarity, where ours is the negative product.
            return [replace(row, raw=row.raw - 1.0) for row in rows]
        return rows

    async def in_parts(self, parts: Sequence[Any], *, at_once: int) -> list[StoredRow]:
        """The nearest of all parts, each a filter."""
        turn = asyncio.Semaphore(at_once)

        async def among(part: Any) -> list[StoredRow]:
            async with turn:
                return await self.among(part)

        rows = itertools.chain.from_iterable(await together(among(part) for part in parts))
        return heapq.nsmallest(self.limit, rows, key=lambda row: (row.raw, row.key))
