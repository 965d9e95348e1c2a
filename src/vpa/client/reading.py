"""The verbs that read records without comparing vectors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import replace
from itertools import islice

from vpa.base.answers import Explanation
from vpa.base.cursor import marked, unmarked
from vpa.base.errors import InvalidQueryError, InvalidRecordError, VectorDatabaseError
from vpa.base.metadata import Scalar
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.base.showing import shown
from vpa.client import describe, residual
from vpa.client.located import Located, located, located_scan
from vpa.client.unknown import foresee, nearest, tell_empty, told, unknown_fields
from vpa.client.validating import checked_filter, checked_ids
from vpa.filters import FilterLike
from vpa.stores.requests import Count, Distinct, Explain, FieldTypes, Get, MinMax, Scan


class ReadingVerbs(Located):
    """What there is, by id or by metadata."""

    @located
    async def get(
        self, ids: str | Iterable[str], *, include_vectors: bool = True, scope: Scope | None = None
    ) -> list[Record]:
        """The records with these ids, or with this one, in the order asked; ids that do not exist are left out."""
        bound = self._bound()
        wanted = await checked_ids(ids)
        if not wanted:
            return []
        request = Get(ids=wanted, scope=self._single_scope(scope), include_vectors=include_vectors)
        return await bound.run(request, lambda: bound.store.get(bound.info, request))

    @located
    async def get_one(self, id: str, *, include_vectors: bool = True, scope: Scope | None = None) -> Record | None:
        """The record with this id, or None."""
        if not isinstance(id, str):
            raise InvalidRecordError(f"get_one takes one id, a string, not {shown(id)}; get takes a list of them")
        records = await self.get([id], include_vectors=include_vectors, scope=scope)
        return records[0] if records else None

    @located
    async def count(self, filter: FilterLike = None, *, scope: Scope | None = None) -> int:
        """How many records match, exactly."""
        bound = self._bound()
        request = Count(filter=await checked_filter(filter), scope=self._single_scope(scope))
        counted = await bound.run(request, lambda: residual.count(bound.store, bound.info, request))
        return await told(bound, counted, request)

    @located_scan
    async def scan(
        self,
        *,
        filter: FilterLike = None,
        limit: int | None = None,
        batch_size: int = 1000,
        include_vectors: bool = True,
        scope: Scope | AllScopes | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Yield every matching record once, at most `limit` of them. Deleting inside the loop is safe."""
        left = check_limit(limit)
        if left == 0:
            return
        if left is not None and isinstance(batch_size, int) and not isinstance(batch_size, bool):
            batch_size = min(batch_size, left)
        batches = self.scan_batches(filter=filter, batch_size=batch_size, include_vectors=include_vectors, scope=scope)
        async with aclosing(batches) as read:
            async for batch in read:
                for record in batch if left is None else islice(batch, left):
                    yield record
                if left is not None and (left := left - len(batch)) <= 0:
                    return

    @located_scan
    async def scan_batches(
        self,
        *,
        filter: FilterLike = None,
        batch_size: int = 1000,
        cursor: str | None = None,
        include_vectors: bool = True,
        scope: Scope | AllScopes | None = None,
    ) -> AsyncGenerator[RecordBatch, None]:
        """As `scan`, in batches of one scope each. `batch.cursor` continues after the batch, also in another
        process; one of another collection or scope is refused.
        """
        bound = self._bound()
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= 100_000:
            raise InvalidQueryError(f"batch_size must be an integer from 1 to 100000, not {shown(batch_size)}")
        if cursor is not None and not isinstance(cursor, str):
            raise InvalidQueryError(f"cursor is that of an earlier batch, a string, not {shown(cursor)}")
        place = self._any_scope(scope)
        origin = f"{bound.info.name} {bound.info.identity}"
        request = Scan(
            filter=await checked_filter(filter),
            scope=place,
            batch_size=batch_size,
            cursor=None if cursor is None else unmarked(cursor, collection=origin, scope=place),
            include_vectors=include_vectors,
        )
        batches = residual.scan(bound.store, bound.info, request)

        async def step() -> RecordBatch | None:
            nonlocal batches
            try:
                return await anext(batches, None)
            except VectorDatabaseError:
                # A generator that raised is finished; the next attempt goes on behind the last batch that arrived.
                batches = residual.scan(bound.store, bound.info, request)
                raise

        if cursor is None:
            await foresee(bound, request)
        is_empty = True
        while (batch := await bound.run(request, step)) is not None:
            is_empty = False
            request = replace(request, cursor=batch.cursor)
            yield (
                batch
                if batch.cursor is None
                else replace(batch, cursor=marked(batch.cursor, collection=origin, scope=place))
            )
        if is_empty and cursor is None:
            await tell_empty(bound, request.filter, scope=place)

    @located
    async def fields(self, *, filter: FilterLike = None, scope: Scope | None = None) -> dict[str, dict[str, int]]:
        """Each metadata path with how many records hold which type there: `{"year": {"int": 12, "str": 1}}`."""
        bound, request = self._bound(), FieldTypes(filter=await checked_filter(filter), scope=self._single_scope(scope))

        await foresee(bound, request)
        known = await bound.run(request, lambda: residual.field_types(bound.store, bound.info, request))
        if known is not None:
            return known
        return await describe.fields(self.scan(filter=request.filter, include_vectors=False, scope=request.scope))

    @located
    async def distinct(self, field: str, *, filter: FilterLike = None, scope: Scope | None = None) -> list[Scalar]:
        """The values of a field, each once and type-exact: `1`, `1.0`, `"1"` and `True` are four."""
        request = Distinct(
            field=describe.check_field(field), filter=await checked_filter(filter), scope=self._single_scope(scope)
        )
        values = await self._values(request)
        if not values:
            await tell_empty(self._bound(), request.filter, scope=request.scope, also=(request.field,))
        return await describe.ordered(values)

    @located
    async def min_max(
        self, field: str, *, filter: FilterLike = None, scope: Scope | None = None
    ) -> dict[str, tuple[Scalar, Scalar]]:
        """Least and greatest value of a field by kind: `{"number": (1, 9.5), "string": ("a", "z")}`."""
        request = MinMax(
            field=describe.check_field(field), filter=await checked_filter(filter), scope=self._single_scope(scope)
        )
        values = await self._values(request)
        if not values:
            await tell_empty(self._bound(), request.filter, scope=request.scope, also=(request.field,))
        return await describe.extremes(values)

    async def _values(self, request: Distinct) -> list[Scalar]:
        bound = self._bound()
        await foresee(bound, request)
        known = await bound.run(request, lambda: residual.distinct_values(bound.store, bound.info, request))
        if known is not None:
            return known
        records = self.scan(filter=request.filter, include_vectors=False, scope=request.scope)
        return await describe.values(records, request.field)

    @located
    async def explain(self, filter: FilterLike = None, *, scope: Scope | None = None) -> Explanation:
        """What the store evaluates, in its own language, and what is left to this library.

        `unknown_fields`: those that no record of the scope has, each with the most similar name that there is, or None.
        """
        bound = self._bound()
        request = Explain(await checked_filter(filter))

        async def described() -> Explanation:
            return describe.explain(bound.store, bound.info, request.filter)

        facts, place = await bound.run(request, described), self._single_scope(scope)
        unknown = await unknown_fields(bound, request.filter, scope=place)
        return {**facts, "unknown_fields": await nearest(bound, unknown, scope=place)}


def check_limit(limit: int | None) -> int | None:
    """Return `limit`, or raise InvalidQueryError: a whole number from 0 up, or None for all."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise InvalidQueryError(f"limit is a whole number from 0 up, or None for all, not {shown(limit)}")
    return limit
