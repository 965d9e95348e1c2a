"""A shelf in one SQLite file, which several processes may share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vpa.rag.tokens.shelf import Shelf, ShelfError

NAME: Final = "token-vectors.sqlite"
# "vpat": what makes it known that a file is ours, and the version of its tables.
_APPLICATION: Final = 0x76706174
_VERSION: Final = 1
# How long one process waits for another that writes.
_BUSY_S: Final = 5.0
# Of one statement; SQLite takes at least 999 parameters.
_AT_ONCE: Final = 500
# Rows that are dropped together: more than one write of documents brings.
_DROPPED_AT_ONCE: Final = 64
_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS tokens (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY CHECK (id = 1), bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO total VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON tokens BEGIN
    UPDATE total SET bytes = bytes + LENGTH(NEW.value);
END;
CREATE TRIGGER IF NOT EXISTS dropped AFTER DELETE ON tokens BEGIN
    UPDATE total SET bytes = bytes - LENGTH(OLD.value);
END;
CREATE TRIGGER IF NOT EXISTS replaced AFTER UPDATE ON tokens BEGIN
    UPDATE total SET bytes = bytes + LENGTH(NEW.value) - LENGTH(OLD.value);
END;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class FileShelf(Shelf):
    """Values in a file with a write-ahead log. What is written last may be lost with the machine's power, no more.

    A file that is damaged, or of another program, is left as it is: every call raises ShelfError.
    """

    def __init__(self, path: str, *, max_bytes: int, make: bool = True, read_only: bool = False) -> None:
        """The file is opened at the first use, and made if it is to be; its directory must exist. Where there is none,
        and none is to be made, the shelf is empty and takes nothing.
        """
        super().__init__(max_bytes=max_bytes)
        self.path = path
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
            return dict(_rows(connection, "value", keys))

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """As the contract says."""
        if not self._is_there:
            return set()
        with self._opened() as connection:
            return {key for key, _ in _rows(connection, "number", keys)}

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """All of them or, after an error, none. Nothing where the shelf is only read."""
        if not self.is_made or not values:
            return
        with self._opened() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO tokens (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                values.items(),
            )
            while _total(connection) > self.max_bytes:
                connection.execute(
                    "DELETE FROM tokens WHERE number IN (SELECT number FROM tokens ORDER BY number LIMIT ?)",
                    (_DROPPED_AT_ONCE,),
                )

    @property
    def size_bytes(self) -> int:
        """Of all values; the file has a tenth more."""
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

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is not None and _inode(self.path) != self._inode:
                    # Somebody deleted it, as they may: what is written to what is gone would be lost.
                    self._connection.close()
                    self._connection = None
                if self._connection is None:
                    self._connection = self._open()
                    self._inode = _inode(self.path)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                what = "read" if self._read_only else "used"
                raise ShelfError(f"{self.path} cannot be {what}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            return self._open_to_read()
        # As the engine's own files: only for their owner to read. SQLite gives its log the same rights.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            _check_ours(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_TABLES)
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
            _check_ours(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _check_ours(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.Error for a file that another program, or a later version, wrote."""
    # First: another process may be making the tables, which come with both marks in one transaction.
    if not connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        return
    [application], [version] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    if (application, version) != (_APPLICATION, _VERSION):
        raise sqlite3.DatabaseError("it holds no token vectors of this version")


def _rows(connection: sqlite3.Connection, column: str, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        yield from connection.execute(f"SELECT key, {column} FROM tokens WHERE key IN ({marks})", part)


def _total(connection: sqlite3.Connection) -> int:
    total: int = connection.execute("SELECT bytes FROM total").fetchone()[0]
    return total


def _inode(path: str) -> int | None:
    """Which file it is; None where there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
