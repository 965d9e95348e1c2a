"""Snapshots: one file of named, aligned, checksummed sections that is opened by memory map.

File: magic and version; sections, each starting at a multiple of 64; a table of contents as JSON, twice; a trailer
that says where the tables are, twice. The table names the store, the collection and the place in the order. A reader
skips sections it does not know, so codes or graphs can stand beside the vectors later. Checksums are kept for each
part of a section, see `check_bytes`.
"""

from __future__ import annotations

import functools
import json
import math
import os
import struct
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.errors import StorageCorruptedError
from vpa.engine.growable import Buffer, as_bytes
from vpa.engine.persist.checks import LARGEST, check_bytes
from vpa.engine.persist.files import TEMPORARY, AppendFile, FileSystem, ReadFile
from vpa.engine.persist.manifest import FORMAT, Owner, SnapshotEntry
from vpa.engine.persist.wal import storage_error

_MAGIC: Final = b"VPASNAP\x03"
_TRAILER: Final = struct.Struct("<QQII8s")  # offset and length of a table, its checksum, version, magic
_ALIGNMENT: Final = 64  # A cache line, so that mapped sections can be used where they lie.
_CHECKSUM: Final = "multilinear64"
_SEED: Final = 0x767061  # "vpa" in ASCII.


@dataclass(frozen=True, slots=True)
class SnapshotIdentity:
    """Whose snapshot it is and where it stands; `info` describes the collection as it was then."""

    owner: Owner
    generation: int
    id: str
    info: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Facts of the table."""
        return {
            "store": self.owner.store,
            "collection": self.owner.collection,
            "generation": self.generation,
            "id": self.id,
            "info": self.info,
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> SnapshotIdentity:
        """Read them; raises KeyError."""
        return cls(Owner(facts["store"], facts["collection"]), facts["generation"], facts["id"], facts["info"])


class SnapshotWriter:
    """Writes sections one after the other; nothing counts before `finish` has returned."""

    def __init__(self, files: FileSystem, path: str, identity: SnapshotIdentity) -> None:
        self._files = files
        self._path = path
        self._identity = identity
        self._temporary = path + TEMPORARY
        files.remove_file(self._temporary)
        self._file: AppendFile = files.open_append(self._temporary)
        self._sections: dict[str, dict[str, Any]] = {}
        self._file.write([_MAGIC])

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """A section that holds one array."""
        self.add_arrays(name, [array], dtype=array.dtype, shape=array.shape)

    def add_arrays(self, name: str, parts: Iterable[NDArray[Any]], *, dtype: Any, shape: tuple[int, ...]) -> None:
        """A section that holds the rows of several arrays, written one by one."""
        buffers = (as_bytes(part) for part in parts)
        length = np.dtype(dtype).itemsize * math.prod(shape)
        self._add(name, buffers, length, {"dtype": np.dtype(dtype).str, "shape": list(shape)})

    def add_bytes(self, name: str, data: Buffer) -> None:
        """A section of bytes."""
        self._add(name, [data], len(data), {})

    def _add(self, name: str, buffers: Iterable[Buffer], length: int, facts: dict[str, Any]) -> None:
        self._file.write([bytes(-self._file.size % _ALIGNMENT)])
        offset = self._file.size
        checks = _RunningChecks(check_bytes(length))
        for buffer in buffers:
            checks.add(memoryview(buffer))
            self._file.write([buffer])
        self._sections[name] = {
            "offset": offset,
            "length": self._file.size - offset,
            "check_bytes": checks.size,
            "checks": checks.finish(),
            **facts,
        }

    def finish(self, facts: dict[str, Any]) -> SnapshotEntry:
        """Write the table with `facts` in it, sync, and name the file; returns what the manifest says of it."""
        whole = {**facts, **self._identity.to_json(), "checksum": _CHECKSUM, "sections": self._sections}
        table = json.dumps(whole, ensure_ascii=False).encode()
        trailer = _TRAILER.pack(self._file.size, len(table), zlib.crc32(table), FORMAT, _MAGIC)
        self._file.write([table, table, trailer, trailer])
        self._file.sync()
        size = self._file.size
        self._file.close()
        self._files.rename(self._temporary, self._path)
        self._files.sync_directory(os.path.dirname(self._path))
        return SnapshotEntry(self._identity.generation, self._identity.id, int(facts["sequence"]), size)

    def discard(self) -> None:
        """Give up; the file under its final name, if any, is as it was."""
        self._file.close()
        self._files.remove_file(self._temporary)


@functools.cache
def _weights() -> NDArray[np.uint64]:
    """Odd, so that no change of one word goes unseen. The bits that PCG64 gives for a seed are promised to stay."""
    return np.random.PCG64(_SEED).random_raw(LARGEST // 8) | np.uint64(1)


def multilinear(part: memoryview) -> int:
    """Σ wᵢ xᵢ + length, modulo 2⁶⁴, over the words of at most `LARGEST` bytes (Lemire and Kaser 2014).

    As fast as memory is read.
    """
    whole = len(part) // 8
    words = np.frombuffer(part[: whole * 8], dtype=np.uint64)
    total = int(np.einsum("i,i->", words, _weights()[:whole])) if whole else 0
    if len(part) % 8:
        last = int.from_bytes(part[whole * 8 :], sys.byteorder)
        total += last * int(_weights()[whole])
    return (total + len(part)) % 2**64


@dataclass(slots=True)
class _RunningChecks:
    """Checksums of each `size` bytes, however the bytes come in."""

    size: int
    done: list[int] = field(default_factory=list)
    rest: bytearray = field(default_factory=bytearray)

    def add(self, data: memoryview) -> None:
        while data:
            if not self.rest and len(data) >= self.size:
                self.done.append(multilinear(data[: self.size]))
                data = data[self.size :]
                continue
            part = data[: self.size - len(self.rest)]
            self.rest += part
            data = data[len(part) :]
            if len(self.rest) == self.size:
                self.done.append(multilinear(memoryview(bytes(self.rest))))
                self.rest.clear()

    def finish(self) -> list[int]:
        return [*self.done, multilinear(memoryview(bytes(self.rest)))] if self.rest else self.done


@dataclass(frozen=True, slots=True)
class SectionRows:
    """Reads float32 rows of one section, which was verified when the snapshot was opened."""

    file: ReadFile
    offset: int
    count: int

    def read_rows(self, rows: NDArray[np.int64], into: NDArray[np.float32]) -> None:
        """Rows of the section into `into` `(n, d)`, each by a read of its own."""
        size, read, data = into.shape[1] * 4, self.file.read_at, into.reshape(-1).view(np.uint8).data
        try:
            for place, row in enumerate(rows.tolist()):
                read(self.offset + row * size, data[place * size : (place + 1) * size])
        except OSError as error:
            raise storage_error(error, "the vectors of a snapshot could not be read") from error

    def read_span(self, first: int, into: NDArray[np.float32]) -> None:
        """The rows from `first` on, as many as `into` has, in one read."""
        try:
            if into.size:
                self.file.read_at(self.offset + first * into.shape[1] * 4, into.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise storage_error(error, "the vectors of a snapshot could not be read") from error


class Snapshot:
    """A snapshot that was opened and checked; arrays share memory with the file."""

    def __init__(self, files: FileSystem, path: str, *, lenient: bool = False) -> None:
        """Map the file and verify every checksum; raises StorageCorruptedError naming the section.

        `lenient` is for salvage: either copy of the table will do, and unsound sections stay readable; see `unsound`.
        """
        self._path = path
        self._files = files
        self._data = files.read(path)
        self.facts = self._any_table() if lenient else self._read_table()
        try:
            self._sections: dict[str, dict[str, Any]] = self.facts["sections"]
            self.identity = SnapshotIdentity.from_json(self.facts)
        except (KeyError, TypeError) as error:
            raise StorageCorruptedError(f"the table of contents of {path} lacks {error}") from error
        if not lenient:
            for name in self._sections:
                self._verify(name)
            # Verifying has read every page.
            self.release()

    @property
    def size_bytes(self) -> int:
        """The size of the whole file."""
        return len(self._data)

    def release(self) -> None:
        """Give back the memory that holds what was read; the file is mapped still."""
        self._files.release(self._data)

    def _read_table(self) -> dict[str, Any]:
        data = self._data
        if len(data) < 2 * _TRAILER.size + len(_MAGIC) or bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise StorageCorruptedError(f"{self._path} is no snapshot, or its beginning is damaged")
        offset, length, checksum, version, magic = _TRAILER.unpack(data[-_TRAILER.size :])
        second = offset + length
        if magic != _MAGIC or version != FORMAT or data[-2 * _TRAILER.size : -_TRAILER.size] != data[-_TRAILER.size :]:
            raise StorageCorruptedError(f"the end of {self._path} is damaged or missing")
        for start in (offset, second):
            table = data[start : start + length]
            if len(table) != length or zlib.crc32(table) != checksum:
                raise StorageCorruptedError(f"the table of contents of {self._path} is damaged")
        if len(data) != second + length + 2 * _TRAILER.size:
            raise StorageCorruptedError(f"{self._path} is longer than its table of contents says")
        facts: dict[str, Any] = json.loads(bytes(data[offset : offset + length]))
        return facts

    def _any_table(self) -> dict[str, Any]:
        data = self._data
        for end in (len(data), len(data) - _TRAILER.size):
            if end < _TRAILER.size:
                break
            offset, length, checksum, _, _ = _TRAILER.unpack(data[end - _TRAILER.size : end])
            for start in (offset, offset + length):
                table = data[start : start + length]
                if length and len(table) == length and zlib.crc32(table) == checksum:
                    facts: dict[str, Any] = json.loads(bytes(table))
                    return facts
        raise StorageCorruptedError(f"both tables of contents of {self._path} are damaged")

    def _verify(self, name: str) -> None:
        unsound = self.unsound(name)
        if unsound:
            (start, end), offset = unsound[0], self._sections[name]["offset"]
            raise StorageCorruptedError(
                f"{self._path} is damaged: section {name!r}, in the {end - start} bytes from byte {offset + start} on"
            )

    def unsound(self, name: str) -> list[tuple[int, int]]:
        """`(start, end)` inside the section of each part that does not have its checksum."""
        section, data = self._sections[name], self.bytes_of(name)
        size, checks = section["check_bytes"], section["checks"]
        places = [(start, min(start + size, section["length"])) for start in range(0, section["length"], size)]
        sound = [multilinear(data[start:end]) if end <= len(data) else None for start, end in places]
        return [place for place, found, expected in zip(places, sound, checks, strict=True) if found != expected]

    def has(self, name: str) -> bool:
        """Whether there is a section of that name."""
        return name in self._sections

    def bytes_of(self, name: str) -> memoryview:
        """A section's bytes, not copied."""
        section = self._sections[name]
        return self._data[section["offset"] : section["offset"] + section["length"]]

    def rows_of(self, name: str) -> SectionRows:
        """Rows of a section's matrix, to be read from the file when they are asked for."""
        section = self._sections[name]
        return SectionRows(self._files.open_read(self._path), section["offset"], section["shape"][0])

    def array(self, name: str) -> NDArray[Any]:
        """A section's array, read-only, not copied."""
        section = self._sections[name]
        return np.frombuffer(self.bytes_of(name), dtype=section["dtype"]).reshape(section["shape"])
