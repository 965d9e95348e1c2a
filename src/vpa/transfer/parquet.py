"""A collection as a Parquet file that other tools read, and back.

Columns: tenant, namespace, id, vector (fixed-size list of float32), text, metadata and system (JSON). The description
of the collection is in the file's metadata under "vpa".
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from vpa.base.errors import ConfigurationError, ProviderNotInstalledError
from vpa.base.metadata import canonical_metadata
from vpa.base.records import CollectionInfo, RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.transfer.destination import create_like

_COLUMNS: Final = ("tenant", "namespace", "id", "vector", "text", "metadata", "system")
_ROWS: Final = 5000


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ProviderNotInstalledError('Parquet files need pyarrow; run: pip install "vpa[parquet]"') from error
    return pyarrow


async def export_parquet(
    collection: Collection, path: str | Path, *, progress: Callable[[int], None] = lambda count: None
) -> int:
    """Write every scope to a new file; returns how many records. An existing file is replaced when the new one is whole."""
    pa = _pyarrow()
    target, partial = Path(path), Path(f"{path}.partial")
    info = collection.info
    schema = pa.schema(
        [(name, pa.string()) for name in ("tenant", "namespace", "id")]
        + [("vector", pa.list_(pa.float32(), info.dimension))]
        + [(name, pa.string()) for name in ("text", "metadata", "system")],
        metadata={"vpa": json.dumps(info.to_json())},
    )
    written = 0
    try:
        with pa.parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
            async for batch in collection.scan_batches(scope=ALL_SCOPES, batch_size=_ROWS):
                writer.write_batch(_to_arrow(pa, schema, batch, info))
                written += len(batch)
                progress(len(batch))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _to_arrow(pa: Any, schema: Any, batch: RecordBatch, info: CollectionInfo) -> Any:
    records, scope = list(batch), batch.scope or Scope()
    flat = np.ascontiguousarray(batch.vectors, dtype=np.float32).reshape(-1)
    columns = [
        pa.array([scope.tenant] * len(batch)),
        pa.array([scope.namespace] * len(batch)),
        pa.array(list(batch.ids)),
        pa.FixedSizeListArray.from_arrays(pa.array(flat), info.dimension),
        pa.array([record.text for record in records], pa.string()),
        pa.array([json.dumps(dict(record.metadata), ensure_ascii=False) for record in records]),
        pa.array([json.dumps(dict(record.system), ensure_ascii=False) for record in records]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


async def import_parquet(
    manager: VectorDatabaseManager,
    path: str | Path,
    *,
    collection: str | None = None,
    metric: str = "cosine",
    progress: Callable[[int], None] = lambda count: None,
) -> int:
    """Write a file's records into a collection, made if it is missing; returns how many.

    A file of others needs a column `id` and a column `vector` of lists of numbers; `text` is taken as text, every
    other column as metadata, and `metric` says how the vectors compare. Raises ConfigurationError, InvalidRecordError.
    """
    pa = _pyarrow()
    try:
        opened = pa.parquet.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read as Parquet: {error}") from error
    with opened as file:
        names = file.schema_arrow.names
        if "id" not in names or "vector" not in names:
            raise ConfigurationError(f"{str(path)!r} has columns {', '.join(names)}; it needs id and vector")
        info = _info_of(file)
        name = collection or (info.name if info else manager.config.index_name)
        written, target = 0, None
        for table in file.iter_batches(batch_size=_ROWS):
            for batch in _from_arrow(table, ours=info is not None):
                if target is None:
                    target = await _target(manager, name, info, dimension=_dimension(batch), metric=metric)
                await target.upsert(batch, scope=batch.scope or Scope())
                written += len(batch)
                progress(len(batch))
        if target is None and info is not None:
            await _target(manager, name, info, dimension=info.dimension, metric=metric)
    return written


def _info_of(file: Any) -> CollectionInfo | None:
    stored = (file.schema_arrow.metadata or {}).get(b"vpa")
    return None if stored is None else CollectionInfo.from_json(json.loads(stored))


def _dimension(batch: RecordBatch) -> int:
    return int(np.asarray(batch.vectors).shape[1])


async def _target(
    manager: VectorDatabaseManager, name: str, info: CollectionInfo | None, *, dimension: int, metric: str
) -> Collection:
    if info is None:
        return await manager.create_collection(name, dimension=dimension, metric=metric, exist_ok=True)
    return await create_like(manager, info, name=name)


def _from_arrow(table: Any, *, ours: bool) -> Iterator[RecordBatch]:
    rows = table.to_pydict() if not ours else {name: table.column(name).to_pylist() for name in _COLUMNS}
    count = table.num_rows
    vectors = np.asarray([list(vector) for vector in rows["vector"]], dtype=np.float32)
    if not ours:
        others = [name for name in rows if name not in ("id", "vector", "text")]
        metadata = [canonical_metadata({name: rows[name][n] for name in others}) for n in range(count)]
        texts = rows.get("text", [None] * count)
        yield RecordBatch(ids=[str(value) for value in rows["id"]], vectors=vectors, texts=texts, metadata=metadata)
        return
    scopes = [Scope(tenant, namespace) for tenant, namespace in zip(rows["tenant"], rows["namespace"], strict=True)]
    for scope in dict.fromkeys(scopes):
        chosen = [n for n in range(count) if scopes[n] == scope]
        yield RecordBatch(
            ids=[rows["id"][n] for n in chosen],
            vectors=vectors[chosen],
            texts=[rows["text"][n] for n in chosen],
            metadata=[json.loads(rows["metadata"][n]) for n in chosen],
            system=[json.loads(rows["system"][n]) for n in chosen],
            scope=scope,
        )
