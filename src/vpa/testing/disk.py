"""A simulated disk: the engine's FileSystem in memory, which tears writes, fails, lies, fills up and flips bits.

Everything that goes wrong follows from the seed, so a failure replays. `crash()` gives the disk as the machine finds
it after power comes back: what was synced is there; of the rest any part may be, sector by sector.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from vpa.engine.growable import Buffer
from vpa.engine.persist.files import FileStatus

SECTOR = 512  # Bytes that a disk writes whole or not at all.


@dataclass(slots=True)
class Faults:
    """What goes wrong. Counts are of calls from now on; None means never."""

    fail_sync_at: int | None = None
    lie_sync_at: int | None = None
    fail_write_at: int | None = None
    capacity_bytes: int | None = None


@dataclass(slots=True)
class _File:
    inode: int
    durable: bytes = b""
    current: bytearray = field(default_factory=bytearray)
    changes: int = 0

    def status(self) -> FileStatus:
        return FileStatus(1, self.inode, len(self.current), self.changes)


@dataclass(frozen=True, slots=True)
class SimulatedReadFile:
    """A file as it was when it was opened."""

    data: memoryview

    @property
    def size(self) -> int:
        """As it was when it was opened."""
        return len(self.data)

    def read_at(self, offset: int, into: memoryview) -> None:
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
        self._directories: set[str] = set()
        self._inodes = itertools.count(1)
        # Directories that got another name since their parent was synced: each move happens whole or not at all.
        self._moves: list[tuple[str, str]] = []

    # FileSystem

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Noted, so that an empty one can be seen."""
        if not parents and self.is_directory(path):
            raise FileExistsError(errno.EEXIST, "directory exists", path)
        self._directories.add(path)

    def list_directory(self, path: str) -> list[str]:
        """The names of files and directories directly below."""
        prefix = path.rstrip("/") + "/"
        below = [name for name in (*self._names, *self._directories) if name.startswith(prefix)]
        return sorted({name[len(prefix) :].split("/")[0] for name in below})

    def is_directory(self, path: str) -> bool:
        """Whether it was made, or holds a file."""
        return path not in self._names and (path in self._directories or bool(self.list_directory(path)))

    def status(self, path: str) -> FileStatus | None:
        """Directories have no number of their own."""
        if path in self._names:
            return self._names[path].status()
        return FileStatus(1, 0, 0, 0) if self.is_directory(path) else None

    def open_append(self, path: str) -> SimulatedFile:
        """A file at its end."""
        return SimulatedFile(self, self._names.setdefault(path, _File(next(self._inodes))))

    def read(self, path: str) -> memoryview:
        """What a reader sees now, synced or not."""
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
        if source not in self._names and not self.is_directory(source):
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        if source not in self._names:
            self._moves.append((source, target))
        for name in [name for name in self._names if name == source or name.startswith(source + "/")]:
            self._names[target + name[len(source) :]] = self._names.pop(name)
        for name in [name for name in self._directories if name == source or name.startswith(source + "/")]:
            self._directories.remove(name)
            self._directories.add(target + name[len(source) :])

    def remove_file(self, path: str) -> None:
        """Gone, until a crash says otherwise."""
        self._names.pop(path, None)

    def remove_directory(self, path: str) -> None:
        """Only an empty one."""
        if self.list_directory(path):
            raise OSError(errno.ENOTEMPTY, "directory not empty", path)
        self._directories.discard(path)

    def sync_directory(self, path: str) -> None:
        """Names at and below `path` become durable; may fail or lie as a file's sync does."""
        if self._sync_lies("directory " + path):
            return
        prefix = path.rstrip("/") + "/"
        self._moves = [move for move in self._moves if os.path.dirname(move[1]) != path]
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
        file.changes += 1
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
        for source, target in self._moves:
            if self.random.random() < 0.5:
                names = {_moved(name, source, target): file for name, file in names.items()}
        undone = {os.path.dirname(name) for name in names} ^ {os.path.dirname(name) for name in self._names}
        for name, file in self._names.items():
            if name not in names and os.path.dirname(name) not in undone and self.random.random() < 0.5:
                names[name] = file
        for name in list(names):
            if name not in self._names and os.path.dirname(name) not in undone and self.random.random() < 0.5:
                del names[name]
        for name, file in names.items():
            content = self._torn(file.durable, bytes(file.current))
            after._put(name, content)
        return after

    def _put(self, path: str, content: bytes) -> None:
        file = _File(next(self._inodes), content, bytearray(content))
        self._names[path] = self._durable_names[path] = file

    def flip(self, path: str, *, byte: int | None = None) -> int:
        """Turn one bit of a file; returns which byte."""
        file = self._names[path]
        file.changes += 1
        position = self.random.randrange(len(file.current)) if byte is None else byte
        file.current[position] ^= 1 << self.random.randrange(8)
        file.durable = bytes(file.current)
        return position

    def put(self, path: str, content: bytes) -> None:
        """Another file of that name, as if it had been copied there."""
        self._put(path, content)

    def lose(self, path: str) -> None:
        """A file, or everything below a directory, is gone for good."""
        for names in (self._names, self._durable_names):
            for name in [name for name in names if name == path or name.startswith(path + "/")]:
                del names[name]
        self._directories = {name for name in self._directories if name != path and not name.startswith(path + "/")}

    def copy(self) -> SimulatedDisk:
        """Every file with what a process sees of it, as a kill leaves it."""
        other = SimulatedDisk(self.random.randrange(2**32))
        other._directories = set(self._directories)
        for name, file in self._names.items():
            other._put(name, bytes(file.current))
        return other

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
        self._file.changes += 1

    def close(self) -> None:
        """Nothing to do."""

    def status(self) -> FileStatus:
        """Of the file, whatever its name is."""
        return self._file.status()


def _moved(name: str, source: str, target: str) -> str:
    return target + name[len(source) :] if name.startswith(source + "/") else name
