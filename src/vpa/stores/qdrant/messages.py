"""Requests for gRPC, built from plain values without the client's models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import RestToGrpc, payload_to_grpc

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.stores.qdrant.points import RECORD_FIELDS, Depth, Selection, Spelled
from vpa.stores.qdrant.words import OWN, TERMS, Named, Sparse, as_model

# Numbers of fields, with the wire type of a length that follows.
_POINTS: Final = bytes([3 << 3 | 2])  # UpsertPoints.points
_VECTORS: Final = bytes([4 << 3 | 2])  # PointStruct.vectors
_NAMED: Final = bytes([2 << 3 | 2])  # Vectors.vectors
_QUERY: Final = bytes([3 << 3 | 2])  # QueryPoints.query
_FILTER: Final = bytes([5 << 3 | 2])  # QueryPoints.filter
_ALONE: Final[Named] = {}
_RECORD: Final = messages.WithPayloadSelector(include=messages.PayloadIncludeSelector(fields=RECORD_FIELDS))


def upsert(
    collection: str,
    ids: Sequence[str],
    *,
    vectors: FloatMatrix,
    payloads: Sequence[Mapping[str, Any]],
    named: Sequence[Named] | None = None,
) -> bytes:
    """An UpsertPoints in wire form: a vector goes in as the bytes that it is, not as a Python object per number."""
    dimension = vectors.shape[1]
    rows = np.ascontiguousarray(vectors, dtype="<f4")
    parts = [messages.UpsertPoints(collection_name=collection, wait=True).SerializeToString()]
    for key, row, payload, sparse in zip(ids, rows, payloads, named or [_ALONE] * len(ids), strict=True):
        point = messages.PointStruct(id=messages.PointId(uuid=key), payload=payload_to_grpc(payload))
        head, tail = _around_vector(dimension, sparse) if sparse else (_head_of_vector(dimension), b"")
        start = point.SerializeToString() + head
        parts += (_POINTS, _varint(len(start) + row.nbytes + len(tail)), start, row.tobytes(), tail)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _head_of_vector(dimension: int) -> bytes:
    """What stands before the numbers of a point's vector, as this version of the client writes it."""
    vectors = RestToGrpc.convert_vector_struct([0.0] * dimension).SerializeToString()
    return _VECTORS + _varint(len(vectors)) + bytes(vectors[: len(vectors) - 4 * dimension])


def _around_vector(dimension: int, others: Named) -> tuple[bytes, bytes]:
    """What stands before and behind the numbers of a vector beside which a point has others."""
    entry, tail = _head_of_entry(dimension), _named(others).vectors.SerializeToString()
    size = len(entry) + 4 * dimension + len(tail)
    named = _NAMED + _varint(size) + entry
    return _VECTORS + _varint(len(named) - len(entry) + size) + named, tail


@lru_cache(maxsize=64)
def _head_of_entry(dimension: int) -> bytes:
    """What stands before the numbers of a vector among named ones."""
    named = RestToGrpc.convert_vector_struct({OWN: [0.0] * dimension}).vectors.SerializeToString()
    return bytes(named[: len(named) - 4 * dimension])


def _named(others: Named) -> Any:
    """Sparse vectors alone, as the vectors of a point."""
    return RestToGrpc.convert_vector_struct({name: as_model(sparse) for name, sparse in others.items()})


def words_update(collection: str, words: Mapping[str, Sparse]) -> Any:
    """An UpdatePointVectors that replaces the words of points, and leaves their own vectors."""
    points = [
        messages.PointVectors(id=messages.PointId(uuid=key), vectors=_named({TERMS: sparse}))
        for key, sparse in words.items()
    ]
    return messages.UpdatePointVectors(collection_name=collection, wait=True, points=points)


