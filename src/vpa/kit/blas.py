"""Linear algebra on one thread, where our own workers are what runs beside one another, and else on no more threads
than the process has CPUs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from vpa.kit.cpus import allowed_cpus, available_cpus

_QUOTA_VALID_S: Final = 5.0  # A quota may change while the process runs; reading it takes 0.1 ms.
_BRING_BLAS: Final = frozenset({"faiss", "numpy", "scipy", "torch"})


class _Limit:
    """The number of BLAS threads is one setting of the whole process: who enters may lower it, the last to leave
    restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._threads = 0
        self._controller: Any = None
        self._loaded: frozenset[str] = frozenset()
        self._restore: AbstractContextManager[Any] | None = None

    def enter(self, threads: int) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                libraries = self._libraries().select(user_api="blas")
                self._threads = min([threads, *(one.num_threads for one in libraries.lib_controllers)])
                self._restore = libraries.limit(limits=self._threads)
                self._restore.__enter__()
            elif threads < self._threads:
                self._threads = threads
                self._take_control()
                for loaded in self._controller.select(user_api="blas").lib_controllers:
                    loaded.set_num_threads(threads)

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


class _Quota:
    """CPUs of a process that may use more of them than its quota pays for; looked up again every few seconds."""

    def __init__(self) -> None:
        self._cpus: int | None = None
        self._valid_until = 0.0

    @property
    def cpus(self) -> int | None:
        """None where the quota is no less than the number of CPUs that BLAS goes by."""
        now = time.monotonic()
        if now >= self._valid_until:
            cpus = available_cpus()
            self._cpus = cpus if cpus < allowed_cpus() else None
            self._valid_until = now + _QUOTA_VALID_S
        return self._cpus


_LIMIT: Final = _Limit()
_QUOTA: Final = _Quota()


@contextmanager
def single_threaded() -> Iterator[None]:
    """NumPy's BLAS on one thread while this is open, from as many threads at once as wanted; costs microseconds.

    OpenBLAS's own threads wait for one another by spinning. With fewer free cores than threads (a busy neighbour, a
    CPU quota) that costs several times the CPU: scripts/benchmarks/minilm.py.
    """
    _LIMIT.enter(1)
    try:
        yield
    finally:
        _LIMIT.leave()


@contextmanager
def within_quota() -> Iterator[None]:
    """NumPy's BLAS on at most as many threads as the quota of the control group has CPUs; it goes by the machine's
    cores and the affinity alone. Costs nothing where that is the same.
    """
    cpus = _QUOTA.cpus
    if cpus is None:
        yield
        return
    _LIMIT.enter(cpus)
    try:
        yield
    finally:
        _LIMIT.leave()
