"""A shelf in one SQLite file, which several processes may share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from vpa.kit.shelf.contract import Shelf, ShelfError
from vpa.kit.shelf.layout import ShelfLayout

# How long one process waits for another that writes.
_BUSY_S: Final = 5.0
_AGAIN_S: Final = 0.005
# Of one statement; SQLite takes at least 999 parameters.
_AT_ONCE: Final = 500
# Rows that are dropped together: more than one write of documents brings.
_DROPPED_AT_ONCE: Final = 64


class FileShelf(Shelf):
    """Values in a file with a write-ahead log. What is written last may be lost with the machine's power, no more.

    A file that is damaged, or of another program, is left as it is: every call raises ShelfError.
    """

    def __init__(
        self, path: str, *, layout: ShelfLayout, max_bytes: int, make: bool = True, read_only: bool = False
    ) -> None:
        """The file is opened at the first use, and made if it is to be; its directory must exist. Where there is none,
        and none is to be made, the shelf is empty and takes nothing.
        """
        super().__init__(max_bytes=max_bytes)
        self.path = path
        self._layout = layout
        self._make = make and not read_only
        self._read_only = read_only
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None

    @property
    def is_made(self) -> bool:
        """Whether it may be written to: the file is there, or is to be made."""
        return super().is_made and not self._read_only and self._is_there

    @property
    def _is_there(self) -> bool:
        return self._connection is not None or self._make or os.path.exists(self.path)

    def get(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """As the contract says."""
        if not self._is_there:
            return {}
        with self._opened() as connection:
            # Of another type: damaged, and replaced when it is put again.
            return {key: value for key, value in self._rows(connection, "value", keys) if isinstance(value, bytes)}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """As the contract says."""
        if not self._is_there:
            return set()
        with self._opened() as connection:
            return {key for key, _ in self._rows(connection, "number", keys)}

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """All of them or, after an error, none. Nothing where the shelf is only read."""
        if not self.is_made or not values:
            return
        table = self._layout.table
        with self._opened() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT INTO {table} (key, value) VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                values.items(),
            )
            self._make_room(connection, sum(map(len, values.values())))

    def _make_room(self, connection: sqlite3.Connection, added: int) -> None:
        """Drop the oldest rows. What the file says of its size may be wrong, if something else wrote to it."""
        table, total = self._layout.table, _total(connection)
        if not 0 <= total <= self.max_bytes + added:
            connection.execute(f"UPDATE total SET bytes = {self._layout.sum}")
        while _total(connection) > self.max_bytes:
            dropped = connection.execute(
                f"DELETE FROM {table} WHERE number IN (SELECT number FROM {table} ORDER BY number LIMIT ?)",
                (_DROPPED_AT_ONCE,),
            )
            if not dropped.rowcount:
                connection.execute(f"UPDATE total SET bytes = {self._layout.sum}")
                return

    def discard(self, keys: Sequence[bytes]) -> int:
        """As the contract says; no file is made for it, and nothing is removed where the shelf is only read."""
        if self._read_only or not os.path.exists(self.path):
            return 0
        discarded = 0
        with self._opened() as connection:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for part in _parts(keys):
                    marks = ", ".join("?" * len(part))
                    statement = f"DELETE FROM {self._layout.table} WHERE key IN ({marks})"
                    discarded += connection.execute(statement, part).rowcount
            # The write-ahead log may still have the pages as they were when the values were written.
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise sqlite3.OperationalError(
                    "another process reads it, so values that were removed are still in its log; they leave it when "
                    "the last process closes the file"
                )
        return discarded

    @property
    def size_bytes(self) -> int:
        """Of all values. The file is larger, by a tenth for values of 10 KB and by a third for some of 1.5 KB."""
        if not self._is_there:
            return 0
        with self._opened() as connection:
            return _total(connection)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _rows(self, connection: sqlite3.Connection, column: str, keys: Sequence[bytes]) -> Iterator[tuple[bytes, Any]]:
        for part in _parts(keys):
            marks = ", ".join("?" * len(part))
            yield from connection.execute(
                f"SELECT key, {column} FROM {self._layout.table} WHERE key IN ({marks})", part
            )

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is not None and _inode(self.path) != self._inode:
                    # The file was deleted, which is allowed at any time: writes to the open one would be lost.
                    self._connection.close()
                    self._connection = None
                if self._connection is None:
                    self._connection = self._open()
                    self._inode = _inode(self.path)
                yield self._connection
            except Exception as error:
                # A file that something else wrote to may hold anything.
                what = "read" if self._read_only else "used"
                raise ShelfError(f"{self.path} cannot be {what}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            return self._open_to_read()
        # As the engine's own files: only for their owner to read. SQLite gives its log the same rights.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            self._layout.check(connection)
            _use_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            # What is removed or replaced is overwritten with zeros.
            connection.execute("PRAGMA secure_delete = ON")
            connection.executescript(self._layout.script)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_to_read(self) -> sqlite3.Connection:
        place = Path(self.path).absolute().as_uri()
        connection = sqlite3.connect(
            f"{place}?mode=ro", uri=True, timeout=_BUSY_S, check_same_thread=False, isolation_level=None
        )
        try:
            self._layout.check(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. Where two processes make one file, SQLite refuses one of them without waiting."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(_AGAIN_S)


def _total(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT bytes FROM total").fetchone()
    if row is None or not isinstance(row[0], int):
        raise sqlite3.DatabaseError("it does not say how much it holds")
    return row[0]


def _inode(path: str) -> int | None:
    """Which file it is; None where there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
