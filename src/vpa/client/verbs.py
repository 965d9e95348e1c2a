"""The verbs of a collection, written once: validation, then one call through the pipeline.

`Collection` has them for its own records, the manager for its configured collection.
"""

from __future__ import annotations

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from numpy.typing import ArrayLike

from vpa.base.answers import Explanation
from vpa.base.errors import InvalidFilterError, InvalidQueryError, InvalidRecordError, VectorDatabaseError
from vpa.base.metadata import Scalar, canonical_metadata
from vpa.base.query import OnConflict, check_threshold, check_top_k
from vpa.base.records import Matches, Record, RecordBatch, Usage
from vpa.base.scope import AllScopes, Scope
from vpa.base.validation import check_query_vectors
from vpa.client import describe, residual
from vpa.client.binding import Binding
from vpa.client.validating import checked_batch, checked_filter, checked_ids, checked_queries
from vpa.filters import FilterLike, NormalFilter
from vpa.stores.requests import (
    ALWAYS,
    Count,
    Delete,
    Distinct,
    Explain,
    FieldTypes,
    Get,
    MinMax,
    Optimize,
    Scan,
    Search,
    SearchBatch,
    UpdateMetadata,
    Upsert,
)

P = ParamSpec("P")
T = TypeVar("T")
_SCOPE = Scope()


