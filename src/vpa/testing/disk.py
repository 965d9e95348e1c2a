"""A simulated disk: the engine's FileSystem in memory, which tears writes, fails, lies, fills up and flips bits.

Everything that goes wrong follows from the seed, so a failure replays. `crash()` gives the disk as the machine finds
it after power comes back: what was synced is there; of the rest any part may be, sector by sector.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from vpa.engine.growable import Buffer

SECTOR = 512


@dataclass(slots=True)
class Faults:
    """What goes wrong. Counts are of calls from now on; None means never."""

    fail_sync_at: int | None = None
    lie_sync_at: int | None = None
    fail_write_at: int | None = None
    capacity_bytes: int | None = None


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    current: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class SimulatedReadFile:
    """A file as it was when it was opened."""

    data: memoryview

    def read_at(self, offset: int, into: memoryview) -> None:
        """From memory."""
        part = self.data[offset : offset + len(into)]
        if len(part) < len(into):
            raise OSError(errno.EIO, f"the file ends at byte {len(self.data)}")
        into[:] = part


class SimulatedDisk:
    """Implements `engine.persist.files.FileSystem`. Directories are implied by paths, but their names need a sync."""

    def __init__(self, seed: int, *, faults: Faults | None = None) -> None:
        self.random = random.Random(seed)
        self.faults = faults or Faults()
        self.events: list[str] = []
        self.syncs = 0
        self.writes = 0
        self._names: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}

    # FileSystem

    def make_directory(self, path: str) -> None:
        """Nothing to do."""

    def list_directory(self, path: str) -> list[str]:
        """Names directly below."""
        prefix = path.rstrip("/") + "/"
        return sorted({name[len(prefix) :].split("/")[0] for name in self._names if name.startswith(prefix)})

    def exists(self, path: str) -> bool:
        """Whether there is a file, or one below."""
        return path in self._names or bool(self.list_directory(path))

    def open_append(self, path: str) -> SimulatedFile:
        """A file at its end."""
        return SimulatedFile(self, self._names.setdefault(path, _File()))

    def read(self, path: str) -> memoryview:
        """The file's bytes."""
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return memoryview(bytes(self._names[path].current))

    def open_read(self, path: str) -> SimulatedReadFile:
        """The file's bytes as they are now."""
        return SimulatedReadFile(self.read(path))

    def release(self, data: memoryview) -> None:
        """Nothing: no memory is a mapped file's here."""

    def rename(self, source: str, target: str) -> None:
        """A file, or everything below a directory."""
        for name in [name for name in self._names if name == source or name.startswith(source + "/")]:
            self._names[target + name[len(source) :]] = self._names.pop(name)

    def remove(self, path: str) -> None:
        """A file, or everything below a directory."""
        for name in [name for name in self._names if name == path or name.startswith(path + "/")]:
            del self._names[name]

    def sync_directory(self, path: str) -> None:
        """Names at and below `path` become durable; may fail or lie as a file's sync does."""
        if self._sync_lies("directory " + path):
            return
        prefix = path.rstrip("/") + "/"
        for name in [name for name in self._durable_names if name.startswith(prefix) and name not in self._names]:
            del self._durable_names[name]
        self._durable_names |= {name: file for name, file in self._names.items() if name.startswith(prefix)}

    # Faults

    def _sync_lies(self, what: str) -> bool:
        self.syncs += 1
        if self.syncs == self.faults.fail_sync_at:
            self.events.append(f"sync of {what} failed")
            raise OSError(errno.EIO, "simulated: sync failed")
        if self.syncs == self.faults.lie_sync_at:
            self.events.append(f"sync of {what} lied")
            return True
        return False

    def sync_file(self, file: _File) -> None:
        """What was written to the file becomes durable."""
        try:
            if self._sync_lies("file"):
                return
        except OSError:
            # As Linux does: the pages count as clean afterwards, whether or not they reached the disk.
            file.durable = self._torn(file.durable, bytes(file.current))
            raise
        file.durable = bytes(file.current)

    def write_file(self, file: _File, data: bytes) -> None:
        """Append, or as much as there is room for."""
        self.writes += 1
        used = sum(len(one.current) for one in self._names.values())
        room = len(data) if self.faults.capacity_bytes is None else max(0, self.faults.capacity_bytes - used)
        if self.writes == self.faults.fail_write_at:
            room = min(room, self.random.randrange(len(data) + 1))
        file.current += data[:room]
        if room < len(data) or self.writes == self.faults.fail_write_at:
            full = self.writes != self.faults.fail_write_at
            self.events.append("disk full" if full else "write failed")
            raise OSError(
                errno.ENOSPC if full else errno.EIO, "simulated: disk full" if full else "simulated: write failed"
            )

    def _torn(self, durable: bytes, current: bytes) -> bytes:
        """Of the sectors that differ, any may have reached the disk; the length is that of the last one that did."""
        if durable == current:
            return durable
        size = max(len(durable), len(current))
        result = bytearray(durable)
        for start in range(0, size, SECTOR):
            if durable[start : start + SECTOR] != current[start : start + SECTOR] and self.random.random() < 0.5:
                part = current[start : start + SECTOR]
                result.extend(bytes(max(0, start + len(part) - len(result))))
                result[start : start + len(part)] = part
        return bytes(result)

    def crash(self) -> SimulatedDisk:
        """The disk after a power cut; faults are off."""
        after = SimulatedDisk(self.random.randrange(2**32))
        names = dict(self._durable_names)
        for name, file in self._names.items():
            if name not in names and self.random.random() < 0.5:
                names[name] = file
        for name in list(names):
            if name not in self._names and self.random.random() < 0.5:
                del names[name]
        for name, file in names.items():
            content = self._torn(file.durable, bytes(file.current))
            after._names[name] = after._durable_names[name] = _File(content, bytearray(content))
        return after

    def flip(self, path: str, *, byte: int | None = None) -> int:
        """Turn one bit of a file; returns which byte."""
        file = self._names[path]
        position = self.random.randrange(len(file.current)) if byte is None else byte
        file.current[position] ^= 1 << self.random.randrange(8)
        file.durable = bytes(file.current)
        return position

    def files(self) -> list[str]:
        """Paths of all files that are not empty."""
        return sorted(name for name, file in self._names.items() if file.current)

    def random_bytes(self, count: int) -> bytes:
        """Bytes from the seed, for nonces."""
        return self.random.randbytes(count)


class SimulatedFile:
    """A file of a SimulatedDisk."""

    def __init__(self, disk: SimulatedDisk, file: _File) -> None:
        self._disk = disk
        self._file = file

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return len(self._file.current)

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append all of `parts`, or as much as the faults let through."""
        self._disk.write_file(self._file, b"".join(bytes(part) for part in parts))

    def sync(self) -> None:
        """Durable when it returns, unless it lies."""
        self._disk.sync_file(self._file)

    def truncate(self, size: int) -> None:
        """Cut; durable only after a sync."""
        del self._file.current[size:]

    def close(self) -> None:
        """Nothing to do."""
