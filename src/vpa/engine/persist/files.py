"""The one seam for file calls. Everything that touches the disk goes through a FileSystem, so that tests can break it.

Names are paths as text. OSError is what every method may raise.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from vpa.engine.growable import Buffer

_JOIN_BELOW: Final = 1 << 20  # Smaller writes are joined: one system call costs more than copying a megabyte's part.
TEMPORARY: Final = ".tmp"


class FileStatus(NamedTuple):
    """Which file a name stands for, and whether it has changed."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int

    def is_same_file(self, other: FileStatus | None) -> bool:
        """Whether both are one file, changed or not."""
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


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
        """Close the file; may be called twice."""
        ...

    def status(self) -> FileStatus:
        """Of the file itself, whatever its name is now."""
        ...


class ReadFile(Protocol):
    """A file that is read at places, by any thread; it is closed when the last reference goes."""

    @property
    def size(self) -> int:
        """Bytes in the file now: another process may append to it."""
        ...

    def read_at(self, offset: int, into: memoryview) -> None:
        """Fill `into`; raises OSError where the file ends before."""
        ...


class FileSystem(Protocol):
    """The file calls that the engine needs, and no others. None of them removes a directory that holds anything."""

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Make a directory that does not exist. With `parents` those above it too, and it may exist."""
        ...

    def list_directory(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty if it does not exist."""
        ...

    def is_directory(self, path: str) -> bool:
        """Whether a directory of that name exists."""
        ...

    def status(self, path: str) -> FileStatus | None:
        """Which file or directory has this name; None if none has."""
        ...

    def open_append(self, path: str) -> AppendFile:
        """Open a file for appending; make it if it is missing."""
        ...

    def read(self, path: str) -> memoryview:
        """The file's bytes, read-only; mapped where that is possible. Not for files that another process may cut."""
        ...

    def open_read(self, path: str) -> ReadFile:
        """Open a file for reading at places."""
        ...

    def release(self, data: memoryview) -> None:
        """Give memory back that holds a mapped file; what is read again comes from the file."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give a file or directory another name; a file of that name is replaced, atomically."""
        ...

    def remove_file(self, path: str) -> None:
        """Remove a file; no error if it is missing."""
        ...

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory; raises OSError if it holds anything."""
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
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def status(self) -> FileStatus:
        """Identity, size and time by `fstat`, also after a rename."""
        return _status(os.fstat(self._open()))


def _status(result: os.stat_result) -> FileStatus:
    return FileStatus(result.st_dev, result.st_ino, result.st_size, result.st_mtime_ns)


class OSReadFile:
    """A descriptor that is closed when the last reference goes."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = None if hasattr(os, "preadv") else threading.Lock()
        weakref.finalize(self, os.close, self._descriptor)

    @property
    def size(self) -> int:
        """Bytes now, by `fstat`."""
        return os.fstat(self._descriptor).st_size

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

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        if parents:
            os.makedirs(path, exist_ok=True)
        else:
            os.mkdir(path)

    def list_directory(self, path: str) -> list[str]:
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def status(self, path: str) -> FileStatus | None:
        try:
            return _status(os.stat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open_append(self, path: str) -> AppendFile:
        return OSAppendFile(path)

    def read(self, path: str) -> memoryview:
        """A read-only memory map; an empty file cannot be mapped and gives empty bytes."""
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def open_read(self, path: str) -> ReadFile:
        return OSReadFile(path)

    def release(self, data: memoryview) -> None:
        """`madvise`, where there is one."""
        mapped = data.obj
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove_file(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        """`fsync` of the directory, where the system has it."""
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class HalfDoneError(OSError):
    """A file has its new name, but whether the name is on the disk is unknown."""


def write_whole(files: FileSystem, path: str, parts: Sequence[Buffer]) -> None:
    """Write a file so that it exists whole or not at all: another name, sync, rename, sync the directory.

    Raises HalfDoneError if the last step failed; after any other OSError the old file is what it was.
    """
    temporary = path + TEMPORARY
    files.remove_file(temporary)
    try:
        file = files.open_append(temporary)
        try:
            file.write(parts)
            file.sync()
        finally:
            file.close()
        files.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            files.remove_file(temporary)
        raise
    try:
        files.sync_directory(os.path.dirname(path))
    except OSError as error:
        raise HalfDoneError(error.errno, f"{error.strerror} (after {path} was replaced)") from error


def read_copy(file: ReadFile, start: int = 0) -> bytes:
    """The bytes from `start` to what is the end now, copied: safe where another process may cut the file."""
    data = bytearray(max(0, file.size - start))
    file.read_at(start, memoryview(data))
    return bytes(data)