def _located(
    verb: Callable[Concatenate[CollectionVerbs, P], Awaitable[T]],
) -> Callable[Concatenate[CollectionVerbs, P], Coroutine[Any, Any, T]]:
    """Errors of a verb, those of validation too, say which provider and collection were meant."""

    @functools.wraps(verb)
    async def call(self: CollectionVerbs, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await verb(self, *args, **kwargs)
        except VectorDatabaseError as error:
            with contextlib.suppress(VectorDatabaseError):
                bound = self._bound()
                error.located(provider=bound.store.provider, collection=bound.info.name)
            raise

    return call


class CollectionVerbs(ABC):
    """Everything that can be done with the records of one collection. Options are keyword-only.

    Filters are `F` expressions or MongoDB-style mappings; `scope` says whose records are meant.
    Every verb may raise ClosedError, CollectionNotFoundError and the connection errors of `vpa.base.errors`.
    """

    @abstractmethod
    def _bound(self) -> Binding:
        """The collection that the verbs work on; raises ClosedError or ConfigurationError."""

    @_located
    async def upsert(
        self,
        records: Iterable[Record] | RecordBatch,
        *,
        on_conflict: str = "replace",
        replacing: FilterLike = None,
        scope: Scope = _SCOPE,
    ) -> int:
        """Write whole records; returns how many were written.

        `on_conflict`: "replace", "skip" or "error" for ids that exist. `replacing`: also remove what this filter
        matches and is not among `records`. Raises InvalidRecordError, DimensionMismatchError, RecordExistsError,
        PartialWriteError; invalid input writes nothing.
        """
        bound = self._bound()
        choice = OnConflict.parse(on_conflict)
        batch = await checked_batch(records, info=bound.info)
        old = None if replacing is None else await checked_filter(replacing)
        if not len(batch) and old is None:
            return 0
        request = Upsert(batch=batch, scope=_single_scope(scope), on_conflict=choice, replacing=old)
        with bound.writing() as note:
            written = await bound.run(request, lambda: residual.upsert(bound.store, bound.info, request))
            note(written)
        return written

    @_located
    async def get(self, ids: Iterable[str], *, include_vectors: bool = True, scope: Scope = _SCOPE) -> list[Record]:
        """The records found, in the order asked; ids that do not exist are left out."""
        bound = self._bound()
        wanted = await checked_ids(ids)
        if not wanted:
            return []
        request = Get(ids=wanted, scope=_single_scope(scope), include_vectors=include_vectors)
        return await bound.run(request, lambda: bound.store.get(bound.info, request))

    @_located
    async def delete(
        self,
        *,
        ids: Iterable[str] | None = None,
        filter: FilterLike = None,
        allow_all: bool = False,
        dry_run: bool = False,
        scope: Scope = _SCOPE,
    ) -> int:
        """Remove by ids or by filter; returns how many existed. `dry_run` only counts."""
        bound = self._bound()
        chosen, node = await _targets(ids, filter, allow_all=allow_all, verb=Delete.verb)
        request = Delete(ids=chosen, filter=node, scope=_single_scope(scope), dry_run=dry_run)
        return await bound.run(request, lambda: residual.delete(bound.store, bound.info, request))

    @_located
    async def update_metadata(
        self,
        *,
        ids: Iterable[str] | None = None,
        filter: FilterLike = None,
        set: Mapping[str, Any] | None = None,
        remove: Iterable[str] = (),
        allow_all: bool = False,
        dry_run: bool = False,
        scope: Scope = _SCOPE,
    ) -> int:
        """Merge top-level metadata keys; returns how many records matched.

        Raises RecordNotFoundError for an unknown id and InvalidRecordError for a result that breaks a rule;
        either way nothing was changed.
        """
        bound = self._bound()
        chosen, node = await _targets(ids, filter, allow_all=allow_all, verb=UpdateMetadata.verb)
        request = UpdateMetadata(
            ids=chosen,
            filter=node,
            scope=_single_scope(scope),
            dry_run=dry_run,
            assign=canonical_metadata(set or {}),
            remove=_removed(remove, assigned=set or {}),
        )
        return await bound.run(request, lambda: residual.update_metadata(bound.store, bound.info, request))

    @_located
    async def count(self, *, filter: FilterLike = None, scope: Scope = _SCOPE) -> int:
        """How many records match, exactly."""
        bound = self._bound()
        request = Count(filter=await checked_filter(filter), scope=_single_scope(scope))
        return await bound.run(request, lambda: residual.count(bound.store, bound.info, request))

    @_located
    async def search(
        self,
        *,
        vector: ArrayLike,
        top_k: int = 10,
        filter: FilterLike = None,
        score_threshold: float | None = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope = _SCOPE,
    ) -> Matches:
        """The records nearest to `vector` `(d,)`, best first; equal scores stand in id order.

        Raises InvalidQueryError, InvalidFilterError, UnsupportedFilterError.
        """
        request = Search(
            vectors=check_query_vectors(vector, info=self._bound().info, dimensions=1),
            top_k=check_top_k(top_k),
            score_threshold=check_threshold(score_threshold),
            include_vectors=include_vectors,
            exact=exact,
            scope=_single_scope(scope),
            filter=await checked_filter(filter),
        )
        [matches] = await self._search(request)
        return matches

    @_located
    async def search_batch(
        self,
        *,
        vectors: ArrayLike,
        top_k: int = 10,
        filter: FilterLike = None,
        score_threshold: float | None = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope = _SCOPE,
    ) -> list[Matches]:
        """As `search`, for each row of `vectors` `(m, d)`, in one call."""
        request = SearchBatch(
            vectors=await checked_queries(vectors, info=self._bound().info),
            top_k=check_top_k(top_k),
            score_threshold=check_threshold(score_threshold),
            include_vectors=include_vectors,
            exact=exact,
            scope=_single_scope(scope),
            filter=await checked_filter(filter),
        )
        return await self._search(request)

    async def _search(self, request: Search) -> list[Matches]:
        bound = self._bound()
        if not len(request.vectors):
            return []
        if bound.awaits_measure:
            request = replace(request, exact=True)
        started = bound.clock.monotonic()
        answers = await bound.run(request, lambda: residual.search(bound.store, bound.info, request))
        time_s = bound.clock.monotonic() - started
        return [
            Matches(answer.items, answer.exact, Usage(time_s, answer.usage.candidates, answer.usage.requests))
            for answer in answers
        ]

    async def scan(
        self,
        *,
        filter: FilterLike = None,
        batch_size: int = 1000,
        include_vectors: bool = True,
        scope: Scope | AllScopes = _SCOPE,
    ) -> AsyncIterator[Record]:
        """Yield every matching record once. Deleting inside the loop is safe."""
        async for batch in self.scan_batches(
            filter=filter, batch_size=batch_size, include_vectors=include_vectors, scope=scope
        ):
            for record in batch:
                yield record

    async def scan_batches(
        self,
        *,
        filter: FilterLike = None,
        batch_size: int = 1000,
        cursor: str | None = None,
        include_vectors: bool = True,
        scope: Scope | AllScopes = _SCOPE,
    ) -> AsyncIterator[RecordBatch]:
        """As `scan`, in batches of one scope each. `batch.cursor` continues after the batch, also in another
        process.
        """
        bound = self._bound()
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= 100_000:
            raise InvalidQueryError(f"batch_size must be an integer from 1 to 100000, not {batch_size!r}")
        if not isinstance(scope, Scope | AllScopes):
            raise InvalidQueryError(f"scope must be a vpa.Scope or vpa.ALL_SCOPES, not {scope!r}")
        if cursor is not None and not isinstance(cursor, str):
            raise InvalidQueryError(f"cursor is that of an earlier batch, a string, not {cursor!r:.80}")
        request = Scan(
            filter=await checked_filter(filter),
            scope=scope,
            batch_size=batch_size,
            cursor=cursor,
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

        while (batch := await bound.run(request, step)) is not None:
            request = replace(request, cursor=batch.cursor)
            yield batch

    @_located
    async def fields(self, *, filter: FilterLike = None, scope: Scope = _SCOPE) -> dict[str, dict[str, int]]:
        """Each metadata path with how many records hold which type there: `{"year": {"int": 12, "str": 1}}`."""
        bound, request = self._bound(), FieldTypes(filter=await checked_filter(filter), scope=_single_scope(scope))

        known = await bound.run(request, lambda: residual.field_types(bound.store, bound.info, request))
        if known is not None:
            return known
        return await describe.fields(self.scan(filter=request.filter, include_vectors=False, scope=scope))

    @_located
    async def distinct(self, field: str, *, filter: FilterLike = None, scope: Scope = _SCOPE) -> list[Scalar]:
        """The values of a field, each once and type-exact: `1`, `1.0`, `"1"` and `True` are four."""
        request = Distinct(
            field=describe.check_field(field), filter=await checked_filter(filter), scope=_single_scope(scope)
        )
        return await describe.ordered(await self._values(request))

    @_located
    async def min_max(
        self, field: str, *, filter: FilterLike = None, scope: Scope = _SCOPE
    ) -> dict[str, tuple[Scalar, Scalar]]:
        """Least and greatest value of a field by kind: `{"number": (1, 9.5), "string": ("a", "z")}`."""
        request = MinMax(
            field=describe.check_field(field), filter=await checked_filter(filter), scope=_single_scope(scope)
        )
        return await describe.extremes(await self._values(request))

    async def _values(self, request: Distinct) -> list[Scalar]:
        bound = self._bound()
        known = await bound.run(request, lambda: residual.distinct_values(bound.store, bound.info, request))
        if known is not None:
            return known
        records = self.scan(filter=request.filter, include_vectors=False, scope=request.scope)
        return await describe.values(records, request.field)

    @_located
    async def optimize(self) -> None:
        """Build what makes searches fast, once much was loaded; may take minutes, so it has no deadline.

        Where the collection promises a recall, it is measured, and the store's search is set so that it is kept.
        """
        bound = self._bound()
        await bound.run(Optimize(), lambda: bound.store.optimize(bound.info))
        if bound.promise is not None:
            await bound.promise.measure()

    @_located
    async def explain(self, filter: FilterLike = None) -> Explanation:
        """What the store evaluates, in its own language, and what is left to this library."""
        bound = self._bound()
        request = Explain(await checked_filter(filter))

        async def described() -> Explanation:
            return describe.explain(bound.store, bound.info, request.filter)

        return await bound.run(request, described)


def _removed(remove: Iterable[str], *, assigned: Mapping[str, Any]) -> frozenset[str]:
    keys = [remove] if isinstance(remove, str) else list(remove)
    if isinstance(remove, str) or not all(isinstance(key, str) for key in keys):
        raise InvalidRecordError(f"remove takes a list of metadata keys, not {remove!r}")
    both = sorted(assigned.keys() & set(keys))
    if both:
        raise InvalidRecordError(f"metadata key {both[0]!r} is in set= and in remove=; it can be one of them")
    return frozenset(keys)


def _single_scope(scope: Scope) -> Scope:
    if not isinstance(scope, Scope):
        raise InvalidQueryError(f"scope must be a vpa.Scope, not {scope!r}; only scan takes ALL_SCOPES")
    return scope


async def _targets(
    ids: Iterable[str] | None, condition: FilterLike, *, allow_all: bool, verb: str
) -> tuple[list[str] | None, NormalFilter]:
    if (ids is None) is (condition is None):
        raise InvalidFilterError(f"{verb} takes exactly one of ids= and filter=")
    if ids is not None:
        return await checked_ids(ids), ALWAYS
    node = await checked_filter(condition)
    if node is ALWAYS and not allow_all:
        raise InvalidFilterError(f"the filter of {verb} matches every record; pass allow_all=True if that is meant")
    return None, node
