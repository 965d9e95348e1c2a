"""Linear algebra on one thread, where our own workers are what runs beside one another."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

_BRING_BLAS: Final = frozenset({"faiss", "numpy", "scipy", "torch"})


class _Limit:
    """The number of BLAS threads is one setting of the whole process: the first to enter sets 1, the last restores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._controller: Any = None
        self._loaded: frozenset[str] = frozenset()
        self._restore: AbstractContextManager[Any] | None = None

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            self._restore = self._libraries().limit(limits=1, user_api="blas")
            self._restore.__enter__()

    def _libraries(self) -> Any:
        # Looking for the loaded libraries takes milliseconds: only when one may have been added.
        loaded = frozenset(_BRING_BLAS & sys.modules.keys())
        if self._controller is None or loaded != self._loaded:
            from threadpoolctl import ThreadpoolController

            self._controller, self._loaded = ThreadpoolController(), loaded
        return self._controller

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._restore is not None:
                self._take_control()
                self._restore.__exit__(None, None, None)
                self._restore = None

    def _take_control(self) -> None:
        """Since threadpoolctl 3.8 only the thread that set a limit first may set another; for the rest it does nothing.

        Here any thread may be the first to come or the last to go, one at a time.
        """
        for controller in self._controller.lib_controllers:
            clear = getattr(controller, "clear_controlling_thread", None)
            if clear is not None:
                clear(force=True)


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
