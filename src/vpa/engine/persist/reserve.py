"""A little room that is kept on the disk, so that records can be deleted when the rest of it is full."""

from __future__ import annotations

import contextlib
from typing import Final

from vpa.engine.persist.files import FileSystem

NAME: Final = "RESERVE"
_BYTES: Final = 64 << 10  # Given back when the disk is full, for the frames of deletes, which make room.


_FILLING: Final = 0x76  # Not zeros: some file systems keep no room for those.


class Reserve:
    """One file of 64 KiB per store: the deletes of some thousand ids.

    Given up when a delete finds no room, filled at the next opening. A file of that name with anything else in it is
    somebody's: then the store has no reserve.
    """

    def __init__(self, files: FileSystem, directory: str) -> None:
        self._files = files
        self._path = f"{directory}/{NAME}"

    def fill(self) -> None:
        """Make the file, if there is room for it."""
        with contextlib.suppress(OSError):
            size = self._own_bytes()
            if size is None or size == _BYTES:
                return
            file = self._files.open_append(self._path)
            try:
                file.write([bytes([_FILLING]) * (_BYTES - size)])
            except OSError:
                self._files.remove_file(self._path)
            finally:
                file.close()

    def give(self) -> bool:
        """Give the room away; False if there is none left."""
        with contextlib.suppress(OSError):
            if self._own_bytes():
                self._files.remove_file(self._path)
                return True
        return False

    def _own_bytes(self) -> int | None:
        """The size of the file that this class wrote, perhaps not to its end; 0 where there is none, None for one of
        somebody else.
        """
        found = self._files.status(self._path)
        if found is None:
            return 0
        # An empty one is left where this process was killed before it wrote.
        if found.size_bytes > _BYTES:
            return None
        content = bytes(self._files.read(self._path))
        return len(content) if content.count(_FILLING) == len(content) else None
