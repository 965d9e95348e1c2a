"""A little room that is kept on the disk, so that records can be deleted when the rest of it is full."""

from __future__ import annotations

import contextlib
from typing import Final

from vpa.engine.persist.files import FileSystem

NAME: Final = "RESERVE"
_BYTES: Final = 64 << 10  # Given back when the disk is full, for the frames of deletes, which make room.


class Reserve:
    """One file of 64 KiB per store: the deletes of some thousand ids.

    Given up when a delete finds no room, filled at the next opening.
    """

    def __init__(self, files: FileSystem, directory: str) -> None:
        self._files = files
        self._path = f"{directory}/{NAME}"

    def fill(self) -> None:
        """Make the file, if there is room for it."""
        found = self._files.status(self._path)
        if found is not None and found.size_bytes >= _BYTES:
            return
        with contextlib.suppress(OSError):
            self._files.remove_file(self._path)
            file = self._files.open_append(self._path)
            try:
                # Not zeros: some file systems keep no room for those.
                file.write([b"\x76" * _BYTES])
            except OSError:
                self._files.remove_file(self._path)
            finally:
                file.close()

    def give(self) -> bool:
        """Give the room away; False if there is none left."""
        with contextlib.suppress(OSError):
            if self._files.status(self._path) is not None:
                self._files.remove_file(self._path)
                return True
        return False
