"""Records as rows of a table, and back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import ProviderError
from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.stores.pgvector.filters import dump, flatten
from vpa.stores.pgvector.words import WORDS, worder

COLUMNS = ("tenant", "namespace", "id", "embedding", "text", "metadata", "system", "m")


def columns_of(info: CollectionInfo) -> tuple[str, ...]:
    """The columns of a collection's table that are written."""
    return COLUMNS if info.keywords is None else (*COLUMNS, WORDS)


# As PostgreSQL sends it: without a Python object a vector.
VECTOR = "vector_send(embedding) AS embedding"


class IncomingRows:
    """The records of a batch as tuples in the order of `columns_of`, made when they are sent; in id order, so that two
    writers wait for each other, not both.
    """

    def __init__(self, batch: RecordBatch, scope: Scope, keywords: KeywordIndex | None = None) -> None:
        self.scope = scope
        self._spell = worder(keywords)
        self._batch = batch
        self._order = sorted(range(len(batch)), key=batch.ids.__getitem__)
        self.ids = [batch.ids[position] for position in self._order]

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        batch, scope = self._batch, self.scope
        for position in self._order:
            metadata = {} if batch.metadata is None else batch.metadata[position]
            system = {} if batch.system is None else batch.system[position]
            text = None if batch.texts is None else batch.texts[position]
            row = (
                scope.tenant,
                scope.namespace,
                batch.ids[position],
                None if batch.vectors is None else batch.vectors[position],
                text,
                dump(metadata),
                dump(system) if system else "{}",
                flatten(metadata, system),
            )
            yield row if self._spell is None else (*row, self._spell(text, system))


def records_of(rows: Sequence[Any], *, dimension: int, with_vectors: bool) -> list[Record]:
    """Records from rows with id, text, metadata and system, and what `VECTOR` selects where it was asked for."""
    vectors = vectors_of(rows, dimension) if with_vectors else None
    return [
        Record(
            row["id"],
            vector=None if vectors is None else vectors[position],
            text=row["text"],
            metadata=metadata,
            system=system,
        )
        for position, (row, metadata, system) in enumerate(
            zip(rows, json_of(rows, "metadata"), json_of(rows, "system"), strict=True)
        )
    ]


def json_of(rows: Sequence[Any], column: str) -> list[dict[str, Any]]:
    """The objects of a column: many are read at once, a row that others changed is looked for afterwards."""
    texts = [row[column] for row in rows]
    if not any(text != "{}" for text in texts):
        return [{} for _ in texts]
    with contextlib.suppress(ValueError, TypeError):
        found: list[dict[str, Any]] = json.loads(f"[{','.join(texts)}]")
        if len(found) == len(texts):
            return found
    return [_one_of(row, column) for row in rows]


def _one_of(row: Any, column: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(row[column])
    except (TypeError, ValueError) as error:
        raise ProviderError(f"the {column} of record {row['id']!r} was changed by others: it is no JSON") from error
    return found


def vectors_of(rows: Sequence[Any], dimension: int) -> FloatMatrix:
    """The vectors of rows in which `VECTOR` was selected: two numbers of 16 bits, then float32, big-endian."""
    texts = [row["embedding"] for row in rows]
    width = 4 + 4 * dimension
    strange = next((len(text) for text in texts if len(text) != width), None)
    if strange is not None:
        raise ProviderError(f"the store returned a vector of {(strange - 4) // 4} numbers, not {dimension}")
    stored = np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(len(texts), width)
    found: FloatMatrix = np.ascontiguousarray(stored[:, 4:]).view(">f4").astype(np.float32)
    if not np.isfinite(found).all():
        raise ProviderError("the store returned a vector that is not finite")
    return found
