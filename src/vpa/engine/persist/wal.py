"""The write-ahead log: one frame per change, one fsync for many of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from errno import EDQUOT, ENOSPC, ENOTDIR
from typing import Final

from vpa.base.errors import ClosedError, ReadOnlyError, StorageError, StorageFullError, StorageLockedError
from vpa.engine.growable import Buffer
from vpa.engine.persist.files import AppendFile, FileSystem
from vpa.engine.persist.frames import LogHeader, encode_frame
from vpa.engine.persist.manifest import LogEntry

WAY_OUT: Final = "close the store, look at the cause, and open it again"


class Log:
    """Appends frames and syncs them in groups; many threads may commit at once."""

    def __init__(
        self,
        file: AppendFile,
        header: LogHeader,
        *,
        last: int,
        check: int,
        still_there: Callable[[AppendFile], str | None],
    ) -> None:
        """`still_there` says, after each sync, why what was synced cannot be found again, if so."""
        self._file = file
        self.header = header
        self.next_sequence = last + 1
        self._still_there = still_there
        self._nonce = header.nonce
        # Of the last whole frame: where it ends, its number, its checksum.
        self._end = self._synced = (file.size, last, check)
        self._failed: str | None = None
        self._closed = False
        self._append_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._process = os.getpid()

    @classmethod
    def create(
        cls, files: FileSystem, path: str, header: LogHeader, *, still_there: Callable[[AppendFile], str | None]
    ) -> Log:
        """Begin a log file; on the disk with its name when this returns. After an error it does not exist."""
        file = files.open_append(path)
        try:
            file.write([header.encode()])
            file.sync()
            files.sync_directory(os.path.dirname(path))
        except OSError:
            file.close()
            files.remove_file(path)
            raise
        return cls(file, header, last=header.first - 1, check=0, still_there=still_there)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._file.size

    @property
    def failed(self) -> str | None:
        """Why nothing more is written, if so."""
        return self._failed

    def fail(self, reason: str) -> None:
        """Take nothing more: every later append raises ReadOnlyError with this reason."""
        self._failed = self._failed or reason

    def entry(self, *, sealed: bool) -> LogEntry:
        """What the manifest is to say of it: what was synced."""
        size, last, check = self._synced
        return LogEntry(self.header.generation, self.header.id, self.header.first, size, last, check, sealed)

    def append(self, payload: Sequence[Buffer]) -> int:
        """Write one frame, not yet synced; returns the ticket for `commit`. If it raises, the frame is not there."""
        with self._append_lock:
            self.refuse_if_failed()
            parts = list(payload)
            head, check = encode_frame(parts, nonce=self._nonce, sequence=self.next_sequence, synced=self._synced[0])
            before = self._file.size
            try:
                self._file.write([head, *parts])
            except OSError as error:
                self._take_back(before, error)
                raise storage_error(error, "the change was not written") from error
            self._end = (self._file.size, self.next_sequence, check)
            self.next_sequence += 1
            return self._file.size

    def _take_back(self, size: int, cause: OSError) -> None:
        try:
            self._file.truncate(size)
        except OSError as error:
            self.fail(f"writing failed ({cause}) and the rest could not be cut off ({error})")

    def commit(self, ticket: int) -> None:
        """Return when the file is synced up to `ticket`. The first caller syncs for all that are waiting.

        Raises StorageError if the sync failed, or if the file is no longer where it was opened.
        """
        with self._sync_lock:
            if self._synced[0] >= ticket:
                return
            self._sync(self._end)
            self._mark()

    def seal(self) -> None:
        """Sync whatever was written, marks too, while nobody appends; raises as `commit` does."""
        with self._sync_lock:
            self._sync((self._file.size, *self._end[1:]))

    def _sync(self, reached: tuple[int, int, int]) -> None:
        self.refuse_if_failed()
        try:
            self._file.sync()
            reason = self._still_there(self._file)
        except OSError as error:
            # What the disk holds now is unknown, and a second fsync would report success for pages it has dropped.
            self.fail(f"fsync failed: {error}")
            raise storage_error(error, "whether this write survives is unknown; no further one is taken") from error
        if reason is not None:
            self.fail(reason)
            raise StorageError(
                f"{reason}; whether this write survives is unknown, and no further one is taken; {WAY_OUT}"
            )
        self._synced = reached

    def _mark(self) -> None:
        """Say in the file what was synced, so that damage to it is never taken for an unfinished write."""
        if not self._append_lock.acquire(blocking=False):
            # A frame is coming, which will be followed by a mark.
            return
        try:
            if self._end != self._synced or self._failed is not None or self._closed:
                return
            head, _ = encode_frame([], nonce=self._nonce, sequence=self._end[1], synced=self._end[0])
            before = self._file.size
            try:
                self._file.write([head])
            except OSError as error:
                self._take_back(before, error)
        finally:
            self._append_lock.release()

    def refuse_if_failed(self) -> None:
        """Raise ClosedError after `close`, ReadOnlyError after a failure, StorageLockedError in a forked process."""
        if self._closed:
            raise ClosedError("the collection was dropped, or the store closed, while this write was under way")
        if self._failed is not None:
            raise ReadOnlyError(f"the store is read-only since {self._failed}; {WAY_OUT}")
        if os.getpid() != self._process:
            raise forked_error(self._process)

    def close(self) -> None:
        """Close the file once nobody uses it; what was committed is on the disk. Later calls raise ClosedError."""
        with self._sync_lock, self._append_lock:
            self._closed = True
            self._file.close()


def forked_error(owner: int) -> StorageLockedError:
    """The error for a store that a forked process inherited."""
    return StorageLockedError(
        f"this store was opened by process {owner} and is used in process {os.getpid()}, forked from it: connect after "
        "the fork, in one process for writing and with read_only=True in the others"
    )


def storage_error(error: OSError, consequence: str) -> StorageError:
    """The error of ours for a failed file call."""
    if error.errno in (ENOSPC, EDQUOT):
        return StorageFullError(f"no room on the disk ({error}): {consequence}; free some space and try again")
    if error.errno == ENOTDIR:
        return StorageError(f"{consequence}: there is a file where a directory should be ({error.filename})")
    return StorageError(f"a file call failed ({error}): {consequence}")
