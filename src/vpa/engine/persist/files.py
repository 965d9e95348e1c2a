"""The one seam for file calls. Everything that touches the disk goes through a FileSystem, so that tests can break it.

Names are paths as text. OSError is what every method may raise.
"""

from __future__ import annotations

import mmap
import os
import shutil
import threading
import weakref
from collections.abc import Sequence
from typing import Final, Protocol

from vpa.engine.growable import Buffer

_JOIN_BELOW: Final = 1 << 20


class AppendFile(Protocol):
    """A file that is written at its end."""

    @property
    def size(self) -> int:
        """Bytes in the file."""
        ...

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append all of `parts`; on an error some of them may be there."""
        ...

    def sync(self) -> None:
        """Return when every byte is on the disk."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def close(self) -> None:
        """Let the file go; may be called twice."""
        ...


class ReadFile(Protocol):
    """A file that is read at places, by any thread; it is let go with its last user."""

    def read_at(self, offset: int, into: memoryview) -> None:
        """Fill `into`; raises OSError where the file ends before."""
        ...


class FileSystem(Protocol):
    """The file calls that the engine needs, and no others."""

    def make_directory(self, path: str) -> None:
        """Make a directory and those above it; no error if it is there."""
        ...

    def list_directory(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty if there is none."""
        ...

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        ...

    def open_append(self, path: str) -> AppendFile:
        """Open a file for appending; make it if it is missing."""
        ...

    def read(self, path: str) -> memoryview:
        """The file's bytes, read-only; mapped where that is possible."""
        ...

    def open_read(self, path: str) -> ReadFile:
        """Open a file for reading at places."""
        ...

    def release(self, data: memoryview) -> None:
        """Let memory that holds a mapped file go; what is read again comes from the file."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give a file or directory another name; a file of that name is replaced, atomically."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all in it; no error if it is missing."""
        ...

    def sync_directory(self, path: str) -> None:
        """Return when the names in a directory are on the disk."""
        ...


class OSAppendFile:
    """A file of the operating system."""

    def __init__(self, path: str) -> None:
        self._descriptor: int | None = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600
        )
        self._size = os.fstat(self._descriptor).st_size

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def _open(self) -> int:
        if self._descriptor is None:
            raise OSError("the file is closed")
        return self._descriptor

    def write(self, parts: Sequence[Buffer]) -> None:
        """Append all of `parts`; small ones in one call."""
        total = sum(len(part) for part in parts)
        for part in [b"".join(parts)] if total < _JOIN_BELOW else parts:
            rest = memoryview(part)
            while rest:
                done = os.write(self._open(), rest)
                self._size += done
                rest = rest[done:]

    def sync(self) -> None:
        """`fdatasync`, which also writes a changed length."""
        getattr(os, "fdatasync", os.fsync)(self._open())

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(self._open(), size)
        self._size = size

    def close(self) -> None:
        """Close the descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class OSReadFile:
    """A descriptor that is closed when nobody holds this any more."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = None if hasattr(os, "preadv") else threading.Lock()
        weakref.finalize(self, os.close, self._descriptor)

    def read_at(self, offset: int, into: memoryview) -> None:
        """`preadv`, or a seek and a read where there is none."""
        done = 0
        while done < len(into):
            count = self._read(offset + done, into[done:])
            if not count:
                raise OSError(f"the file ends at byte {offset + done}")
            done += count

    def _read(self, offset: int, into: memoryview) -> int:
        if self._lock is None:
            return os.preadv(self._descriptor, [into], offset)
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            data = os.read(self._descriptor, len(into))
            into[: len(data)] = data
            return len(data)


class OSFiles:
    """The operating system's files."""

    def make_directory(self, path: str) -> None:
        """`os.makedirs`."""
        os.makedirs(path, exist_ok=True)

    def list_directory(self, path: str) -> list[str]:
        """`os.listdir`, sorted."""
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def exists(self, path: str) -> bool:
        """`os.path.exists`."""
        return os.path.exists(path)

    def open_append(self, path: str) -> AppendFile:
        """A new `OSAppendFile`."""
        return OSAppendFile(path)

    def read(self, path: str) -> memoryview:
        """A read-only memory map; an empty file cannot be mapped and gives empty bytes."""
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def open_read(self, path: str) -> ReadFile:
        """A new `OSReadFile`."""
        return OSReadFile(path)

    def release(self, data: memoryview) -> None:
        """`madvise`, where there is one."""
        mapped = data.obj
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def rename(self, source: str, target: str) -> None:
        """`os.replace`."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """`os.remove`, or `shutil.rmtree` for a directory."""
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.remove(path)

    def sync_directory(self, path: str) -> None:
        """`fsync` of the directory, where the system has it."""
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(files: FileSystem, path: str, parts: Sequence[Buffer]) -> None:
    """Write a file so that it is there whole or not at all: another name, sync, rename, sync the directory."""
    temporary = path + ".tmp"
    files.remove(temporary)
    file = files.open_append(temporary)
    try:
        file.write(parts)
        file.sync()
    finally:
        file.close()
    files.rename(temporary, path)
    files.sync_directory(os.path.dirname(path))
