"""A Parquet file into a collection: read and checked to its end, then written: bad input never half applies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpa.base.arguments import explained
from vpa.base.errors import ConfigurationError, InvalidRecordError
from vpa.base.frames import conversion_of
from vpa.base.metadata import canonical_metadata
from vpa.base.records import CollectionInfo, Metric, RecordBatch
from vpa.base.scope import Scope
from vpa.base.validation import check_batch
from vpa.client.arguments import check_manager, check_name
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.kit.threads import Workers
from vpa.transfer.destination import create_like
from vpa.transfer.parquet.format import (
    COLUMNS,
    DIGEST_KEY,
    INFO_KEY,
    ROWS,
    SPARSE,
    ContentDigest,
    columns_of,
    damaged,
    pyarrow,
    reading,
)


@explained
async def import_parquet(
    manager: VectorDatabaseManager,
    path: str | Path,
    *,
    collection: str | None = None,
    metric: str = "cosine",
    progress: Callable[[int], None] = lambda count: None,
    converted: Callable[[str], None] = lambda sentence: None,
) -> int:
    """Write a file's records into a collection, made if it is missing; returns how many.

    A file of others needs a column `id` and a column `vector` of lists of numbers; `text` is taken as text, every
    other column as metadata, and `metric` says how the vectors compare. The file is read twice: nothing is written, and
    no collection made, before all of it is checked. `converted` is then told, in a sentence each, of the columns of
    others whose values change their type. Raises ConfigurationError, InvalidRecordError, and StorageCorruptedError for
    a file of vpa that is not as it was written.
    """
    check_manager(manager, function="import_parquet", argument="manager")
    name = None if collection is None else check_name(collection, function="import_parquet", argument="collection")
    workers = Workers(size=1, name="vpa-parquet")
    try:
        source = await workers.run(_Source, path, Metric.parse(metric))
        info = await workers.run(source.check)
        target = await _target(manager, info, name=name, ours=source.ours)
        for sentence in source.conversions:
            converted(sentence)
        written = 0
        batches = source.batches()
        while target is not None and (batch := await workers.run(next, batches, None)) is not None:
            await target.upsert(batch, scope=batch.scope or Scope())
            written += len(batch)
            progress(len(batch))
        return written
    finally:
        await workers.close()


async def _target(
    manager: VectorDatabaseManager, info: CollectionInfo | None, *, name: str | None, ours: bool
) -> Collection | None:
    if info is None:
        return None
    if ours:
        return await create_like(manager, info, name=name or info.name)
    return await manager.create_collection(
        name or manager.config.index_name, dimension=info.dimension, metric=info.metric, exist_ok=True
    )


class _Source:
    """A file on the disk. Its methods block."""

    def __init__(self, path: str | Path, metric: Metric) -> None:
        self._path = path
        self._metric = metric
        with reading(path), self._opened() as file:
            self._facts = {**(file.schema_arrow.metadata or {}), **(file.metadata.metadata or {})}
            names = list(file.schema_arrow.names)
            schema = file.schema_arrow
        self.ours = bool({INFO_KEY, DIGEST_KEY} & set(self._facts)) or names[: len(COLUMNS)] == list(COLUMNS)
        if self.ours and (missing := self._missing(names)):
            raise damaged(path, f"it lacks {', '.join(missing)}")
        if "id" not in names or "vector" not in names:
            raise ConfigurationError(f"{str(path)!r} has columns {', '.join(names)}; it needs id and vector")
        if not self.ours:
            _check_types(path, schema)
        self.conversions = [] if self.ours else _conversions(schema)
        self._columns: Sequence[str] = COLUMNS

    def _missing(self, names: list[str]) -> list[str]:
        facts = [key.decode() for key in (INFO_KEY, DIGEST_KEY) if key not in self._facts]
        return facts + [f"column {name}" for name in COLUMNS if name not in names]

    def _opened(self) -> Any:
        return pyarrow().parquet.ParquetFile(self._path, page_checksum_verification=True)

    def check(self) -> CollectionInfo | None:
        """Read all of it as for writing; returns the collection that it needs, None for no records of others."""
        with reading(self._path, ours=self.ours):
            return self._check_ours() if self.ours else self._check_of_others()

    def _check_ours(self) -> CollectionInfo:
        try:
            info = CollectionInfo.from_json(json.loads(self._facts[INFO_KEY]))
        except (ValueError, TypeError, LookupError) as error:
            raise damaged(self._path, "what it says of its collection cannot be read") from error
        self._columns = columns_of(info)
        digest = ContentDigest(self._facts[INFO_KEY], self._columns)
        for batch in self._read(digest):
            check_batch(batch, info=info)
        if digest.hexdigest().encode() != self._facts[DIGEST_KEY]:
            raise damaged(self._path, "its content does not have the digest that was noted when it was written")
        return info

    def _check_of_others(self) -> CollectionInfo | None:
        info = None
        hashes: list[NDArray[np.int64]] = []
        for batch in self._read(None):
            width = int(np.asarray(batch.vectors).shape[1])
            info = info or CollectionInfo(name="import", dimension=width, metric=self._metric)
            check_batch(batch, info=info)
            hashes.append(np.asarray([hash(name) for name in batch.ids], dtype=np.int64))
        self._check_unique(np.concatenate(hashes) if hashes else np.empty(0, dtype=np.int64))
        return info

    def _check_unique(self, hashes: NDArray[np.int64]) -> None:
        """Raise InvalidRecordError for an id that occurs twice in the file, however far apart."""
        hashes.sort()
        twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        seen: dict[str, int] = {}
        row = 0
        for batch in self._read(None) if twice else ():
            for name in batch.ids:
                if hash(name) in twice and seen.setdefault(name, row) != row:
                    raise InvalidRecordError(f"id {name!r} is that of row {seen[name]} and of row {row}; keep one")
                row += 1

    def batches(self) -> Iterator[RecordBatch]:
        """The records, of one scope in each batch."""
        return self._read(None)

    def _read(self, digest: ContentDigest | None) -> Iterator[RecordBatch]:
        with reading(self._path, ours=self.ours), self._opened() as file:
            for table in file.iter_batches(batch_size=ROWS, columns=list(self._columns) if self.ours else None):
                if self.ours:
                    yield from _ours(table, digest)
                else:
                    yield _of_others(table)


def _ours(table: Any, digest: ContentDigest | None) -> Iterator[RecordBatch]:
    rows = {name: table.column(name).to_pylist() for name in table.column_names if name != "vector"}
    column = table.column("vector")
    if column.null_count:
        raise ValueError("a vector is missing")
    vectors = np.asarray(column.flatten(), dtype=np.float32).reshape(table.num_rows, -1)
    if digest is not None:
        digest.add(rows, vectors)
    scopes = [Scope(tenant, namespace) for tenant, namespace in zip(rows["tenant"], rows["namespace"], strict=True)]
    for scope in dict.fromkeys(scopes):
        chosen = [n for n in range(table.num_rows) if scopes[n] == scope]
        yield RecordBatch(
            ids=[rows["id"][n] for n in chosen],
            vectors=vectors[chosen],
            texts=[rows["text"][n] for n in chosen],
            metadata=[json.loads(rows["metadata"][n]) for n in chosen],
            system=[json.loads(rows["system"][n]) for n in chosen],
            sparse=[json.loads(rows[SPARSE][n] or "null") for n in chosen] if SPARSE in rows else None,
            scope=scope,
        )


def _check_types(path: str | Path, schema: Any) -> None:
    """Raise ConfigurationError for a column of others that can be no id or no vector, whatever its rows hold."""
    types = pyarrow().types
    id_type, vector_type = schema.field("id").type, schema.field("vector").type
    if types.is_dictionary(id_type):
        id_type = id_type.value_type
    is_text = types.is_string(id_type) or types.is_large_string(id_type) or types.is_string_view(id_type)
    if not (is_text or types.is_integer(id_type) or types.is_floating(id_type) or types.is_null(id_type)):
        raise ConfigurationError(f"{str(path)!r}: column 'id' holds {id_type}; ids are text or whole numbers")
    is_list = types.is_list(vector_type) or types.is_large_list(vector_type) or types.is_fixed_size_list(vector_type)
    inner = vector_type.value_type if is_list else vector_type
    if not types.is_null(vector_type) and not (is_list and (types.is_integer(inner) or types.is_floating(inner))):
        raise ConfigurationError(f"{str(path)!r}: column 'vector' holds {vector_type}, not lists of numbers")


def _conversions(schema: Any) -> list[str]:
    given = schema.field("id").type
    found = [] if str(given) in ("string", "large_string", "string_view") else [f"id: {given} became text"]
    said = (conversion_of(field.name, field.type) for field in schema if field.name not in ("id", "vector", "text"))
    return found + [sentence for sentence in said if sentence is not None]


def _of_others(table: Any) -> RecordBatch:
    rows = table.to_pydict()
    count = table.num_rows
    for name in ("id", "vector"):
        if (missing := next((n for n in range(count) if rows[name][n] is None), None)) is not None:
            raise InvalidRecordError(f"row {missing} of a batch has no {name}; every record needs one")
    lengths = [len(vector) for vector in rows["vector"]]
    if odd := next((n for n in range(count) if lengths[n] != lengths[0]), None):
        raise InvalidRecordError(
            f"the vector of {str(rows['id'][odd])!r} has {lengths[odd]} numbers, that of {str(rows['id'][0])!r} has "
            f"{lengths[0]}"
        )
    vectors = np.asarray([list(vector) for vector in rows["vector"]], dtype=np.float32)
    others = [name for name in rows if name not in ("id", "vector", "text")]
    return RecordBatch(
        ids=[str(value) for value in rows["id"]],
        vectors=vectors,
        texts=rows.get("text", [None] * count),
        metadata=[canonical_metadata({name: rows[name][n] for name in others}) for n in range(count)],
    )
