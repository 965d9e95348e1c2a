"""The file: its columns, what its metadata says, and the digest of its whole content.

Columns: tenant, namespace, id, vector (fixed-size list of float32), text, metadata and system (JSON), and sparse (JSON,
or null) where the collection holds sparse vectors; behind them, for other tools and never read here, "metadata.<key>"
with the values of a key, typed as `vpa.base.typed` says. The file's metadata holds the description of the collection
under "vpa" and a BLAKE2b digest under "vpa.digest". Pages carry checksums; the digest covers what they do not: the
footer, the headers of pages, and rows that are missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.errors import ConfigurationError, ProviderNotInstalledError, StorageCorruptedError, VectorDatabaseError
from vpa.base.records import CollectionInfo

COLUMNS: Final = ("tenant", "namespace", "id", "vector", "text", "metadata", "system")
SPARSE: Final = "sparse"
INFO_KEY: Final = b"vpa"
DIGEST_KEY: Final = b"vpa.digest"
ROWS: Final = 5000  # In one row group: at 384 dimensions 8 MB, checked and let go.


def columns_of(info: CollectionInfo) -> list[str]:
    """The columns of a collection's file."""
    return [*COLUMNS, SPARSE] if info.sparse else list(COLUMNS)


def pyarrow() -> Any:
    """The library; raises ProviderNotInstalledError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ProviderNotInstalledError('Parquet files need pyarrow; run: pip install "vpa[parquet]"') from error
    return pyarrow


class ContentDigest:
    """A digest of rows in their order, column by column, so that it does not depend on how they are batched."""

    def __init__(self, info: bytes, columns: Sequence[str] = COLUMNS) -> None:
        self._rows = 0
        self._columns = {name: blake2b(digest_size=32) for name in columns}
        self._info = info

    def add(self, texts: Mapping[str, Sequence[str | None]], vectors: FloatMatrix) -> None:
        """The next rows; `texts` has every column but the vectors, which are `(n, d) float32`."""
        if not len(vectors):
            return
        self._rows += len(vectors)
        self._columns["vector"].update(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        for name in self._columns.keys() - {"vector"}:
            # A list without its brackets: batches joined are the list of all rows.
            body = json.dumps(list(texts[name]), ensure_ascii=False)[1:-1]
            self._columns[name].update(body.encode("utf-8", "surrogatepass") + b", ")

    def hexdigest(self) -> str:
        """Of everything added, the number of rows, and the description of the collection."""
        whole = blake2b(self._info, digest_size=32)
        whole.update(self._rows.to_bytes(8, "little"))
        for column in self._columns.values():
            whole.update(column.digest())
        return whole.hexdigest()


@contextmanager
def reading(path: str | Path, *, ours: bool = False) -> Iterator[None]:
    """What pyarrow and the conversion raise over a file, as an error of ours that names it; `ours`: vpa wrote it."""
    try:
        yield
    except VectorDatabaseError as error:
        if ours and not isinstance(error, StorageCorruptedError):
            # A file of vpa holds only what passed the checks when it was written.
            raise damaged(path, error.message) from error
        raise
    except FileNotFoundError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read as Parquet: there is no such file") from error
    # pyarrow raises OSError, its own kinds of ValueError, TypeError and KeyError, and MemoryError for sizes that a
    # damaged header claims.
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        MemoryError,
        ArithmeticError,
        RecursionError,
        NotImplementedError,
    ) as error:
        if ours:
            raise damaged(path, f"{type(error).__name__}: {error}") from error
        raise ConfigurationError(
            f"{str(path)!r} cannot be read as Parquet: {type(error).__name__}: {str(error) or 'no more is known':.300}"
        ) from error


def damaged(path: str | Path, how: str) -> StorageCorruptedError:
    """The file is not as it was written."""
    return StorageCorruptedError(
        f"{str(path)!r} is damaged, nothing was imported ({how:.300}); export it again or take another copy"
    )