def sparse_query(
    collection: str, sparse: Sparse, chosen: Spelled, *, using: str, limit: int, selection: Selection
) -> bytes:
    """A QueryPoints by the sparse vectors of one name, in wire form."""
    numbers, values = sparse
    asked = messages.SparseVector(indices=numbers, values=values)
    request: bytes = messages.QueryPoints(
        collection_name=collection,
        query=messages.Query(nearest=messages.VectorInput(sparse=asked)),
        using=using,
        filter=filter_of(chosen),
        limit=limit,
        with_payload=payload_selector(selection),
        with_vectors=vectors_selector(selection),
    ).SerializeToString()
    return request


def query(
    collection: str, vector: FloatVector, chosen: Spelled, *, limit: int, depth: Depth, selection: Selection
) -> bytes:
    """A QueryPoints in wire form."""
    numbers = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    asked = _head_of_query(len(vector)) + numbers
    parts = [
        _query_without_vector(collection, limit, depth=depth, selection=selection),
        _QUERY,
        _varint(len(asked)),
        asked,
    ]
    if chosen is not None:
        condition = filter_of(chosen).SerializeToString()
        parts += (_FILTER, _varint(len(condition)), condition)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _head_of_query(dimension: int) -> bytes:
    nearest = messages.VectorInput(dense=messages.DenseVector(data=[0.0] * dimension))
    whole = messages.Query(nearest=nearest).SerializeToString()
    return bytes(whole[: len(whole) - 4 * dimension])


@lru_cache(maxsize=256)
def _query_without_vector(collection: str, limit: int, *, depth: Depth, selection: Selection) -> bytes:
    found: bytes = messages.QueryPoints(
        collection_name=collection,
        params=depth.parameters(),
        limit=limit,
        with_payload=payload_selector(selection),
        with_vectors=vectors_selector(selection),
    ).SerializeToString()
    return found


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def overwrite(collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> Any:
    """An UpdateBatchPoints that replaces payloads."""
    operations = [
        messages.PointsUpdateOperation(
            overwrite_payload=messages.PointsUpdateOperation.OverwritePayload(
                payload=payload_to_grpc(payload), points_selector=selector([key])
            )
        )
        for key, payload in payloads.items()
    ]
    return messages.UpdateBatchPoints(collection_name=collection, wait=True, operations=operations)


def ids_of(ids: Iterable[str | int]) -> list[Any]:
    """Ids as Qdrant has them: UUIDs, and numbers of others."""
    return [messages.PointId(num=one) if isinstance(one, int) else messages.PointId(uuid=one) for one in ids]


def selector(ids: Sequence[str]) -> Any:
    """Points by id."""
    return messages.PointsSelector(points=messages.PointsIdsList(ids=ids_of(ids)))


def payload_selector(selection: Selection) -> Any:
    """Which fields of a payload are returned."""
    if selection.payloads and not selection.foreign:
        return _RECORD
    return messages.WithPayloadSelector(enable=selection.payloads)


def vectors_selector(selection: Selection) -> Any:
    """Which vectors are returned, if any."""
    if selection.vectors and selection.named:
        return messages.WithVectorsSelector(include=messages.VectorsSelector(names=[OWN]))
    return messages.WithVectorsSelector(enable=selection.vectors)


def filter_of(chosen: Spelled) -> Any:
    """A filter of `filters.spell`; None for None."""
    return None if chosen is None else messages.Filter(**_filter(chosen))


def _filter(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [_condition(part) for part in parts] for name, parts in chosen.items()}


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    if "nested" in condition:
        nested = condition["nested"]
        return {"nested": {"key": nested["key"], "filter": _filter(nested["filter"])}}
    if "key" not in condition:
        return {"filter": _filter(condition)}
    if "range" in condition:
        return {"field": {"key": condition["key"], "range": condition["range"]}}
    match = condition["match"]
    found = {"keywords": {"strings": match["any"]}} if "any" in match else {"keyword": match["value"]}
    return {"field": {"key": condition["key"], "match": found}}
