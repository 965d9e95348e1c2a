"""Compares a collection with what it was filled from, and mends it: nothing missing, nothing stale, nothing left
over.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from vpa.base.arguments import explained
from vpa.base.errors import InvalidRecordError
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope, check_scope
from vpa.base.showing import shown
from vpa.base.validation import check_batch
from vpa.client.arguments import check_collection
from vpa.client.collection import Collection
from vpa.client.verbs import CollectionVerbs
from vpa.transfer.digest import comparable, content_of

_BATCH: Final = 500  # Records read at once.
_PRECISION: Final = 1e-6  # Of float32, with room for one more rounding.
Source: TypeAlias = "Iterable[Record] | AsyncIterable[Record]"


@dataclass(slots=True)
class Audit:
    """Ids that the source has and the collection has not (`missing`), has otherwise (`stale`), or has alone
    (`orphaned`).
    """

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the collection holds what the source holds."""
        return not (self.missing or self.stale or self.orphaned)


@explained
async def audit(collection: Collection, source: Source, *, scope: Scope = Scope()) -> Audit:
    """Compare with the records that should be there: ids, text, metadata, system fields, and vectors where given.

    Reads the source and the scope once; memory holds the ids. Changes nothing. Raises
    ConfigurationError for a manager in place of the collection, InvalidRecordError for a source of anything but
    Records.
    """
    _check(collection, source, scope, function="audit")
    report, known = Audit(), set()
    async for batch in _batches(source):
        known |= {record.id for record in batch}
        report.checked += len(batch)
        missing, stale = await _compare(collection, batch, scope)
        report.missing += [record.id for record in missing]
        report.stale += [record.id for record in stale]
    async for page in collection.scan_batches(scope=scope, include_vectors=False):
        report.orphaned += [value for value in page.ids if value not in known]
    return report


@explained
async def repair(
    collection: Collection, source: Source, *, scope: Scope = Scope(), delete_orphans: bool = False
) -> Audit:
    """Write what is missing or stale, and with `delete_orphans` remove what the source does not have.

    Returns what was found; a second call finds nothing. A missing record without a vector cannot be written:
    InvalidRecordError, before anything of its batch is. An orphan is what was there before the source was read. A
    source that gives no record (an iterator can be read once) deletes nothing: InvalidRecordError.
    """
    _check(collection, source, scope, function="repair")
    report, known = Audit(), set()
    before = [name async for page in collection.scan_batches(scope=scope, include_vectors=False) for name in page.ids]
    async for batch in _batches(source):
        known |= {record.id for record in batch}
        report.checked += len(batch)
        missing, stale = await _compare(collection, batch, scope)
        report.missing += [record.id for record in missing]
        report.stale += [record.id for record in stale]
        await collection.upsert(await _complete(collection, [*missing, *stale], scope), scope=scope)
    report.orphaned += [name for name in before if name not in known]
    if delete_orphans and report.orphaned:
        if not report.checked:
            raise InvalidRecordError(
                f"the source gave no record, so all {len(report.orphaned)} of the collection would be deleted; an "
                "iterator can be read once: give a list, or a function's new iterator; to empty a collection use "
                "delete(filter={}, allow_all=True)"
            )
        await collection.delete(ids=report.orphaned, scope=scope)
    return report


def _check(collection: object, source: object, scope: object, *, function: str) -> None:
    check_collection(collection, function=function)
    check_scope(scope)
    if not isinstance(source, Iterable | AsyncIterable) or isinstance(source, str | bytes | Mapping | Record):
        hint = "; of another collection give collection.scan()" if isinstance(source, CollectionVerbs) else ""
        raise InvalidRecordError(f"the source must be an iterable of Records, not a {type(source).__name__}{hint}")


async def _batches(source: Source) -> AsyncIterator[list[Record]]:
    batch: list[Record] = []
    async for record in _each(source):
        if not isinstance(record, Record):
            raise InvalidRecordError(f"the source gave a {type(record).__name__}, not a Record: {shown(record)}")
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _each(source: Source) -> AsyncIterator[Record]:
    if isinstance(source, AsyncIterable):
        async for record in source:
            yield record
        return
    for record in source:
        yield record


async def _compare(collection: Collection, batch: list[Record], scope: Scope) -> tuple[list[Record], list[Record]]:
    there = {record.id: record for record in await collection.get([record.id for record in batch], scope=scope)}
    missing = [record for record in batch if record.id not in there]
    stale = [record for record in batch if record.id in there and _differs(record, there[record.id], collection)]
    return missing, stale


def _differs(source: Record, record: Record, collection: Collection) -> bool:
    # Checked as for a write: enums, NumPy numbers and datetimes become what is stored.
    dimension = collection.info.dimension
    vector = np.eye(1, dimension, dtype=np.float32)[0] if source.vector is None else source.vector
    checked = check_batch(
        [replace(source, vector=vector, sparse=record.sparse if source.vector is None else source.sparse)],
        info=collection.info,
    )
    stored = RecordBatch(
        ids=[record.id],
        vectors=None,
        texts=[record.text],
        metadata=[record.metadata],
        system=[record.system],
        sparse=[record.sparse],
    )
    if content_of(checked, 0) != content_of(stored, 0):
        return True
    if source.vector is None:
        return False
    rows = np.asarray([np.asarray(checked.vectors)[0], record.vector], dtype=np.float32)
    left, right = comparable(rows, collection.info)
    return not np.allclose(left, right, rtol=_PRECISION, atol=_PRECISION)


async def _complete(collection: Collection, records: list[Record], scope: Scope) -> list[Record]:
    bare = [record.id for record in records if record.vector is None]
    there = {record.id: record for record in await collection.get(bare, scope=scope)} if bare else {}
    lost = [value for value in bare if value not in there]
    if lost:
        raise InvalidRecordError(
            f"records {lost[:10]!r} are missing, and the source has no vectors for them; give the source vectors"
        )
    return [
        record
        if record.vector is not None
        else replace(record, vector=there[record.id].vector, sparse=there[record.id].sparse)
        for record in records
    ]
