"""Checks of what callers give, off the event loop where there is much of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import InvalidRecordError
from vpa.base.ids import new_id
from vpa.base.mappings import RecordLike
from vpa.base.records import CollectionInfo, Record, RecordBatch
from vpa.base.showing import shown
from vpa.base.validation import batch_steps, check_query_vectors, id_steps
from vpa.filters import FilterLike, NormalFilter, normal
from vpa.filters.parse import is_long
from vpa.kit.steps import finish_beside

T = TypeVar("T")


class ArrowTable(Protocol):
    """A table of Arrow, pandas (2.2 or later), polars, DuckDB, …"""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Its columns as a stream of Arrow's C interface."""
        ...


# The last is a table: anything with Arrow's stream interface.
Records: TypeAlias = RecordBatch | RecordLike | Iterable[RecordLike] | AsyncIterable[RecordLike] | ArrowTable
# Items taken from a caller's iterator before the loop gets a turn; an iterator stays in its thread, which it may be
# bound to.
_TAKEN: Final = 256
_FEW_QUERIES: Final = 64


async def checked_batch(records: Records, *, info: CollectionInfo) -> RecordBatch:
    """As `base.validation.check_batch`; a batch that takes more than two milliseconds is checked in a thread, in
    slices. Async iterables are read to their end, tables in a thread.
    """
    if _is_table(records):
        records = await asyncio.to_thread(RecordBatch.from_table, records)
    elif isinstance(records, AsyncIterable):
        records = [record async for record in records]
    elif not isinstance(records, Iterable | Record):
        raise InvalidRecordError(
            "upsert takes a list of records or a RecordBatch, not "
            f"{'None' if records is None else type(records).__name__}"
        )
    listed = records if isinstance(records, RecordBatch | Record | Mapping | str) else await _listed(records)
    checked = await finish_beside(batch_steps(listed, info=info))
    return replace(checked, scope=listed.scope) if isinstance(listed, RecordBatch) else checked


def _is_table(records: object) -> bool:
    # Asked by what it can do: neither Arrow nor pandas is imported for those who have none.
    return hasattr(records, "__arrow_c_stream__") or type(records).__module__.split(".")[0] == "pandas"


async def checked_ids(ids: str | Iterable[str]) -> list[str]:
    """As `base.validation.check_ids`; many are checked in a thread, in slices."""
    if not isinstance(ids, Iterable):
        raise InvalidRecordError(
            f"ids must be a list of strings, not {type(ids).__name__}; a condition is given as filter="
        )
    return await finish_beside(id_steps(ids if isinstance(ids, str | bytes | Mapping) else await _listed(ids)))


async def checked_texts(
    texts: Sequence[str],
    *,
    ids: Sequence[str] | None,
    metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None,
    info: CollectionInfo,
) -> RecordBatch:
    """Texts as records without vectors, checked as if they had some. Raises InvalidRecordError."""
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise InvalidRecordError(f"texts is a list of strings, not {shown(texts)}")
    listed = await _listed(texts)
    for position, text in enumerate(listed):
        if not isinstance(text, str) or not text.strip():
            raise InvalidRecordError(f"text {position} is {shown(text)}; it must be a string that is not blank")
    if metadata is None or isinstance(metadata, Mapping):
        fields = [metadata or {}] * len(listed)
    else:
        fields = [{} if one is None else one for one in await _listed(metadata)]
    if isinstance(ids, str):
        raise InvalidRecordError(f"ids is a list with one id for each text, not {shown(ids)}")
    names = [new_id() for _ in listed] if ids is None else list(await _listed(ids))
    for name, column in (("ids", names), ("metadata", fields)):
        if len(column) != len(listed):
            raise InvalidRecordError(f"{name} has {len(column)} rows, texts has {len(listed)}; nothing was embedded")
    # Any vector that is sound: what is checked here is the rest.
    vectors = np.ones((len(listed), info.dimension), dtype=np.float32)
    batch = RecordBatch(ids=names, vectors=vectors, texts=listed, metadata=fields)
    try:
        return replace(await finish_beside(batch_steps(batch, info=info)), vectors=None)
    except InvalidRecordError as error:
        if ids is None:
            # The caller does not know the ids that were made.
            for position, name in enumerate(names):
                error.message = error.message.replace(f"record {name!r}", f"text {position}")
        raise


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
