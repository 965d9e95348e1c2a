"""What a directory of collections is to its readers, whether this process writes to it or another one does."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import ClassVar

from vpa.base.errors import ClosedError, CollectionNotFoundError, VectorDatabaseError
from vpa.engine.persist.wal import forked_error
from vpa.engine.table import Table


class OpenedDirectory(ABC):
    """Collections by name, those that cannot be opened among them."""

    # What the error of a missing collection ends with.
    _way_out: ClassVar[str] = ""

    def __init__(self) -> None:
        self._damaged: dict[str, VectorDatabaseError] = {}
        self._closed = False
        self._process = os.getpid()

    @abstractmethod
    def names(self) -> list[str]:
        """Names of the collections, sorted; also of those that cannot be opened, see `damaged`."""

    @abstractmethod
    def _opened(self, name: str) -> Table | None:
        """A collection that could be opened, or None."""

    @property
    def damaged(self) -> dict[str, VectorDatabaseError]:
        """Why a collection cannot be opened, by the name of its directory."""
        return dict(self._damaged)

    def get(self, name: str) -> Table:
        """A collection; raises CollectionNotFoundError, or what is wrong with its files."""
        table = self.find(name)
        if table is None:
            known = ", ".join(self.names()) or "none"
            raise CollectionNotFoundError(f"no collection {name!r}; there are: {known}{self._way_out}")
        return table

    def find(self, name: str) -> Table | None:
        """A collection, or None; raises what is wrong with its files."""
        self.check_open()
        if name in self._damaged:
            raise self._damaged[name]
        return self._opened(name)

    def in_memory(self, name: str) -> Table | None:
        """A collection as it was last read, whatever is wrong with its files by now; None for one that was not."""
        return self._opened(name)

    def check_open(self) -> None:
        """Raise ClosedError after `close`, StorageLockedError in a forked process."""
        if self._closed:
            raise ClosedError("the embedded engine is closed; connect again")
        if os.getpid() != self._process:
            raise forked_error(self._process)
