"""The rows of a collection, append-only: vectors in blocks, ids, scopes, texts, metadata and the columns over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vpa.base.arrays import FloatMatrix, IntColumn, RowNumbers
from vpa.base.distances import half_squares
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.engine.columns import Columns
from vpa.engine.growable import Buffer, GrowableArray, Heap, Packed
from vpa.engine.jsontext import dumps, loads
from vpa.engine.lexical.index import WordIndex
from vpa.engine.quant.scalar import CodedRows
from vpa.engine.slices import sliced
from vpa.engine.vectors import Vectors


def encode_mapping(mapping: Mapping[str, Any]) -> bytes:
    """Canonical metadata as compact JSON in UTF-8, nothing for an empty one; lossless for every value that SEMANTICS
    allows.
    """
    return dumps(mapping) if mapping else b""


def encode_mappings(mappings: Iterable[Mapping[str, Any]]) -> Packed:
    """As `encode_mapping`, of many."""
    return Packed.of(map(encode_mapping, mappings))


def decode_mapping(encoded: Buffer | None) -> dict[str, Any]:
    """What `encode_mapping` was given."""
    if not encoded:
        return {}
    decoded: dict[str, Any] = loads(encoded)
    return decoded


def _decoded(encoded: Sequence[Buffer | None]) -> list[dict[str, Any]]:
    return list(map(decode_mapping, encoded))


@dataclass(slots=True)
class NewRows:
    """Columns to append, all of one length: vectors as they are stored, texts and mappings packed."""

    ids: Sequence[str]
    vectors: FloatMatrix | CodedRows
    texts: Packed
    metadata: Packed
    system: Packed
    parsed_metadata: Sequence[Mapping[str, Any]] | None = None
    parsed_system: Sequence[Mapping[str, Any]] | None = None


@dataclass(slots=True)
class RowStore:
    """Appended to under the memory rule of `engine.writer.Writer`."""

    vectors: Vectors
    ids: list[str] = field(default_factory=list)
    scope_codes: GrowableArray = field(default_factory=lambda: GrowableArray(np.empty(0, dtype=np.int32)))
    scopes: list[Scope] = field(default_factory=list)
    texts: Heap = field(default_factory=Heap)
    metadata: Heap = field(default_factory=Heap)
    system: Heap = field(default_factory=Heap)
    columns: Columns = field(default_factory=Columns)
    half_squares: GrowableArray = field(default_factory=lambda: GrowableArray(np.empty(0, dtype=np.float32)))
    largest_norm: float = 0.0
    # Of the texts; None until somebody asks for words.
    words: WordIndex | None = None

    @classmethod
    def of(cls, info: CollectionInfo) -> RowStore:
        """For a new collection."""
        return cls(Vectors(info.dimension, info.metric, info.index))

    def successor(self) -> RowStore:
        """No rows yet, and the same way to keep them."""
        return RowStore(self.vectors.successor(), scopes=list(self.scopes))

    @property
    def count(self) -> int:
        """How many rows there are, dead ones included."""
        return len(self.ids)

    @property
    def largest_bytes(self) -> int:
        """No row's text and metadata take more, together."""
        return self.texts.largest + self.metadata.largest + self.system.largest

    def scope_code(self, scope: Scope) -> int:
        """The number of a scope, a new one if it was not there."""
        if scope not in self.scopes:
            self.scopes.append(scope)
        return self.scopes.index(scope)

    def append(self, new: NewRows, scope: Scope) -> int:
        """Append rows and return the number of the first."""
        first = self.count
        metadata = new.parsed_metadata
        if metadata is None:
            metadata = sliced(new.metadata.unpack(), _decoded)
        system = new.parsed_system
        if system is None and len(new.system.blob):
            system = sliced(new.system.unpack(), _decoded)
        self.columns.append(first, metadata, system)
        return self.append_plain(new, np.full(len(new.ids), self.scope_code(scope), dtype=np.int32))

    def _append_vectors(self, vectors: FloatMatrix | CodedRows) -> None:
        first = self.count
        self.vectors.append(vectors)
        if self.vectors.metric is Metric.COSINE:
            self.largest_norm = 1.0 + 1e-6
        elif self.vectors.is_coded:
            self._note_norms(self.vectors.gather(np.arange(first, first + len(vectors))))
        else:
            self._note_norms(vectors)  # type: ignore[arg-type]

    def _note_norms(self, vectors: FloatMatrix) -> None:
        halves = half_squares(vectors)
        if len(halves):
            self.largest_norm = max(self.largest_norm, float(np.sqrt(2 * halves.max())))
        if self.vectors.metric is Metric.EUCLIDEAN:
            with np.errstate(over="ignore"):
                self.half_squares.extend(halves.astype(np.float32))

    def gather(self, rows: RowNumbers) -> FloatMatrix:
        """The vectors of these rows, in their order, as a new `(len(rows), d)` matrix."""
        return self.vectors.gather(rows)

    def scope_column(self, row_count: int) -> IntColumn:
        """Scope number of each row."""
        return self.scope_codes.prefix(row_count)

    def texts_of(self, numbers: Sequence[int]) -> list[str | None]:
        """The texts of these rows."""
        return [None if stored is None else str(stored, "utf-8") for stored in self.texts.take(numbers)]

    def metadata_of(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """The metadata of these rows."""
        return [decode_mapping(stored) for stored in self.metadata.take(numbers)]

    def system_of(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """The system fields of these rows."""
        if self.system.is_blank:
            return [{} for _ in numbers]
        return [decode_mapping(stored) for stored in self.system.take(numbers)]

    def select(self, rows: RowNumbers) -> NewRows:
        """A copy of these rows' columns."""
        return NewRows(
            ids=[self.ids[row] for row in rows.tolist()],
            vectors=self.vectors.select(rows),
            texts=self.texts.packed(rows),
            metadata=self.metadata.packed(rows),
            system=self.system.packed(rows),
        )

    def append_plain(self, new: NewRows, scopes: IntColumn) -> int:
        """As `append`, of rows of several scopes, given by their numbers, and leaving the columns of metadata to the
        caller.
        """
        first = self.count
        self._append_vectors(new.vectors)
        self.scope_codes.extend(scopes)
        self.texts.extend(new.texts)
        self.metadata.extend(new.metadata)
        self.system.extend(new.system)
        self.ids.extend(new.ids)
        return first
