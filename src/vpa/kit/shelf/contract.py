"""The contract of a shelf: bytes by key, bounded. `memory` and `file` implement it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence


class ShelfError(Exception):
    """A shelf cannot be read or written; the text says which, and why. Users of a shelf do not pass it on."""


class Shelf(ABC):
    """Bytes by key. Every method blocks, may be called from any thread, and raises ShelfError."""

    def __init__(self, *, max_bytes: int) -> None:
        """Holds at most `max_bytes` of values."""
        self.max_bytes = max_bytes

    @property
    def is_made(self) -> bool:
        """Whether there is anything to write to."""
        return self.max_bytes > 0

    @abstractmethod
    def get(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The values of those keys that are there."""

    @abstractmethod
    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those keys that have a value."""

    @abstractmethod
    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keep these, in the place of older values of their keys; the oldest others are dropped where room is short."""

    @abstractmethod
    def discard(self, keys: Sequence[bytes]) -> int:
        """Remove the values of these keys and overwrite their bytes; returns how many there were.

        Raises ShelfError also where they are removed, but the bytes could not be overwritten yet.
        """

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes of all values."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open. May be called twice; used again, it opens anew."""
