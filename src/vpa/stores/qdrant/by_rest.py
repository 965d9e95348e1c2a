"""Points over REST, or in the client's emulation: the client's own methods and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.stores.layout.driver import StoredRow
from vpa.stores.qdrant.convert import stored_of
from vpa.stores.qdrant.points import RECORD_FIELDS, Depth, Selection, Spelled
from vpa.stores.qdrant.words import OWN, TERMS, Named, Sparse, as_model, named_vectors


class RestPoints:
    """`local`: the emulation, which knows no parameters of a search."""

    def __init__(self, client: AsyncQdrantClient, *, local: bool) -> None:
        self._client = client
        self._local = local

    async def upsert(
        self,
        collection: str,
        ids: Sequence[str],
        *,
        vectors: FloatMatrix,
        payloads: Sequence[Mapping[str, Any]],
        named: Sequence[Named] | None,
    ) -> None:
        """Replace points whole. A point that is sent without sparse vectors has none afterwards."""
        if named is None:
            batch = models.Batch.model_construct(ids=ids, vectors=vectors.tolist(), payloads=payloads)
            await self._client.upsert(collection, points=batch, wait=True)
            return
        points = [
            models.PointStruct.model_construct(id=key, vector=named_vectors(vector, sparse), payload=payload)
            for key, vector, sparse, payload in zip(ids, vectors.tolist(), named, payloads, strict=True)
        ]
        await self._client.upsert(collection, points=points, wait=True)

    async def write_words(self, collection: str, words: Mapping[str, Sparse]) -> None:
        """Replace the words of points that exist."""
        points = [models.PointVectors(id=key, vector={TERMS: as_model(sparse)}) for key, sparse in words.items()]
        await self._client.update_vectors(collection, points=points, wait=True)

    async def rank(
        self, collection: str, sparse: Sparse, chosen: Spelled, *, using: str, limit: int, selection: Selection
    ) -> list[StoredRow]:
        """The `limit` best by the product of sparse vectors, which Qdrant computes of all that have any dimension."""
        answer = await self._client.query_points(
            collection,
            query=as_model(sparse),
            using=using,
            query_filter=_filter(chosen),
            limit=limit,
            with_payload=_payload(selection),
            with_vectors=_vectors(selection),
        )
        return stored_of(answer.points, foreign=selection.foreign)

    async def overwrite(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the payloads of points that exist."""
        operations: list[Any] = [
            models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload=payload, points=[key]))
            for key, payload in payloads.items()
        ]
        await self._client.batch_update_points(collection, update_operations=operations, wait=True)

    async def retrieve(self, collection: str, ids: Sequence[str | int], selection: Selection) -> list[StoredRow]:
        """Those of the points that exist, in any order."""
        points = await self._client.retrieve(
            collection, ids=ids, with_payload=_payload(selection), with_vectors=_vectors(selection)
        )
        return stored_of(points, foreign=selection.foreign)

    async def delete_ids(self, collection: str, ids: Sequence[str]) -> None:
        """Delete the points that exist."""
        await self._client.delete(collection, models.PointIdsList(points=list(ids)), wait=True)

    async def delete_where(self, collection: str, chosen: Spelled) -> None:
        """Delete what matches."""
        selector = models.FilterSelector(filter=_filter(chosen) or models.Filter())
        await self._client.delete(collection, selector, wait=True)

    async def count(self, collection: str, chosen: Spelled) -> int:
        """How many points match, exactly."""
        return int((await self._client.count(collection, count_filter=_filter(chosen), exact=True)).count)

    async def nearest(
        self, collection: str, query: FloatVector, chosen: Spelled, *, limit: int, depth: Depth, selection: Selection
    ) -> list[StoredRow]:
        """The best `limit`."""
        found = await self._client.query_points(
            collection,
            query=query.tolist(),
            query_filter=_filter(chosen),
            limit=limit,
            search_params=None if self._local else models.SearchParams.model_validate(depth.parameters()),
            with_payload=_payload(selection),
            with_vectors=_vectors(selection),
        )
        return stored_of(found.points, foreign=selection.foreign)

    async def scroll(
        self, collection: str, chosen: Spelled, *, start: str | int | None, limit: int, selection: Selection
    ) -> list[StoredRow]:
        """In the order of the ids, from `start` on, which is included."""
        points, _ = await self._client.scroll(
            collection,
            scroll_filter=_filter(chosen),
            limit=limit,
            offset=start,
            with_payload=_payload(selection),
            with_vectors=_vectors(selection),
        )
        return stored_of(points, foreign=selection.foreign)


def _payload(selection: Selection) -> Any:
    if not selection.payloads:
        return False
    return True if selection.foreign else list(RECORD_FIELDS)


def _vectors(selection: Selection) -> bool | list[str]:
    return [OWN] if selection.vectors and selection.named else selection.vectors


def _filter(chosen: Spelled) -> models.Filter | None:
    return None if chosen is None else models.Filter.model_validate(chosen)
