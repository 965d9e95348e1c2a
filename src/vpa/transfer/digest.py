"""A fingerprint of a collection, scope by scope, that does not depend on the order in which a store returns records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, unit_rows
from vpa.base.records import CollectionInfo, Metric, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.base.sparse import sparse_to_json
from vpa.client.collection import Collection

_MODULUS: Final = 2**256  # Sums of SHA-256 digests, so that the order of records does not count.
_SAMPLES_EACH: Final = 5  # Records a scope that are compared by search, those with the least digests.
_PAGE: Final = 1000  # Rows read at once.


@dataclass(slots=True)
class ScopeDigest:
    """One scope: how many records, and sums of hashes (BLAKE2b, modulo 2**256) over ids, over content, over vectors.

    `samples` are vectors to try searches with: those of the records with the least hashes, so both sides take the same.
    """

    count: int = 0
    ids: int = 0
    content: int = 0
    vectors: int = 0
    samples: list[tuple[int, np.ndarray[Any, Any]]] = field(default_factory=list)

    def differences(self, other: ScopeDigest) -> list[str]:
        """In which parts they differ."""
        parts = [f"{self.count} and {other.count} records"] if self.count != other.count else []
        return parts + [name for name in ("ids", "content", "vectors") if getattr(self, name) != getattr(other, name)]

    def to_json(self) -> dict[str, Any]:
        """Counts, and sums as hexadecimal digits."""
        return {"count": self.count, **{name: f"{getattr(self, name):064x}" for name in ("ids", "content", "vectors")}}


async def digest(
    collection: Collection, *, progress: Callable[[int], None] = lambda count: None
) -> dict[Scope, ScopeDigest]:
    """Read the whole collection once; memory holds a page. `progress` is told how many records each page held."""
    found: dict[Scope, ScopeDigest] = {}
    async for batch in collection.scan_batches(scope=ALL_SCOPES, batch_size=_PAGE):
        _add(found.setdefault(batch.scope or Scope(), ScopeDigest()), batch, collection.info)
        progress(len(batch))
    return found


def digest_of(batch: RecordBatch, info: CollectionInfo) -> ScopeDigest:
    """Of the records of one batch with vectors."""
    found = ScopeDigest()
    _add(found, batch, info)
    return found


def comparable(vectors: FloatMatrix, info: CollectionInfo) -> FloatMatrix:
    """Vectors as vpa stores them: of unit length for cosine, also those that others wrote. `-0.0` is 0."""
    if info.metric is not Metric.COSINE:
        return vectors + np.float32(0)
    zero = np.logical_not(vectors.any(axis=1))
    return unit_rows(np.where(zero.reshape(-1, 1), np.float32(1), vectors)) + np.float32(0)


def content_of(batch: RecordBatch, position: int) -> bytes:
    """Text, metadata, system fields and sparse vector of one record as canonical JSON: keys sorted, types kept."""
    record = batch.record(position)
    parts: list[Any] = [record.id, record.text, dict(record.metadata), dict(record.system)]
    if record.sparse:
        parts.append(sparse_to_json(record.sparse))
    return json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _add(total: ScopeDigest, batch: RecordBatch, info: CollectionInfo) -> None:
    vectors = comparable(np.asarray(batch.vectors, dtype=np.float32), info)
    for position, record_id in enumerate(batch.ids):
        name = record_id.encode()
        number = _hash(b"id", name)
        total.count += 1
        total.ids = (total.ids + number) % _MODULUS
        total.content = (total.content + _hash(b"content", content_of(batch, position))) % _MODULUS
        total.vectors = (total.vectors + _hash(b"vector", name, vectors[position].tobytes())) % _MODULUS
        if len(total.samples) < _SAMPLES_EACH or number < total.samples[-1][0]:
            total.samples.append((number, vectors[position].copy()))
            total.samples.sort(key=lambda sample: sample[0])
            del total.samples[_SAMPLES_EACH:]


def _hash(*parts: bytes) -> int:
    state = blake2b(digest_size=32)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return int.from_bytes(state.digest(), "little")
