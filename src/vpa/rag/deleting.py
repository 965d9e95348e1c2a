"""Removes the documents that a filter matches, each in its turn among updates of it."""

from __future__ import annotations

from typing import Final

from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.filters import NormalFilter, normal
from vpa.kit.locks import KeyedLocks
from vpa.kit.threads import Workers
from vpa.rag.chunks import first_chunks, of_documents
from vpa.rag.reading import read_summaries

_TOGETHER: Final = 100  # Documents deleted in one call: their ids stand in one filter.


async def delete_matching(
    collection: Collection, node: NormalFilter, *, scope: Scope, workers: Workers, turns: KeyedLocks
) -> int:
    """How many documents were removed. One that an update makes match no more, before its turn comes, stays."""
    matching = first_chunks() & node
    listed = await read_summaries(collection, normal(matching), limit=None, scope=scope, workers=workers)
    deleted = 0
    for start in range(0, len(listed), _TOGETHER):
        names = [summary.document_id for summary in listed[start : start + _TOGETHER]]
        async with turns.held([(scope, name) for name in names]):
            still = normal(matching & of_documents(names))
            present = await read_summaries(collection, still, limit=None, scope=scope, workers=workers)
            if present:
                chosen = of_documents([summary.document_id for summary in present])
                await collection.delete(filter=chosen, scope=scope)
                deleted += len(present)
    return deleted
