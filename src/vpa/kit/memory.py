"""Memory that was freed goes back to the system, where the C library keeps it otherwise."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """`malloc_trim(0)` of glibc; elsewhere nothing. Takes milliseconds: call it when much was freed, and not on the
    event loop.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
