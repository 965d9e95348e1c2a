"""Checks of what callers give, off the event loop where there is much of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sized
from itertools import islice
from typing import Final, TypeVar

from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidRecordError
from vpa.base.records import CollectionInfo, Record, RecordBatch
from vpa.base.validation import batch_steps, check_query_vectors, id_steps
from vpa.filters import FilterLike, NormalFilter, normal
from vpa.filters.parse import is_long
from vpa.kit.steps import finish_beside

T = TypeVar("T")
# Items taken from a caller's iterator before the loop gets a turn; an iterator stays in its thread, which it may be
# bound to.
_TAKEN: Final = 256
_FEW_QUERIES: Final = 64


async def checked_batch(records: Iterable[Record] | RecordBatch, *, info: CollectionInfo) -> RecordBatch:
    """As `base.validation.check_batch`; a batch that takes more than two milliseconds is checked in a thread, in
    slices.
    """
    if not isinstance(records, Iterable):
        raise InvalidRecordError(f"upsert takes a list of records or a RecordBatch, not {type(records).__name__}")
    listed = records if isinstance(records, RecordBatch | Record | Mapping | str) else await _listed(records)
    return await finish_beside(batch_steps(listed, info=info))


async def checked_ids(ids: Iterable[str]) -> list[str]:
    """As `base.validation.check_ids`; many are checked in a thread, in slices."""
    if not isinstance(ids, Iterable):
        raise InvalidRecordError(f"ids must be a list of strings, not {type(ids).__name__}")
    return await finish_beside(id_steps(ids if isinstance(ids, str | bytes | Mapping) else await _listed(ids)))


async def checked_filter(condition: FilterLike) -> NormalFilter:
    """Parsed and normalised; one with many literals in a thread. Raises InvalidFilterError."""
    if is_long(condition):
        return await asyncio.to_thread(normal, condition)
    return normal(condition)


async def checked_queries(vectors: ArrayLike, *, info: CollectionInfo) -> FloatMatrix:
    """As `base.validation.check_query_vectors` of many; more than a few in a thread."""
    if isinstance(vectors, Sized) and len(vectors) > _FEW_QUERIES:
        return await asyncio.to_thread(check_query_vectors, vectors, info=info, dimensions=2)
    return check_query_vectors(vectors, info=info, dimensions=2)


async def _listed(values: Iterable[T]) -> list[T] | tuple[T, ...]:
    if isinstance(values, list | tuple):
        return values
    result: list[T] = []
    source = iter(values)
    while part := list(islice(source, _TAKEN)):
        result += part
        if len(part) == _TAKEN:
            await asyncio.sleep(0)
    return result
