"""Vectors of documents on a shelf that outlives the process, by content, model and revision."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.errors import ServiceUnavailableError
from vpa.base.records import EmbeddingIdentity
from vpa.embeddings.contract import Embedder, Kind
from vpa.kit.shelf.contract import Shelf, ShelfError
from vpa.kit.shelf.layout import ShelfLayout
from vpa.kit.threads import Workers
from vpa.observe.log import get_logger

# The application id is "vpae" in ASCII.
VECTORS: Final = ShelfLayout(
    file_name="embeddings.sqlite", application_id=0x76706165, version=1, table="vectors", contents="embeddings"
)
_KIND: Final[Kind] = "document"
_CHECK_BYTES: Final = 4
_log = get_logger("vpa.embeddings")


def is_worth_a_shelf(embedder: Embedder) -> bool:
    """Whether vectors of an opened embedder may be read by another process, and cost more than reading them.

    A revision says that name, revision and text determine the vector. Without one, the same name may stand for a model
    that was trained again, for a function that was edited, or for other options of a library: those are never shared.
    Lexical embedders hash, which is as cheap as reading.
    """
    return bool(embedder.identity.revision) and not embedder.is_lexical


class VectorShelf:
    """A row for each text of a model. Reading and writing run in a thread of its own.

    A shelf that fails is left alone from then on, with one warning in the log: it never fails the caller.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._workers = Workers(size=1, name="vpa-embeddings")
        self._has_failed = False

    async def get(self, identity: EmbeddingIdentity, texts: Sequence[str]) -> Mapping[str, FloatVector]:
        """The rows of those texts that are there, bit for bit as they were made. For some hundred texts at a time."""
        if self._has_failed:
            return {}
        try:
            return await self._workers.run(self._read, identity, texts)
        except (ShelfError, ServiceUnavailableError) as error:
            self._give_up(error)
            return {}

    async def put(self, identity: EmbeddingIdentity, texts: Sequence[str], vectors: FloatMatrix) -> None:
        """Keep a row for each text."""
        if self._has_failed or not self._shelf.is_made:
            return
        try:
            await self._workers.run(self._write, identity, texts, vectors)
        except (ShelfError, ServiceUnavailableError) as error:
            self._give_up(error)

    async def discard(self, identity: EmbeddingIdentity, texts: Sequence[str], *, dry_run: bool = False) -> int:
        """Remove the rows of these texts; returns how many there were. `dry_run` only counts. Raises ShelfError."""
        return await self._workers.run(self._discard, identity, texts, dry_run)

    def _discard(self, identity: EmbeddingIdentity, texts: Sequence[str], dry_run: bool) -> int:
        keys = _keys(identity, texts)
        return len(self._shelf.known(keys)) if dry_run else self._shelf.discard(keys)

    async def close(self) -> None:
        """Wait for the thread, then close the shelf. May be called twice."""
        await self._workers.close()
        self._shelf.close()

    def _read(self, identity: EmbeddingIdentity, texts: Sequence[str]) -> dict[str, FloatVector]:
        keys = _keys(identity, texts)
        values = self._shelf.get(keys)
        rows = {}
        for text, key in zip(texts, keys, strict=True):
            row = _decoded(key, values.get(key), identity.dimension)
            if row is not None:
                rows[text] = row
        return rows

    def _write(self, identity: EmbeddingIdentity, texts: Sequence[str], vectors: FloatMatrix) -> None:
        keys = _keys(identity, texts)
        self._shelf.put({key: _encoded(key, row) for key, row in zip(keys, vectors, strict=True)})

    def _give_up(self, error: Exception) -> None:
        if not self._has_failed:
            _log.warning(
                "embedding cache unavailable",
                reason=str(error),
                meaning="texts are embedded without it until the program is started again",
            )
        self._has_failed = True


def _keys(identity: EmbeddingIdentity, texts: Iterable[str]) -> list[bytes]:
    """The same for the same model, revision, dimension, prefix and text; for nothing else."""
    model = blake2b(digest_size=16)
    for part in (identity.name, identity.revision, str(identity.dimension), identity.document_prefix, _KIND):
        data = part.encode("utf-8", "surrogatepass")
        model.update(len(data).to_bytes(8, "little") + data)
    keys = []
    for text in texts:
        digest = model.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        keys.append(digest.digest())
    return keys


def _encoded(key: bytes, row: FloatVector) -> bytes:
    """`float32`, little-endian, after a CRC-32 of key and row: SQLite itself does not notice a flipped bit."""
    data = row.astype("<f4", copy=False).tobytes()
    return zlib.crc32(data, zlib.crc32(key)).to_bytes(_CHECK_BYTES, "little") + data


def _decoded(key: bytes, value: bytes | None, dimension: int) -> FloatVector | None:
    """None where there is no value, or one that is damaged: the text is embedded, and the value replaced."""
    if value is None or len(value) != _CHECK_BYTES + 4 * dimension:
        return None
    data = value[_CHECK_BYTES:]
    if zlib.crc32(data, zlib.crc32(key)).to_bytes(_CHECK_BYTES, "little") != value[:_CHECK_BYTES]:
        return None
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)
