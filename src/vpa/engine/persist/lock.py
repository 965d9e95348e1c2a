"""One process a directory."""

from __future__ import annotations

from filelock import FileLock, Timeout

from vpa.base.errors import StorageLockedError


class DirectoryLock:
    """Held from construction to `release`; the operating system drops it when the process dies."""

    def __init__(self, directory: str) -> None:
        self._lock = FileLock(f"{directory}/LOCK", thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageLockedError(
                f"{directory} is open elsewhere: one process (and one manager in it) may have a directory open; "
                "close the other one, or use a server-based provider for several processes"
            ) from error

    def release(self) -> None:
        """Let others in; may be called twice."""
        self._lock.release()
