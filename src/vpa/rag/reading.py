"""Stored documents and their vectors, read page by page; what is made of a page is made in a worker thread.

Records of one page at a time exist: many at once would trigger the cyclic garbage collector, which blocks every thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope
from vpa.client.verbs import CollectionVerbs
from vpa.filters import Filter
from vpa.kit.threads import Workers
from vpa.rag.chunks import Part, newest, to_document, to_part, to_summary
from vpa.rag.documents import Document, DocumentSummary

_PAGE: Final = 200  # Chunks of a page: with long texts still below a megabyte.


async def read_document(
    collection: CollectionVerbs, filter: Filter, *, scope: Scope, workers: Workers
) -> Document | None:
    """The one document that `filter` selects, newest version; None if there is none."""
    summaries: list[DocumentSummary] = []
    parts: list[Part] = []

    def add(page: RecordBatch) -> None:
        # The first record of each page will do for the summary of its version; a page may hold two.
        for record in page:
            if not summaries or summaries[-1].version < int(record.system["version"] or 0):
                summaries.append(to_summary(record))
            parts.append(to_part(record))

    async for page in _pages(collection, filter, scope=scope, vectors=False):
        await workers.run(add, page)
    return await workers.run(to_document, summaries[-1], parts) if summaries else None


async def read_summaries(
    collection: CollectionVerbs, filter: Filter, *, limit: int | None, scope: Scope, workers: Workers
) -> list[DocumentSummary]:
    """The documents of the chunks that `filter` selects, in id order, at most `limit`."""
    summaries: list[DocumentSummary] = []

    def add(page: RecordBatch) -> None:
        summaries.extend(to_summary(record) for record in page)

    async for page in _pages(collection, filter, scope=scope, vectors=False):
        await workers.run(add, page)
    return await workers.run(lambda: newest(summaries)[:limit])


async def read_vectors(
    collection: CollectionVerbs,
    filter: Filter,
    *,
    embedded_text: Callable[[Record], str | None],
    scope: Scope,
    workers: Workers,
) -> dict[str, FloatVector]:
    """Vectors by the text that they were embedded from; `embedded_text` says which, None for a record to leave out."""

    def add(page: RecordBatch) -> None:
        for record in page:
            text = embedded_text(record)
            if text is not None and record.vector is not None:
                found[text] = np.asarray(record.vector, dtype=np.float32)

    found: dict[str, FloatVector] = {}
    async for page in _pages(collection, filter, scope=scope, vectors=True):
        await workers.run(add, page)
    return found


async def read_pages(collection: CollectionVerbs, filter: Filter, *, scope: Scope) -> AsyncIterator[RecordBatch]:
    """The chunks that `filter` selects, without vectors, a page at a time."""
    async for page in _pages(collection, filter, scope=scope, vectors=False):
        yield page


async def _pages(
    collection: CollectionVerbs, filter: Filter, *, scope: Scope, vectors: bool
) -> AsyncIterator[RecordBatch]:
    async for page in collection.scan_batches(filter=filter, batch_size=_PAGE, include_vectors=vectors, scope=scope):
        yield page
        # A store in this process answers at once: without a pause all pages would be one step of the loop.
        await asyncio.sleep(0)
