"""Blocking work off the event loop: a bounded pool that is closed by whoever opened it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A few threads for blocking calls; made when first used, at most `size` of them."""

    def __init__(self, *, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` in a thread and await its result. If the caller is cancelled, the call still runs to its end."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=self._size, thread_name_prefix=self._name)
        context = contextvars.copy_context()
        bound = partial(context.run, partial(call, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, bound)

    async def close(self) -> None:
        """Wait for what is running, then let the threads go. May be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.get_running_loop().run_in_executor(None, partial(pool.shutdown, wait=True))
