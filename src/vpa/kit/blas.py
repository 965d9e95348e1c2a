"""Linear algebra on one thread, where our own workers are what runs beside one another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final


class _Limit:
    """The number of BLAS threads is one setting of the whole process: the first to enter sets 1, the last restores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._controller: Any = None
        self._restore: AbstractContextManager[Any] | None = None

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            if self._controller is None:
                # Finding the loaded libraries takes milliseconds; NumPy's BLAS is loaded by now.
                import numpy  # noqa: F401
                from threadpoolctl import ThreadpoolController

                self._controller = ThreadpoolController()
            self._restore = self._controller.limit(limits=1, user_api="blas")
            self._restore.__enter__()

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._restore is not None:
                self._restore.__exit__(None, None, None)
                self._restore = None


_LIMIT: Final = _Limit()


@contextmanager
def single_threaded() -> Iterator[None]:
    """NumPy's BLAS on one thread while this is open, from as many threads at once as wanted; costs microseconds.

    OpenBLAS's own threads wait for one another by spinning. With fewer free cores than threads (a busy neighbour, a
    CPU quota) that costs several times the CPU: scripts/benchmarks/minilm.py.
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
