"""A record as it is stored: a native key, a *payload*, the only thing that is read back, and what filters look at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from vpa.base.arrays import FloatMatrix
from vpa.base.metadata import Scalar, leaves
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope
from vpa.filters.ast import Field
from vpa.stores.layout.index import Index, index_of
from vpa.stores.layout.sharing import DEFAULT_SCOPE
from vpa.stores.layout.sparse import FIELD, written
from vpa.stores.layout.tokens import TOKEN_LENGTH, record_key
from vpa.stores.layout.words import RowWords, WordsOf


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it is stored.

    `document` is the payload as a mapping (`id`, and where they are there `text`, `metadata`, `system`, `scope` and the
    sparse vector), and `payload` the same as JSON text. `values`: each field that has values, with them. `index` is
    empty on stores that filter by fields of their own. `words`: where the collection has a keyword index. `sparse`:
    None where the collection holds no sparse vectors, empty for a record that has none.
    """

    key: str
    id: str
    document: Mapping[str, Any]
    payload: str
    values: Sequence[tuple[Field, Sequence[Scalar]]]
    index: Index
    native: dict[str, Any] = field(default_factory=dict)
    words: RowWords | None = None
    sparse: Mapping[int, float] | None = None

    @property
    def size_bytes(self) -> int:
        """About what it takes on the wire, without the vector."""
        index = self.index
        size = 200 + len(self.payload) + (0 if self.words is None else _TERM_BYTES * len(self.words.counts))
        size += _TERM_BYTES * len(self.sparse or ())
        if not index.tokens:
            # Fields of the store: names, values, and the order of texts.
            return size + sum(120 * len(members) for _, members in self.values)
        texts = sum(len(low) + len(high) + 150 for low, high in index.strings.values())
        return size + (TOKEN_LENGTH + 4) * len(index.tokens) + 90 * len(index.numbers) + texts


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one scope, ready to be written; `vectors` `(n, d) float32`, or None to leave the stored ones alone."""

    scope: Scope
    rows: Sequence[Row]
    vectors: FloatMatrix | None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.scope, self.rows[part], None if self.vectors is None else self.vectors[part])

    @property
    def keys(self) -> list[str]:
        """The native key of each row, in order."""
        return [row.key for row in self.rows]

    @property
    def ids(self) -> list[str]:
        """The ids that the user gave."""
        return [row.id for row in self.rows]


def encode(
    batch: RecordBatch,
    *,
    scope: Scope,
    native_fields: Sequence[str] = (),
    indexed: bool = True,
    words: WordsOf | None = None,
    sparse: bool = False,
) -> Rows:
    """The rows of a checked batch; raises InvalidRecordError for a record that has too many values to index.

    `indexed`: with tokens and companions. `words`: what takes the words of a record. `sparse`: the
    collection holds sparse vectors.
    """
    rows = [
        _row(
            batch.ids[position],
            scope=scope,
            text=None if batch.texts is None else batch.texts[position],
            metadata={} if batch.metadata is None else batch.metadata[position],
            system={} if batch.system is None else batch.system[position],
            native_fields=native_fields,
            indexed=indexed,
            words=words,
            sparse=_sparse(batch, position) if sparse else None,
        )
        for position in range(len(batch))
    ]
    return Rows(scope, rows, batch.vectors)


def _row(
    record_id: str,
    *,
    scope: Scope,
    text: str | None,
    metadata: Mapping[str, Any],
    system: Mapping[str, Scalar],
    native_fields: Sequence[str],
    indexed: bool,
    words: WordsOf | None,
    sparse: Mapping[int, float] | None,
) -> Row:
    values: list[tuple[Field, Sequence[Scalar]]] = []
    native: dict[str, Any] = {}
    for path, members in leaves(metadata):
        values.append((_field(path), members))
        if path in native_fields:
            native[path] = members if len(members) > 1 else members[0]
    values += [(Field(name, system=True), [value]) for name, value in system.items() if value is not None]
    stored: dict[str, Any] = {"id": record_id}
    optional: dict[str, Any] = {
        "text": text,
        "metadata": metadata or None,
        "system": system or None,
        # The default scope is not worth a word.
        "scope": [scope.tenant, scope.namespace] if scope != DEFAULT_SCOPE else None,
        FIELD: written(sparse) if sparse else None,
    }
    stored |= {name: part for name, part in optional.items() if part is not None}
    index = index_of(record_id, values) if indexed else _NO_INDEX
    taken = None if words is None else words(text, system)
    return Row(record_key(scope, record_id), record_id, stored, _dump(stored), values, index, native, taken, sparse)


def _sparse(batch: RecordBatch, position: int) -> Mapping[int, float]:
    return {} if batch.sparse is None else batch.sparse[position] or {}


_NO_INDEX: Final = Index()
# A term on the wire: a number and what it adds, or its name.
_TERM_BYTES: Final = 22
_field: Final = lru_cache(maxsize=4096)(Field)
_dump: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def parts(
    rows: Rows, *, max_records: int, max_bytes: int, vector_bytes: int, bytes_of_number: int = 0
) -> Iterable[Rows]:
    """Divide by number of records and by bytes; a single record may be larger, the store will say so."""
    start, size = 0, 0
    for position, row in enumerate(rows.rows):
        weight = row.size_bytes + vector_bytes + bytes_of_number * len(row.index.numbers)
        if position > start and (position - start >= max_records or size + weight > max_bytes):
            yield rows[start:position]
            start, size = position, 0
        size += weight
    if start < len(rows):
        yield rows[start:]
