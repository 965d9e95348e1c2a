"""Records as rows of a table, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from vpa.base.arrays import FloatVector
from vpa.base.errors import ProviderError
from vpa.base.records import Record, RecordBatch
from vpa.base.scope import Scope
from vpa.stores.pgvector.filters import dump, flatten

COLUMNS = ("tenant", "namespace", "id", "embedding", "text", "metadata", "system", "m")


def rows_of(batch: RecordBatch, scope: Scope) -> Iterator[tuple[Any, ...]]:
    """One tuple a record, in the order of COLUMNS; in id order, so that two writers wait for each other, not both."""
    for position in sorted(range(len(batch)), key=batch.ids.__getitem__):
        metadata = {} if batch.metadata is None else batch.metadata[position]
        system = {} if batch.system is None else batch.system[position]
        yield (
            scope.tenant,
            scope.namespace,
            batch.ids[position],
            None if batch.vectors is None else batch.vectors[position],
            None if batch.texts is None else batch.texts[position],
            dump(metadata),
            dump(system),
            flatten(metadata, system),
        )


def record_of(row: Any, *, dimension: int, with_vector: bool) -> Record:
    """A record from a row with id, text, metadata and system, and embedding where it was asked for."""
    vector = vector_of(row["embedding"], dimension) if with_vector else None
    try:
        metadata, system = json.loads(row["metadata"]), json.loads(row["system"])
    except (TypeError, ValueError) as error:
        raise ProviderError(f"the metadata of record {row['id']!r} was changed by others: it is no JSON") from error
    return Record(row["id"], vector=vector, text=row["text"], metadata=metadata, system=system)


def vector_of(value: Any, dimension: int) -> FloatVector:
    """A vector as pgvector's codec gives it."""
    values = value.to_numpy() if hasattr(value, "to_numpy") else value
    found: FloatVector = np.asarray(values, dtype=np.float32)
    if found.shape != (dimension,) or not np.isfinite(found).all():
        raise ProviderError(f"the store returned a vector of shape {found.shape}, or one that is not finite")
    return found
