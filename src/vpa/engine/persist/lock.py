"""One writing process per directory, also where processes are forked."""

from __future__ import annotations

import errno
import functools
import os
import sys
import weakref

from vpa.base.errors import StorageLockedError
from vpa.engine.persist.files import FileStatus

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = "LOCK"


class DirectoryLock:
    """Held from construction to `release`; the operating system drops it when the process ends."""

    def __init__(self, directory: str) -> None:
        """Take the lock; raises StorageLockedError, or OSError where the lock file cannot be opened."""
        self._descriptor: int | None = os.open(f"{directory}/{NAME}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._descriptor)
        except OSError as error:
            self._forget()
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise
            raise StorageLockedError(
                f"{directory} is open elsewhere: one process (and one manager in it) may have a directory open for "
                "writing; close the other one, open it with read_only=True, or use a server-based provider"
            ) from error
        found = os.fstat(self._descriptor)
        self.status = FileStatus(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        _held().add(self)

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def release(self) -> None:
        """Let others in; may be called twice."""
        if self._descriptor is not None:
            _give(self._descriptor)
        self._forget()


@functools.cache
def _held() -> weakref.WeakSet[DirectoryLock]:
    """Locks of this process. A forked child closes its copies: it may not unlock them, nor keep them after its
    parent.
    """
    held: weakref.WeakSet[DirectoryLock] = weakref.WeakSet()

    def close_copies() -> None:
        for lock in list(held):
            lock._forget()
        held.clear()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close_copies)
    return held


def _take(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
