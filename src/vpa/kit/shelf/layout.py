"""What a file of a shelf looks like inside, and how one of another use is told apart."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfLayout:
    """What the files of one use have in common.

    `application_id` and `version` mark a file in its header (SQLite's `application_id` and `user_version`): a file with
    other marks is not touched. `table` is an SQL name, `contents` names the values in messages, and `file_name` is the
    name of the file in a directory that it shares with other data.
    """

    file_name: str
    application_id: int
    version: int
    table: str
    contents: str

    @property
    def sum(self) -> str:
        """The SQL for the bytes of all values."""
        return f"(SELECT COALESCE(SUM(LENGTH(value)), 0) FROM {self.table})"

    @property
    def script(self) -> str:
        """The SQL that creates the tables and marks the file, in one transaction."""
        return f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS {self.table} (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY CHECK (id = 1), bytes INTEGER NOT NULL);
INSERT INTO total SELECT 1, {self.sum} WHERE NOT EXISTS (SELECT * FROM total);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON {self.table} BEGIN
    UPDATE total SET bytes = bytes + LENGTH(NEW.value);
END;
CREATE TRIGGER IF NOT EXISTS dropped AFTER DELETE ON {self.table} BEGIN
    UPDATE total SET bytes = bytes - LENGTH(OLD.value);
END;
CREATE TRIGGER IF NOT EXISTS replaced AFTER UPDATE ON {self.table} BEGIN
    UPDATE total SET bytes = bytes + LENGTH(NEW.value) - LENGTH(OLD.value);
END;
PRAGMA application_id = {self.application_id};
PRAGMA user_version = {self.version};
COMMIT;
"""

    def check(self, connection: sqlite3.Connection) -> None:
        """Raise sqlite3.Error for a file that another program, or a later version, wrote."""
        # First: another process may be making the tables, which come with both marks in one transaction.
        if not connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            return
        [application], [version] = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        if (application, version) != (self.application_id, self.version):
            raise sqlite3.DatabaseError(f"it holds no {self.contents} of this version")
