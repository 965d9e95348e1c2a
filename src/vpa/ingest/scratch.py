"""The directory of one pool of reading processes in the temporary directory, and the removal of those left behind."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from typing import Final

if sys.platform != "win32":
    import fcntl

_PREFIX: Final = "vpa-ingest-"
# Held by its owner for as long as it lives: the number of a process says nothing to other containers that share /tmp.
_LOCK: Final = ".lock"
# A directory without a lock is being made, or is one of an earlier version.
_LOCKLESS_S: Final = 86_400.0


class Scratch:
    """A directory for files that are unpacked; `close` removes it. What killed processes left is removed first."""

    def __init__(self) -> None:
        sweep()
        self.path = tempfile.mkdtemp(prefix=_PREFIX)
        # Under its name it is never without its lock.
        making = os.path.join(self.path, f"{_LOCK}.new")
        self._lock: int | None = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        # Where the file system knows no locks, it counts as one without.
        if sys.platform != "win32":
            with suppress(OSError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.rename(making, os.path.join(self.path, _LOCK))

    def part(self) -> str:
        """A new directory inside it."""
        return tempfile.mkdtemp(dir=self.path)

    def close(self) -> None:
        """Remove it with all that is in it. Twice is no error."""
        lock, self._lock = self._lock, None
        if lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(lock)


def sweep() -> None:
    """Remove the directories of this user whose owners have ended. On Windows, which has no such locks, none."""
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                with suppress(OSError):
                    _remove_if_left(entry.path)


def _remove_if_left(path: str) -> None:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    try:
        lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        if time.time() - status.st_mtime > _LOCKLESS_S:
            shutil.rmtree(path, ignore_errors=True)
        return
    try:
        # Raises OSError while its owner lives.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
