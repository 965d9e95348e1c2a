"""A collection's rows as the sections of a snapshot, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import LANGUAGES
from vpa.base.arrays import FloatMatrix, RowMask, RowNumbers
from vpa.base.index_options import Quantization
from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, Metric
from vpa.base.scope import Scope
from vpa.engine.columns import Column, ColumnKey, Columns
from vpa.engine.growable import GrowableArray, Heap, Packed
from vpa.engine.indexes.base import Dump, Part
from vpa.engine.lexical.index import WordDump, WordIndex
from vpa.engine.lexical.postings import Postings
from vpa.engine.persist.manifest import SnapshotEntry
from vpa.engine.persist.snapshot import Snapshot, SnapshotWriter
from vpa.engine.quant.scalar import CodedRows, Scalar
from vpa.engine.ranking import Entries, form_of
from vpa.engine.rows import RowStore
from vpa.engine.vectors import CodedBlock, FileBlock, FloatBlock, Vectors
from vpa.engine.view import View
from vpa.filters.ast import Field


def write_view(writer: SnapshotWriter, view: View, *, sequence: int, index: Dump | None = None) -> SnapshotEntry:
    """Write the live rows of `view`; `sequence` is the last change that they contain, `index` is of the same rows."""
    rows = view.rows
    live = np.ones(view.count, dtype=np.bool_) if view.live is None else view.live
    numbers = np.flatnonzero(live)
    _write_vectors(writer, view, numbers)
    writer.add_bytes("ids", "\0".join(rows.ids[row] for row in numbers.tolist()).encode())
    writer.add_array("scopes", rows.scope_column(view.count)[live])
    for name, heap in (("texts", rows.texts), ("metadata", rows.metadata), ("system", rows.system)):
        lengths, blob = heap.packed(numbers)
        writer.add_array(f"{name}.lengths", lengths)
        writer.add_bytes(f"{name}.bytes", blob)
    if rows.vectors.metric is Metric.EUCLIDEAN:
        writer.add_array("half_squares", rows.half_squares.prefix(view.count)[live])
    if index is not None:
        for number, part in enumerate(index.parts):
            writer.add_bytes(f"index.{number}", part.codes)
            if part.centre is not None:
                writer.add_array(f"index.{number}.centre", part.centre)
    described = _write_columns(writer, rows.columns.compacted(live))
    words = None if rows.words is None else _write_words(writer, rows.words, live)
    return writer.finish(
        {
            "sequence": sequence,
            "rows": len(numbers),
            "scopes": [[scope.tenant, scope.namespace] for scope in rows.scopes],
            "largest_norm": rows.largest_norm.hex(),
            "columns": described,
            "words": words,
            "fidelity": rows.vectors.fidelity,
            "index": None if index is None else {**index.facts, "parts": [dict(part.facts) for part in index.parts]},
        }
    )


def _write_vectors(writer: SnapshotWriter, view: View, numbers: RowNumbers) -> None:
    vectors = view.rows.vectors
    if not vectors.is_coded or vectors.scalar is None:
        parts = _live_blocks(view, numbers)
        writer.add_arrays("vectors", parts, dtype=np.float32, shape=(len(numbers), vectors.dimension))
        return
    coded = vectors.select(numbers)
    if isinstance(coded, CodedRows):
        writer.add_array("vectors.codes", coded.codes)
        writer.add_array("vectors.scales", coded.scales)
        writer.add_array("vectors.centre", vectors.scalar.centre)


def _live_blocks(view: View, numbers: RowNumbers) -> Iterator[FloatMatrix]:
    for first, matrix in view.rows.vectors.matrices(view.count):
        inside = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, first + len(matrix))] - first
        if len(inside) == len(matrix):
            yield matrix
        else:
            for start in range(0, len(inside), 8192):
                yield matrix[inside[start : start + 8192]]


def _write_columns(writer: SnapshotWriter, columns: Columns) -> list[dict[str, Any]]:
    described = []
    for number, ((field, kind), column) in enumerate(columns.items()):
        entries = column.entries(np.iinfo(np.int32).max)
        writer.add_array(f"columns.{number}.rows", entries.rows)
        writer.add_array(f"columns.{number}.codes", entries.codes)
        writer.add_bytes(f"columns.{number}.values", json.dumps(column.values, ensure_ascii=False).encode())
        described.append({"path": field.path, "system": field.system, "kind": kind})
    return described


def _write_words(writer: SnapshotWriter, words: WordIndex, live: RowMask) -> dict[str, Any]:
    lengths, terms, postings = words.dump(live)
    writer.add_array("words.lengths", lengths)
    writer.add_bytes("words.terms", "\0".join(terms).encode())
    for name in Postings._fields:
        writer.add_array(f"words.{name}", getattr(postings, name))
    return words.analyser.identity.to_json()


def _read_words(snapshot: Snapshot) -> WordIndex | None:
    """None also where another analyser made them: they are taken from the texts again."""
    facts = snapshot.facts.get("words")
    identity = KeywordIndex.from_json(facts)
    if identity is None or identity.language not in LANGUAGES:
        return None
    analyser = analyser_of(identity.language)
    if analyser.identity != identity:
        return None
    joined = bytes(snapshot.bytes_of("words.terms")).decode()
    postings = Postings(*(snapshot.array(f"words.{name}") for name in Postings._fields))
    dump = WordDump(snapshot.array("words.lengths"), joined.split("\0") if joined else [], postings)
    return WordIndex.restored(analyser, dump)


def read_index(snapshot: Snapshot) -> Dump | None:
    """The dump of an index that `write_view` was given."""
    facts = snapshot.facts.get("index")
    if facts is None:
        return None
    parts = []
    for number, described in enumerate(facts["parts"]):
        centre = f"index.{number}.centre"
        parts.append(
            Part(
                described,
                snapshot.array(centre) if snapshot.has(centre) else None,
                snapshot.bytes_of(f"index.{number}"),
            )
        )
    return Dump(facts, parts)


def filed_vectors(snapshot: Snapshot, dimension: int) -> FileBlock:
    """The vectors of a snapshot, read when they are asked for."""
    rows = snapshot.rows_of("vectors")
    return FileBlock(rows, rows.count, dimension)


def _read_vectors(snapshot: Snapshot, info: CollectionInfo) -> Vectors:
    if snapshot.has("vectors.codes"):
        scalar = Scalar(info.index.quantization, snapshot.array("vectors.centre"), info.metric is Metric.COSINE)
        vectors = Vectors(info.dimension, info.metric, info.index, scalar=scalar)
        coded = CodedRows(snapshot.array("vectors.codes"), snapshot.array("vectors.scales"))
        vectors.add_block(CodedBlock(scalar, coded, 0, len(coded)))
        seen = snapshot.facts.get("fidelity")
        vectors.fidelity = None if seen is None else (float(seen[0]), int(seen[1]))
        return vectors
    vectors = Vectors(info.dimension, info.metric, info.index)
    if not snapshot.has("vectors"):
        return vectors
    if info.index.quantization is not Quantization.NONE:
        vectors.add_block(filed_vectors(snapshot, info.dimension))
    else:
        matrix = snapshot.array("vectors")
        vectors.add_block(FloatBlock(matrix, 0, len(matrix)))
    return vectors


def read_rows(snapshot: Snapshot, info: CollectionInfo) -> RowStore:
    """The rows that `write_view` wrote; vectors, texts and columns stay on the mapped file."""
    facts = snapshot.facts
    rows = RowStore.of(info)
    rows.scopes = [Scope(tenant, namespace) for tenant, namespace in facts["scopes"]]
    rows.vectors = _read_vectors(snapshot, info)
    rows.largest_norm = float.fromhex(facts["largest_norm"])
    if snapshot.has("half_squares"):
        rows.half_squares.extend(snapshot.array("half_squares"))
    rows.ids = bytes(snapshot.bytes_of("ids")).decode().split("\0") if facts["rows"] else []
    rows.scope_codes = GrowableArray(snapshot.array("scopes"))
    rows.texts, rows.metadata, rows.system = (
        Heap(Packed(snapshot.array(f"{name}.lengths"), snapshot.bytes_of(f"{name}.bytes")))
        for name in ("texts", "metadata", "system")
    )
    rows.words = _read_words(snapshot)
    for number, described in enumerate(facts["columns"]):
        values = json.loads(bytes(snapshot.bytes_of(f"columns.{number}.values")))
        entries = Entries(snapshot.array(f"columns.{number}.rows"), snapshot.array(f"columns.{number}.codes"))
        field = Field(described["path"], described["system"])
        key = ColumnKey(field, described["kind"])
        rows.columns.add(key, Column(values, entries, form_of(*key)))
    return rows
