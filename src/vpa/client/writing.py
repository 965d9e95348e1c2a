"""The verbs that change records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vpa.base.errors import ArgumentError, InvalidFilterError, InvalidRecordError, RecordExistsError
from vpa.base.metadata import canonical_metadata
from vpa.base.query import ConflictName, OnConflict
from vpa.base.records import RecordBatch, Written
from vpa.base.scope import Scope
from vpa.base.showing import shown, some
from vpa.client import residual
from vpa.client.embedding import embedder_of
from vpa.client.located import Located, located
from vpa.client.unknown import foresee, told
from vpa.client.validating import Records, checked_batch, checked_filter, checked_ids, checked_texts
from vpa.filters import FilterLike, NormalFilter
from vpa.stores.requests import ALWAYS, Delete, Get, UpdateMetadata, Upsert


class WritingVerbs(Located):
    """Write, change and remove. Invalid input changes nothing."""

    @located
    async def upsert(
        self,
        records: Records,
        *,
        on_conflict: OnConflict | ConflictName = "replace",
        replacing: FilterLike = None,
        scope: Scope | None = None,
    ) -> Written:
        """Write whole records; returns how many were written, with the ids of all in `.ids`.

        `records`: a list or an async iterable of `Record`s or of mappings `{"id": …, "vector": …, "text": …,
        "metadata": {…}}`, one alone, a `RecordBatch`, or a table (Arrow, pandas, polars) as `RecordBatch.from_table`
        takes it. A record without an id gets one. `on_conflict`: "replace", "skip" or "error" for ids that exist.
        `replacing`: also remove what this filter matches and is not among `records`. A batch of a scan goes into its
        own scope, unless `scope` names another. Raises InvalidRecordError, InvalidFilterError,
        DimensionMismatchError, RecordExistsError, PartialWriteError; invalid input writes nothing.
        """
        bound = self._bound()
        choice = OnConflict.parse(on_conflict)
        batch = await checked_batch(records, info=bound.info)
        if scope is None:
            # A batch of a scan, or a table of one scope, knows whose its records are.
            scope = batch.scope
        old = None if replacing is None else await checked_filter(replacing)
        if old is ALWAYS:
            raise InvalidFilterError(
                "the filter of replacing= matches every record; "
                "to begin anew, call delete(filter={}, allow_all=True) first"
            )
        if not len(batch) and old is None:
            return Written(0)
        request = Upsert(batch=batch, scope=self._single_scope(scope), on_conflict=choice, replacing=old)
        with bound.writing(len(batch)) as note:
            written = await bound.run(request, lambda: residual.upsert(bound.store, bound.info, request))
            note(written)
        return Written(written, ids=batch.ids)

    @located
    async def add_texts(
        self,
        texts: Sequence[str],
        *,
        ids: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        on_conflict: OnConflict | ConflictName = "replace",
        scope: Scope | None = None,
    ) -> list[str]:
        """Embed texts and write them as records; returns their ids, in order. Needs an embedder.

        `ids`: one for each text; without them new ones are made. `metadata`: one mapping for each text, or one for all.
        `on_conflict`: "replace", "skip" or "error" for ids that exist; what is to be skipped is not embedded.
        Everything is checked before any text is embedded. Raises InvalidRecordError, RecordExistsError, EmbedderError,
        ConfigurationError.
        """
        bound = self._bound()
        embedder = embedder_of(self._model(), bound.info, verb="add_texts")
        place = self._single_scope(scope)
        choice = OnConflict.parse(on_conflict)
        batch = await checked_texts(texts, ids=ids, metadata=metadata, info=bound.info)
        names = list(batch.ids)
        if ids is not None and choice != OnConflict.REPLACE:
            batch = await self._unwritten(batch, choice, place)
        if len(batch):
            vectors = await embedder.documents([str(text) for text in batch.texts or ()])
            await self.upsert(replace(batch, vectors=vectors), on_conflict=choice, scope=place)
        return names

    async def _unwritten(self, batch: RecordBatch, choice: OnConflict, scope: Scope) -> RecordBatch:
        """What is not there yet. Raises RecordExistsError where that is an error."""
        bound, size = self._bound(), 1000
        there: set[str] = set()
        for start in range(0, len(batch), size):
            request = Get(ids=list(batch.ids[start : start + size]), scope=scope, include_vectors=False)
            found = await bound.run(request, partial(bound.store.get, bound.info, request))
            there.update(record.id for record in found)
        if there and choice == OnConflict.ERROR:
            ids = sorted(there)
            raise RecordExistsError(f"{len(ids)} ids exist, nothing was written: {some(ids)}", ids=ids)
        return _rows(batch, [row for row, name in enumerate(batch.ids) if name not in there])

    @located
    async def delete(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        filter: FilterLike = None,
        allow_all: bool = False,
        dry_run: bool = False,
        scope: Scope | None = None,
    ) -> int:
        """Remove by ids or by filter; returns how many existed. `dry_run` only counts."""
        bound = self._bound()
        chosen, node = await _targets(ids, filter, allow_all=allow_all, verb=Delete.verb)
        request = Delete(ids=chosen, filter=node, scope=self._single_scope(scope), dry_run=dry_run)
        await foresee(bound, request)
        deleted = await bound.run(request, lambda: residual.delete(bound.store, bound.info, request))
        return await told(bound, deleted, request)

    @located
    async def update_metadata(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        filter: FilterLike = None,
        set: Mapping[str, Any] | None = None,
        remove: Iterable[str] = (),
        allow_all: bool = False,
        dry_run: bool = False,
        scope: Scope | None = None,
    ) -> int:
        """Merge top-level metadata keys; returns how many records matched.

        Raises RecordNotFoundError for an unknown id and InvalidRecordError for a result that breaks a rule;
        either way nothing was changed.
        """
        bound = self._bound()
        chosen, node = await _targets(ids, filter, allow_all=allow_all, verb=UpdateMetadata.verb)
        if set is None and isinstance(remove, tuple) and not remove and not dry_run:
            raise ArgumentError("update_metadata: nothing is to be changed; give set={key: value} or remove=[key]")
        request = UpdateMetadata(
            ids=chosen,
            filter=node,
            scope=self._single_scope(scope),
            dry_run=dry_run,
            assign=canonical_metadata({} if set is None else set),
            remove=_removed(remove, assigned={} if set is None else set),
        )
        await foresee(bound, request)
        matched = await bound.run(request, lambda: residual.update_metadata(bound.store, bound.info, request))
        return await told(bound, matched, request)


def _rows(batch: RecordBatch, rows: Sequence[int]) -> RecordBatch:
    """Some records of a batch without vectors."""
    texts, metadata = batch.texts or (), batch.metadata or ()
    return replace(
        batch,
        ids=[batch.ids[row] for row in rows],
        texts=[texts[row] for row in rows],
        metadata=[metadata[row] for row in rows],
        system=None,
    )


def _removed(remove: Iterable[str], *, assigned: Mapping[str, Any]) -> frozenset[str]:
    keys = [remove] if isinstance(remove, str) or not isinstance(remove, Iterable) else list(remove)
    if isinstance(remove, str) or not all(isinstance(key, str) for key in keys):
        raise InvalidRecordError(f"remove takes a list of metadata keys, not {shown(remove)}")
    both = sorted(assigned.keys() & set(keys))
    if both:
        raise InvalidRecordError(f"metadata key {both[0]!r} is in set= and in remove=; it can be one of them")
    return frozenset(keys)


async def _targets(
    ids: str | Iterable[str] | None, condition: FilterLike, *, allow_all: bool, verb: str
) -> tuple[list[str] | None, NormalFilter]:
    if (ids is None) is (condition is None):
        raise InvalidFilterError(f"{verb} takes exactly one of ids= and filter=")
    if ids is not None:
        return await checked_ids(ids), ALWAYS
    node = await checked_filter(condition)
    if node is ALWAYS and not allow_all:
        raise InvalidFilterError(f"the filter of {verb} matches every record; pass allow_all=True if that is meant")
    return None, node
