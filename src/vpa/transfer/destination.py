"""The collection that a copy is written to."""

from __future__ import annotations

from vpa.base.index_options import IndexOptions
from vpa.base.records import CollectionInfo
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager


async def create_like(manager: VectorDatabaseManager, info: CollectionInfo, *, name: str) -> Collection:
    """Make, or open, a collection as `info` describes it; index options go along where the store takes any."""
    return await manager.create_collection(
        name,
        dimension=info.dimension,
        metric=info.metric,
        embedding=info.embedding,
        native_fields=info.native_fields,
        index=info.index if manager.capabilities.index_options and info.index != IndexOptions() else None,
        exist_ok=True,
    )
