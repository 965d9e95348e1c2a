"""A collection with every scope into a Parquet file, with checksums."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from vpa.base.arguments import explained
from vpa.base.errors import ConfigurationError, StorageError, StorageFullError
from vpa.base.records import RecordBatch
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.base.sparse import sparse_to_json
from vpa.base.typed import MetadataTypes
from vpa.client.arguments import check_collection
from vpa.client.collection import Collection
from vpa.kit.threads import Workers
from vpa.transfer.parquet.format import DIGEST_KEY, INFO_KEY, ROWS, SPARSE, ContentDigest, columns_of, pyarrow
from vpa.transfer.parquet.typed import add_typed_columns, behind

# Endings that promise something else.
_OTHER_KINDS: Final = frozenset((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".xlsx", ".arrow", ".feather"))
_MAGIC: Final = b"PAR1"  # A Parquet file begins with it.


@explained
async def export_parquet(
    collection: Collection,
    path: str | Path,
    *,
    typed_metadata: bool = True,
    progress: Callable[[int], None] = lambda count: None,
) -> int:
    """Write every scope to a new file; returns how many records. A Parquet file of that name is replaced at the end.

    With `typed_metadata` each top-level key of the metadata also has a typed column of its own, "metadata.<key>", for
    other tools; an import reads the column of JSON, which has everything exactly.
    Raises ConfigurationError, before anything is read, where the file cannot be written or is one of another kind;
    also for a manager in place of a collection.
    """
    check_collection(collection, function="export_parquet")
    # What a link names is written, and the link stays.
    try:
        target = Path(os.path.realpath(path))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{str(path)!r} is no path of a file: {error}") from error
    partial = target.with_name(f"{target.name}.partial-{secrets.token_hex(4)}")
    _reserve(target, partial)
    workers = Workers(size=1, name="vpa-parquet")
    written = 0
    try:
        file = await workers.run(_File, partial, collection)
        try:
            async for batch in collection.scan_batches(scope=ALL_SCOPES, batch_size=ROWS):
                await workers.run(file.write, batch)
                written += len(batch)
                progress(len(batch))
        finally:
            await workers.finish(file.close)
        if typed_metadata and file.types.keys():
            await workers.run(add_typed_columns, partial, file.types)
        await workers.run(_publish, partial, target)
    except OSError as error:
        kind = StorageFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
        raise kind(
            f"{str(target)!r} was not written: {error.strerror or error}; what was there is untouched"
        ) from error
    finally:
        await workers.close()
        partial.unlink(missing_ok=True)
        behind(partial).unlink(missing_ok=True)
    return written


def _publish(partial: Path, target: Path) -> None:
    """Give it its name once it is on the disk."""
    _sync(partial, os.O_RDWR)
    os.replace(partial, target)
    if os.name == "posix":
        try:
            _sync(target.parent, os.O_RDONLY)
        except OSError as error:
            raise StorageError(
                f"{str(target)!r} was written and is whole, but its directory was not synced, so that a power cut may "
                f"undo it: {error.strerror or error}; write it again"
            ) from error


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reserve(path: Path, partial: Path) -> None:
    """Make the file that is written first; raises ConfigurationError where the one it becomes cannot be."""
    try:
        if path.is_dir():
            raise ConfigurationError(f"{str(path)!r} is a directory; name a file in it")
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{str(path)!r} is a device, pipe or socket; name a file")
        if not path.parent.is_dir():
            raise ConfigurationError(f"{str(path)!r} cannot be written: there is no directory {str(path.parent)!r}")
        if path.exists() and _head(path) not in (b"", _MAGIC):
            raise ConfigurationError(f"{str(path)!r} exists and is no Parquet file; it is not overwritten")
        if path.suffix.lower() in _OTHER_KINDS:
            raise ConfigurationError(
                f"{str(path)!r}: a Parquet file is written; call it {path.with_suffix('.parquet').name!r}"
            )
        partial.touch(exist_ok=False)
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_MAGIC))


class _File:
    """A file that is being written, and the digest of what it holds so far."""

    def __init__(self, path: Path, collection: Collection) -> None:
        pa = pyarrow()
        info = json.dumps(replace(collection.info, words=None).to_json()).encode()
        self._dimension, columns = collection.info.dimension, columns_of(collection.info)
        self._schema = pa.schema(
            [(name, pa.string()) for name in ("tenant", "namespace", "id")]
            + [("vector", pa.list_(pa.float32(), self._dimension))]
            + [(name, pa.string()) for name in columns if name in ("text", "metadata", "system", SPARSE)],
            metadata={INFO_KEY: info},
        )
        self._digest = ContentDigest(info, columns)
        self.types = MetadataTypes()
        self._writer = pa.parquet.ParquetWriter(path, self._schema, compression="zstd", write_page_checksum=True)

    def write(self, batch: RecordBatch) -> None:
        """One row per record."""
        pa, records, scope = pyarrow(), list(batch), batch.scope or Scope()
        self.types.add(record.metadata for record in records)
        vectors = np.ascontiguousarray(batch.vectors, dtype=np.float32)
        texts: dict[str, list[Any]] = {
            "tenant": [scope.tenant] * len(records),
            "namespace": [scope.namespace] * len(records),
            "id": list(batch.ids),
            "text": [record.text for record in records],
            "metadata": [json.dumps(dict(record.metadata), ensure_ascii=False) for record in records],
            "system": [json.dumps(dict(record.system), ensure_ascii=False) for record in records],
            SPARSE: [json.dumps(sparse_to_json(record.sparse)) if record.sparse else None for record in records],
        }
        columns = [
            pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), self._dimension)
            if name == "vector"
            else pa.array(texts[name], pa.string())
            for name in self._schema.names
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._digest.add(texts, vectors)

    def close(self) -> None:
        """Write the footer, with the digest."""
        self._writer.add_key_value_metadata({DIGEST_KEY: self._digest.hexdigest()})
        self._writer.close()
