"""Snapshots: one file of named, aligned, checksummed sections that is opened by memory map.

File: magic and version; sections, each starting at a multiple of 64; a table of contents as JSON; a trailer that
says where the table is. A reader skips sections it does not know, so codes or graphs can stand beside the vectors
later. Checksums are kept for each MiB of a section.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vpa.base.errors import StorageCorruptedError
from vpa.engine.growable import Buffer, as_bytes
from vpa.engine.persist.files import AppendFile, FileSystem, ReadFile
from vpa.engine.persist.wal import storage_error

_MAGIC: Final = b"VPASNAP\x01"
_TRAILER: Final = struct.Struct("<QQII8s")  # offset and length of the table, its checksum, version, magic
VERSION: Final = 2
_ALIGNMENT: Final = 64
_CHECK_BYTES: Final = 1 << 20
_CHECKSUM: Final = "multilinear64"
_SEED: Final = 0x767061


class SnapshotWriter:
    """Writes sections one after the other; nothing counts before `finish` has returned."""

    def __init__(self, files: FileSystem, path: str) -> None:
        self._files = files
        self._path = path
        self._temporary = path + ".tmp"
        files.remove(self._temporary)
        self._file: AppendFile = files.open_append(self._temporary)
        self._sections: dict[str, dict[str, Any]] = {}
        self._file.write([_MAGIC])

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """A section that holds one array."""
        self.add_arrays(name, [array], dtype=array.dtype, shape=array.shape)

    def add_arrays(self, name: str, parts: Iterable[NDArray[Any]], *, dtype: Any, shape: tuple[int, ...]) -> None:
        """A section that holds the rows of several arrays, written one by one."""
        buffers = (as_bytes(part) for part in parts)
        self._add(name, buffers, {"dtype": np.dtype(dtype).str, "shape": list(shape)})

    def add_bytes(self, name: str, data: Buffer) -> None:
        """A section of bytes."""
        self._add(name, [data], {})

    def _add(self, name: str, buffers: Iterable[Buffer], facts: dict[str, Any]) -> None:
        self._file.write([bytes(-self._file.size % _ALIGNMENT)])
        offset = self._file.size
        checks = _RunningChecks()
        for buffer in buffers:
            checks.add(memoryview(buffer))
            self._file.write([buffer])
        self._sections[name] = {
            "offset": offset, "length": self._file.size - offset, "checks": checks.finish(), **facts,
        }  # fmt: skip

    def finish(self, facts: dict[str, Any]) -> None:
        """Write the table with `facts` in it, sync, and give the file its name."""
        table = json.dumps({**facts, "checksum": _CHECKSUM, "sections": self._sections}, ensure_ascii=False).encode()
        trailer = _TRAILER.pack(self._file.size, len(table), zlib.crc32(table), VERSION, _MAGIC)
        self._file.write([table, trailer])
        self._file.sync()
        self._file.close()
        self._files.rename(self._temporary, self._path)
        self._files.sync_directory(os.path.dirname(self._path))

    def discard(self) -> None:
        """Give up; the file under its final name, if any, is as it was."""
        self._file.close()
        self._files.remove(self._temporary)


@functools.cache
def _weights() -> NDArray[np.uint64]:
    """Odd, so that no change of one word goes unseen. The bits that PCG64 gives for a seed are promised to stay."""
    return np.random.PCG64(_SEED).random_raw(_CHECK_BYTES // 8) | np.uint64(1)


def multilinear(part: memoryview) -> int:
    """Σ wᵢ xᵢ + length, modulo 2⁶⁴, over the words of at most one MiB (Lemire and Kaser 2014): the speed of reading memory."""
    whole = len(part) // 8
    words = np.frombuffer(part[: whole * 8], dtype=np.uint64)
    total = int(np.einsum("i,i->", words, _weights()[:whole])) if whole else 0
    if len(part) % 8:
        last = int.from_bytes(part[whole * 8 :], sys.byteorder)
        total += last * int(_weights()[whole])
    return (total + len(part)) % 2**64


@dataclass(slots=True)
class _RunningChecks:
    """Checksums of each MiB, however the bytes come in."""

    done: list[int] = field(default_factory=list)
    rest: bytearray = field(default_factory=bytearray)

    def add(self, data: memoryview) -> None:
        while data:
            if not self.rest and len(data) >= _CHECK_BYTES:
                self.done.append(multilinear(data[:_CHECK_BYTES]))
                data = data[_CHECK_BYTES:]
                continue
            part = data[: _CHECK_BYTES - len(self.rest)]
            self.rest += part
            data = data[len(part) :]
            if len(self.rest) == _CHECK_BYTES:
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
        """Row by row."""
        size, read, data = into.shape[1] * 4, self.file.read_at, into.reshape(-1).view(np.uint8).data
        try:
            for place, row in enumerate(rows.tolist()):
                read(self.offset + row * size, data[place * size : (place + 1) * size])
        except OSError as error:
            raise storage_error(error, "the vectors of a snapshot could not be read") from error

    def read_span(self, first: int, into: NDArray[np.float32]) -> None:
        """In one piece."""
        try:
            if into.size:
                self.file.read_at(self.offset + first * into.shape[1] * 4, into.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise storage_error(error, "the vectors of a snapshot could not be read") from error


class Snapshot:
    """A snapshot that was opened and checked; arrays share memory with the file."""

    def __init__(self, files: FileSystem, path: str) -> None:
        """Map the file and verify every checksum; raises StorageCorruptedError naming the section."""
        self._path = path
        self._files = files
        self._data = files.read(path)
        self.facts = self._read_table()
        self._sections: dict[str, dict[str, Any]] = self.facts["sections"]
        # Format 1 had the slower checksum.
        self._checksum: Callable[[memoryview], int] = (
            multilinear if self.facts.get("checksum") == _CHECKSUM else zlib.crc32
        )
        for name in self._sections:
            self._verify(name)
        # Verifying has read every page.
        self.release()

    def release(self) -> None:
        """Let the memory go that holds what was read; the file is mapped still."""
        self._files.release(self._data)

    def _read_table(self) -> dict[str, Any]:
        data = self._data
        if len(data) < _TRAILER.size + len(_MAGIC) or bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise StorageCorruptedError(f"{self._path} is no snapshot, or its beginning is damaged")
        offset, length, checksum, version, magic = _TRAILER.unpack(data[-_TRAILER.size :])
        if magic != _MAGIC:
            raise StorageCorruptedError(f"the end of {self._path} is damaged or missing")
        if version > VERSION:
            raise StorageCorruptedError(
                f"{self._path} has snapshot format {version}, this vpa knows {VERSION}; upgrade vpa"
            )
        table = data[offset : offset + length]
        if len(table) != length or zlib.crc32(table) != checksum:
            raise StorageCorruptedError(f"the table of contents of {self._path} is damaged")
        facts: dict[str, Any] = json.loads(bytes(table))
        return facts

    def _verify(self, name: str) -> None:
        section = self._sections[name]
        for number, (part, expected) in enumerate(zip(self._parts(section), section["checks"], strict=True)):
            if self._checksum(part) != expected:
                raise StorageCorruptedError(
                    f"{self._path} is damaged: section {name!r}, MiB {number} (byte {section['offset'] + number * _CHECK_BYTES})"
                )

    def _parts(self, section: dict[str, Any]) -> Iterator[memoryview]:
        data = self._data[section["offset"] : section["offset"] + section["length"]]
        return (data[start : start + _CHECK_BYTES] for start in range(0, len(data), _CHECK_BYTES))

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
