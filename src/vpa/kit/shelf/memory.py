"""A shelf in the memory of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from vpa.kit.shelf.contract import Shelf

# What an entry takes beside its value.
_ENTRY_BYTES: Final = 200


class MemoryShelf(Shelf):
    """In the memory of this process, and gone with it. What was read or written last is dropped last."""

    def __init__(self, *, max_bytes: int) -> None:
        super().__init__(max_bytes=max_bytes)
        self._lock = threading.Lock()
        self._values: dict[bytes, bytes] = {}
        self._size_bytes = 0

    def get(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """As the contract says."""
        with self._lock:
            known = {key: self._values.pop(key) for key in dict.fromkeys(keys) if key in self._values}
            self._values |= known
            return known

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """As the contract says."""
        with self._lock:
            return set(keys) & self._values.keys()

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """As the contract says; a value that is larger than the whole shelf is not kept."""
        with self._lock:
            self._drop(values.keys() & self._values.keys())
            for key, value in values.items():
                self._values[key] = value
                self._size_bytes += len(value) + _ENTRY_BYTES
            while self._size_bytes > self.max_bytes:
                self._drop([next(iter(self._values))])

    def discard(self, keys: Sequence[bytes]) -> int:
        """As the contract says."""
        with self._lock:
            known = set(keys) & self._values.keys()
            self._drop(known)
            return len(known)

    def _drop(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            self._size_bytes -= len(self._values.pop(key)) + _ENTRY_BYTES

    @property
    def size_bytes(self) -> int:
        """Of the values, with what an entry takes beside its value."""
        return self._size_bytes

    def close(self) -> None:
        """Nothing is open: what is kept stays as long as the shelf."""
