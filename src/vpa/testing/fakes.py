"""Stores that are weak or flaky on purpose: for the framework's own tests, and for people's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar

from vpa.base.capabilities import Capabilities
from vpa.base.errors import ServiceUnavailableError, VectorDatabaseError
from vpa.base.records import CollectionInfo
from vpa.filters import Filter
from vpa.filters.ast import Eq
from vpa.stores.embedded.store import EmbeddedStore
from vpa.stores.requests import Upsert


class WeakStore(EmbeddedStore):
    """The engine pretending to know equality only, and no atomic replace: everything else is left to the framework."""

    provider = "weak"

    def __init__(self, *, max_top_k: int | None = None) -> None:
        super().__init__()
        self.capabilities = Capabilities(
            durable=False,
            atomic_conflict=True,
            atomic_replace=False,
            atomic_update=True,
            approximate=False,
            keywords=True,
            max_top_k=max_top_k,
        )

    def supports(self, leaf: Filter) -> bool:
        """Only `eq`, so that everything else is left to the library."""
        return isinstance(leaf, Eq)

    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """Refuses `replacing`: a store without atomic replace is never asked."""
        if request.replacing is not None:
            raise AssertionError("the framework asked a store for a replace that it cannot do")
        return await super().upsert(info, request)


class FlakyStore:
    """Wraps any store: a share of its calls raises, from a seed. `FlakyStore(store, seed=1, share=0.2)`.

    `before` True fails before the store was asked; False after it did the work, so that the caller cannot know.
    """

    # Its calls are lost on the way, wherever the wrapped store is.
    is_local: ClassVar[bool] = False

    def __init__(
        self,
        store: Any,
        *,
        seed: int,
        share: float,
        before: bool = True,
        error: Callable[[], VectorDatabaseError] = lambda: ServiceUnavailableError("simulated: the store is away"),
    ) -> None:
        self._store = store
        self._random = random.Random(seed)
        self._share = share
        self._before = before
        self._error = error
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name.startswith("_") or name not in _VERBS:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            fails = self._random.random() < self._share
            if fails and self._before:
                self._fail()
            result = await found(*args, **kwargs)
            if fails:
                self._fail()
            return result

        return call

    def _fail(self) -> None:
        self.failures += 1
        raise self._error()


_VERBS = frozenset({"ping", "upsert", "get", "delete", "update_metadata", "count", "search"})
