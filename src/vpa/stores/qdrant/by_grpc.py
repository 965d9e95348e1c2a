"""Points over gRPC: the client's generated messages, on a channel of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import grpc
from qdrant_client import grpc as messages

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.stores.layout.driver import StoredRow
from vpa.stores.qdrant.convert import stored_of_messages
from vpa.stores.qdrant.messages import (
    filter_of,
    ids_of,
    overwrite,
    payload_selector,
    selector,
    sparse_query,
    upsert,
    vectors_selector,
    words_update,
)
from vpa.stores.qdrant.messages import query as query_message
from vpa.stores.qdrant.points import Depth, Selection, Spelled
from vpa.stores.qdrant.words import Named, Sparse

_UPSERT: Final = "/qdrant.Points/Upsert"
_QUERY: Final = "/qdrant.Points/Query"


class GrpcPoints:
    """On one channel. `failed` is told of each error before it is raised.

    The client's own methods cost more than the request itself: two tasks per call for its interceptors, and a model
    for each value.
    """

    def __init__(
        self, channel: Any, *, key: str | None, timeout_s: float, failed: Callable[[grpc.aio.AioRpcError], None]
    ) -> None:
        self._stub = messages.PointsStub(channel)
        # These two are sent in the wire form that `messages` makes.
        self._upsert = channel.unary_unary(_UPSERT, None, messages.PointsOperationResponse.FromString)
        self._query = channel.unary_unary(_QUERY, None, messages.QueryResponse.FromString)
        self._metadata = () if key is None else (("api-key", key),)
        self._timeout_s = timeout_s
        self._failed = failed

    async def _send(self, method: Any, request: Any) -> Any:
        try:
            return await method(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            self._failed(error)
            raise

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
        await self._send(self._upsert, upsert(collection, ids, vectors=vectors, payloads=payloads, named=named))

    async def write_words(self, collection: str, words: Mapping[str, Sparse]) -> None:
        """Replace the words of points that exist."""
        await self._send(self._stub.UpdateVectors, words_update(collection, words))

    async def rank(
        self, collection: str, sparse: Sparse, chosen: Spelled, *, using: str, limit: int, selection: Selection
    ) -> list[StoredRow]:
        """The `limit` best by the product of sparse vectors, which Qdrant computes of all that have any dimension."""
        request = sparse_query(collection, sparse, chosen, using=using, limit=limit, selection=selection)
        answer = await self._send(self._query, request)
        return stored_of_messages(answer.result, scored=True, foreign=selection.foreign)

    async def overwrite(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the payloads of points that exist."""
        await self._send(self._stub.UpdateBatch, overwrite(collection, payloads))

    async def retrieve(self, collection: str, ids: Sequence[str | int], selection: Selection) -> list[StoredRow]:
        """Those of the points that exist, in any order."""
        request = messages.GetPoints(
            collection_name=collection,
            ids=ids_of(ids),
            with_payload=payload_selector(selection),
            with_vectors=vectors_selector(selection),
        )
        answer = await self._send(self._stub.Get, request)
        return stored_of_messages(answer.result, scored=False, foreign=selection.foreign)

    async def delete_ids(self, collection: str, ids: Sequence[str]) -> None:
        """Delete the points that exist."""
        await self._send(
            self._stub.Delete, messages.DeletePoints(collection_name=collection, wait=True, points=selector(ids))
        )

    async def delete_where(self, collection: str, chosen: Spelled) -> None:
        """Delete what matches."""
        matching = messages.PointsSelector(filter=filter_of(chosen or {}))
        await self._send(
            self._stub.Delete, messages.DeletePoints(collection_name=collection, wait=True, points=matching)
        )

    async def count(self, collection: str, chosen: Spelled) -> int:
        """How many points match, exactly."""
        request = messages.CountPoints(collection_name=collection, filter=filter_of(chosen), exact=True)
        return int((await self._send(self._stub.Count, request)).result.count)

    async def nearest(
        self, collection: str, query: FloatVector, chosen: Spelled, *, limit: int, depth: Depth, selection: Selection
    ) -> list[StoredRow]:
        """The best `limit`."""
        request = query_message(collection, query, chosen, limit=limit, depth=depth, selection=selection)
        answer = await self._send(self._query, request)
        return stored_of_messages(answer.result, scored=True, foreign=selection.foreign)

    async def scroll(
        self, collection: str, chosen: Spelled, *, start: str | int | None, limit: int, selection: Selection
    ) -> list[StoredRow]:
        """In the order of the ids, from `start` on, which is included."""
        request = messages.ScrollPoints(
            collection_name=collection,
            filter=filter_of(chosen),
            offset=None if start is None else ids_of([start])[0],
            limit=limit,
            with_payload=payload_selector(selection),
            with_vectors=vectors_selector(selection),
        )
        answer = await self._send(self._stub.Scroll, request)
        return stored_of_messages(answer.result, scored=False, foreign=selection.foreign)
