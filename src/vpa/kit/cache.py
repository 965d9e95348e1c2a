"""A cache bounded in bytes and in age; least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from vpa.base.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V
    size_bytes: int
    expires: float


class TtlCache(Generic[K, V]):
    """Holds at most `max_bytes` of what callers say their values weigh, each for `ttl_s` seconds.

    Not for several threads at once: it lives on one event loop.
    """

    def __init__(self, *, max_bytes: int, ttl_s: float, clock: Clock) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The value, if it is there and young enough."""
        entry = self._entries.get(key)
        if entry is not None and entry.expires > self._clock.monotonic():
            self._entries.move_to_end(key)
            self.hits += 1
            return entry.value
        if entry is not None:
            self._remove(key)
        self.misses += 1
        return None

    def put(self, key: K, value: V, *, size_bytes: int) -> None:
        """Keep `value`; one that is larger than the whole cache is not kept."""
        if key in self._entries:
            self._remove(key)
        if size_bytes > self.max_bytes or self._ttl_s <= 0:
            return
        self._entries[key] = _Entry(value, size_bytes, self._clock.monotonic() + self._ttl_s)
        self.size_bytes += size_bytes
        while self.size_bytes > self.max_bytes:
            self._remove(next(iter(self._entries)))

    def __iter__(self) -> Iterator[K]:
        """The keys of all entries, also of those that are too old to be returned."""
        return iter(self._entries)

    def discard(self, keys: Iterable[K]) -> int:
        """Remove the entries of these keys; returns how many there were."""
        known = [key for key in dict.fromkeys(keys) if key in self._entries]
        for key in known:
            self._remove(key)
        return len(known)

    def clear(self) -> None:
        """Discard every entry; the counts of hits and misses go on."""
        self._entries.clear()
        self.size_bytes = 0

    def _remove(self, key: K) -> None:
        self.size_bytes -= self._entries.pop(key).size_bytes
