"""Verbs that write: each is one transaction."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import numpy as np

from vpa.base.errors import InvalidRecordError, RecordExistsError, RecordNotFoundError
from vpa.base.metadata import canonical_metadata
from vpa.base.query import OnConflict
from vpa.base.records import CollectionInfo
from vpa.filters.ast import NEVER
from vpa.stores.pgvector import tables
from vpa.stores.pgvector.catalog import Catalog
from vpa.stores.pgvector.convert import IncomingRows, columns_of
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.filters import Statement, dump, flatten
from vpa.stores.pgvector.indexing import VectorIndex, largest_number
from vpa.stores.pgvector.reads import condition
from vpa.stores.requests import ALWAYS, Delete, UpdateMetadata, Upsert

# Up to so many rows one statement a row is faster than a temporary table.
_SMALL: Final = 100
# From so many rows on it is worth asking whether the indexes should be built after them.
_BULK: Final = 200


class Writes:
    """Upsert, delete and update of metadata."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """One transaction, `replacing` included."""
        with self._catalog.builds.loading(info.name):
            return await self._write(info, request, IncomingRows(request.batch, request.scope, info.keywords))

    async def _write(self, info: CollectionInfo, request: Upsert, rows: IncomingRows) -> int:
        _check_numbers(info, request)
        owed: VectorIndex | None = None

        async def write(lent: Any) -> int:
            nonlocal owed
            if request.replacing is not None and request.replacing is not NEVER:
                statement = Statement()
                where = statement.where(request.replacing, request.scope)
                written = statement.bind(list(request.ids))
                await lent.execute(
                    f"DELETE FROM {self._database.table(info.name)} WHERE {where} AND NOT (id = "
                    f"ANY({written}::text[]))",
                    *statement.parameters,
                )
            # What was deleted is locked, and others may wait for it while this waited for them.
            if len(rows) < _BULK or request.replacing is not None:
                return await self._insert(lent, info, rows, on_conflict=request.on_conflict)
            async with self._catalog.without_indexes(lent, info, rows=len(rows)) as owed:
                return await self._insert(lent, info, rows, on_conflict=request.on_conflict)

        try:
            return await self._database.in_transaction("upsert", write)
        finally:
            # Also for whoever gave up while it was committed.
            if owed is not None:
                self._catalog.builds.later(info, owed)

    async def _insert(self, lent: Any, info: CollectionInfo, rows: IncomingRows, *, on_conflict: OnConflict) -> int:
        table, columns = self._database.table(info.name), columns_of(info)
        if len(rows) <= _SMALL and on_conflict is OnConflict.REPLACE:
            await lent.executemany(tables.upsert_one(table, columns), rows)
            return len(rows)
        if await self._copied(lent, info, rows):
            return len(rows)
        await lent.execute(f"CREATE TEMP TABLE vpa_incoming (LIKE {table}) ON COMMIT DROP")
        await lent.copy_records_to_table("vpa_incoming", records=rows, columns=columns)
        if on_conflict is OnConflict.REPLACE:
            await lent.execute(tables.upsert_many(table, columns))
            return len(rows)
        written = await lent.fetch(tables.insert_new(table, columns))
        if on_conflict is OnConflict.ERROR and len(written) < len(rows):
            new = {row["id"] for row in written}
            ids = [record_id for record_id in rows.ids if record_id not in new]
            shown = ", ".join(repr(value) for value in ids[:10])
            # Raised inside the transaction: nothing of it stays.
            raise RecordExistsError(f"{len(ids)} ids exist, nothing was written: {shown}", ids=ids)
        return len(written)

    async def _copied(self, lent: Any, info: CollectionInfo, rows: IncomingRows) -> bool:
        """Whether the rows were copied straight into the table: none of them was there, as when a collection is
        filled.
        """
        table, place = self._database.table(info.name), self._database.place(info.name)
        if await lent.fetchval(tables.any_of(table), rows.scope.tenant, rows.scope.namespace, rows.ids):
            return False
        try:
            # A savepoint: another session may write one of them meanwhile.
            async with lent.transaction():
                await lent.copy_records_to_table(**place, records=rows, columns=columns_of(info))
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def delete(self, info: CollectionInfo, request: Delete) -> int:
        """By ids or by condition."""
        if request.filter is NEVER:
            return 0
        statement, where = condition(request)
        verb = "SELECT count(*) AS n FROM" if request.dry_run else "DELETE FROM"
        sql = f"{verb} {self._database.table(info.name)} WHERE {where}"
        if request.dry_run:
            return int((await self._database.fetch("delete", sql, statement.parameters))[0]["n"])

        async def remove(lent: Any) -> int:
            return int(str(await lent.execute(sql, *statement.parameters)).rpartition(" ")[2])

        # In a transaction: arriving late, after its caller gave up, it is not committed.
        return await self._database.in_transaction("delete", remove)

    async def update_metadata(self, info: CollectionInfo, request: UpdateMetadata) -> int:
        """Reads the rows and locks them, merges, writes: one transaction."""
        if request.filter is NEVER:
            return 0
        statement, where = condition(request)
        table = self._database.table(info.name)

        async def update(lent: Any) -> int:
            rows = await lent.fetch(
                f"SELECT id, metadata, system FROM {table} WHERE {where} ORDER BY id FOR UPDATE", *statement.parameters
            )
            if request.still is ALWAYS:
                _refuse_missing(request.ids, {row["id"] for row in rows})
            if request.dry_run or not rows:
                return len(rows)
            merged = [_merged(row, request) for row in rows]
            flat = [flatten(metadata, json.loads(row["system"])) for metadata, row in zip(merged, rows, strict=True)]
            await lent.execute(
                tables.update_metadata(table),
                request.scope.tenant,
                request.scope.namespace,
                [row["id"] for row in rows],
                [dump(metadata) for metadata in merged],
                flat,
            )
            return len(rows)

        return await self._database.in_transaction("update_metadata", update)


def _check_numbers(info: CollectionInfo, request: Upsert) -> None:
    """Raise InvalidRecordError for a vector that the collection's index cannot hold."""
    most, vectors = largest_number(info), request.batch.vectors
    if most == math.inf or vectors is None or not len(vectors):
        return
    largest = np.abs(vectors).max(axis=1)
    row = int(largest.argmax())
    if largest[row] > most:
        raise InvalidRecordError(
            f"record {request.ids[row]!r} has a value of {float(largest[row]):g}; an index over halfvec holds up to "
            f"{most:g}: scale the vectors, or make the collection with another index_over"
        )


def _refuse_missing(ids: Sequence[str] | None, existing: set[str]) -> None:
    missing = [value for value in dict.fromkeys(ids or ()) if value not in existing]
    if missing:
        shown = ", ".join(repr(value) for value in missing[:10])
        raise RecordNotFoundError(f"{len(missing)} ids do not exist, nothing was changed: {shown}")


def _merged(row: Any, request: UpdateMetadata) -> dict[str, Any]:
    rest = {key: value for key, value in json.loads(row["metadata"]).items() if key not in request.remove}
    try:
        return canonical_metadata({**rest, **request.assign})
    except InvalidRecordError as error:
        raise InvalidRecordError(f"record {row['id']!r}: {error.message}; nothing was changed") from None
