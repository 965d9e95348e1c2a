"""The write-ahead log: one checksummed frame a change, one fsync for many of them.

File: a header of 32 bytes (magic, version, a random nonce, checksum), then frames. A frame is a header of 40 bytes
(nonce, sequence, length, how much of the file was known to be synced when it was written, checksum of the payload,
checksum of the header) and its payload. The nonce keeps stored data from ever looking like a frame.

A bad frame at the end is a torn tail, cut off and reported, as long as no later frame says that it had been synced;
otherwise acknowledged data is damaged, and `Contents.damage` says so.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from typing import Final, NamedTuple

from vpa.base.errors import ConfigurationError, ProviderError, StorageFullError, VectorDatabaseError
from vpa.engine.growable import Buffer
from vpa.engine.persist.files import AppendFile, FileSystem

_FILE_MAGIC: Final = b"VPALOG\x00\x01"
_FILE_HEADER: Final = struct.Struct("<8sII8sII")  # magic, version, zero, nonce, zero, checksum
_FRAME: Final = struct.Struct("<8sQQQII")  # nonce, sequence, length, synced, payload checksum, header checksum
VERSION: Final = 2
NONCE_BYTES: Final = 8
HEADER_BYTES: Final = _FILE_HEADER.size
FRAME_BYTES: Final = _FRAME.size


class Frame(NamedTuple):
    """One change as it was read."""

    sequence: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Contents:
    """What a log file holds: its frames, how far it is good, how many bytes behind that cannot be read.

    `damage` says so if those bytes had been acknowledged; without it they are a torn tail.
    """

    frames: list[Frame]
    nonce: bytes
    good_bytes: int
    torn_bytes: int
    damage: str | None = None


def read_log(files: FileSystem, path: str) -> Contents | None:
    """Read and check a whole log; None if it was never begun."""
    data = files.read(path)
    nonce = _read_header(data, path)
    if nonce is None:
        if len(data) <= HEADER_BYTES:
            return None
        return Contents([], b"", 0, len(data), f"the header of {path} is damaged; {len(data)} bytes cannot be read")
    frames: list[Frame] = []
    position = HEADER_BYTES
    damage = None
    while position < len(data):
        frame = _read_frame(data, position, nonce)
        if frame is None:
            if _was_synced(data, position, nonce):
                damage = f"{path} is damaged at byte {position}, inside data that had been acknowledged"
            break
        frames.append(frame)
        position += FRAME_BYTES + len(frame.payload)
    return Contents(frames, nonce, position, len(data) - position, damage)


def _read_header(data: memoryview, path: str) -> bytes | None:
    if len(data) < HEADER_BYTES:
        return None
    magic, version, _, nonce, _, checksum = _FILE_HEADER.unpack_from(data)
    if magic != _FILE_MAGIC or zlib.crc32(data[: HEADER_BYTES - 4]) != checksum:
        return None
    if version > VERSION:
        raise ConfigurationError(
            f"{path} has log format {version}, this vpa knows {VERSION}; nothing was touched; upgrade vpa"
        )
    return bytes(nonce)


def _read_frame(data: memoryview, position: int, nonce: bytes) -> Frame | None:
    header = _frame_header(data, position, nonce)
    if header is None:
        return None
    sequence, length, _, checksum = header
    start = position + FRAME_BYTES
    if start + length > len(data):
        return None
    payload = data[start : start + length]
    return Frame(sequence, payload) if zlib.crc32(payload) == checksum else None


def _frame_header(data: memoryview, position: int, nonce: bytes) -> tuple[int, int, int, int] | None:
    if position + FRAME_BYTES > len(data):
        return None
    found, sequence, length, synced, checksum, header_checksum = _FRAME.unpack_from(data, position)
    if found != nonce or zlib.crc32(data[position : position + FRAME_BYTES - 4]) != header_checksum:
        return None
    return sequence, length, synced, checksum


def _was_synced(data: memoryview, bad: int, nonce: bytes) -> bool:
    """Whether a later frame knew the bytes at `bad` to be synced."""
    rest = bytes(data[bad + 1 :])
    position = rest.find(nonce)
    while position >= 0:
        header = _frame_header(data, bad + 1 + position, nonce)
        if header is not None and header[2] > bad:
            return True
        position = rest.find(nonce, position + 1)
    return False


class Log:
    """Appends frames and syncs them in groups; many threads may commit at once."""

    def __init__(self, file: AppendFile, *, nonce: bytes, next_sequence: int) -> None:
        self._file = file
        self._nonce = nonce
        self.next_sequence = next_sequence
        self._synced = file.size
        self._failed: str | None = None
        self._append_lock = threading.Lock()
        self._sync_lock = threading.Lock()

    @classmethod
    def create(
        cls, files: FileSystem, path: str, *, directory: str, next_sequence: int, random_bytes: Callable[[int], bytes]
    ) -> Log:
        """Begin a log file; when this returns, the file and its name are on the disk."""
        files.remove(path)
        file = files.open_append(path)
        nonce = random_bytes(NONCE_BYTES)
        head = _FILE_HEADER.pack(_FILE_MAGIC, VERSION, 0, nonce, 0, 0)[:-4]
        try:
            file.write([head + zlib.crc32(head).to_bytes(4, "little")])
            file.sync()
            files.sync_directory(directory)
        except OSError:
            file.close()
            raise
        return cls(file, nonce=nonce, next_sequence=next_sequence)

    @classmethod
    def reopen(cls, files: FileSystem, path: str, contents: Contents, *, next_sequence: int) -> Log:
        """Go on with a log that was read; its torn tail is cut off first."""
        file = files.open_append(path)
        try:
            if contents.torn_bytes:
                file.truncate(contents.good_bytes)
            file.sync()
        except OSError:
            file.close()
            raise
        return cls(file, nonce=contents.nonce, next_sequence=next_sequence)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._file.size

    @property
    def failed(self) -> str | None:
        """Why nothing more is written, if so."""
        return self._failed

    def append(self, payload: Sequence[Buffer]) -> int:
        """Write one frame, not yet synced; returns the ticket for `commit`. If it raises, the frame is not there."""
        with self._append_lock:
            self._refuse_if_failed()
            before = self._file.size
            checksum = 0
            for part in payload:
                checksum = zlib.crc32(part, checksum)
            length = sum(len(part) for part in payload)
            head = _FRAME.pack(self._nonce, self.next_sequence, length, self._synced, checksum, 0)[:-4]
            try:
                self._file.write([head + zlib.crc32(head).to_bytes(4, "little"), *payload])
            except OSError as error:
                self._take_back(before, error)
                raise storage_error(error, "the change was not written") from error
            self.next_sequence += 1
            return self._file.size

    def _take_back(self, size: int, cause: OSError) -> None:
        try:
            self._file.truncate(size)
        except OSError as error:
            self._failed = f"writing failed ({cause}) and the rest could not be cut off ({error})"

    def commit(self, ticket: int) -> None:
        """Return when the file is synced up to `ticket`. Whoever comes first syncs for all that are waiting."""
        with self._sync_lock:
            if self._synced >= ticket:
                return
            self._refuse_if_failed()
            reached = self._file.size
            try:
                self._file.sync()
            except OSError as error:
                # What the disk holds now is unknown, and a second fsync would report success for pages it has dropped.
                self._failed = f"fsync failed: {error}"
                raise storage_error(error, "whether this write survives is unknown; no further one is taken") from error
            self._synced = reached

    def _refuse_if_failed(self) -> None:
        if self._failed is not None:
            raise ProviderError(f"the store is read-only since {self._failed}; close and reopen it to recover")

    def close(self) -> None:
        """Close the file; what was committed is on the disk."""
        self._file.close()


def storage_error(error: OSError, consequence: str) -> VectorDatabaseError:
    """The error of ours for a failed file call."""
    if error.errno in (ENOSPC, EDQUOT):
        return StorageFullError(f"no room on the disk ({error}): {consequence}; free some space and try again")
    return ProviderError(f"a file call failed ({error}): {consequence}")
