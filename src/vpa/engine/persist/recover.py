"""Brings a collection back from its directory: the newest sound snapshot, then every log behind it, in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from vpa.base.errors import StorageCorruptedError
from vpa.base.records import CollectionInfo
from vpa.engine.change import decode
from vpa.engine.persist.codec import read_index, read_rows
from vpa.engine.persist.files import FileSystem
from vpa.engine.persist.snapshot import Snapshot
from vpa.engine.persist.wal import Contents, Log, read_log
from vpa.engine.table import Table

_NAME: Final = re.compile(r"(snapshot|log)-(\d{8})\.vpa")
_WAYS_OUT: Final = "run `vpa doctor --salvage` to keep what precedes the damage, or restore the directory from a backup"


@dataclass(slots=True)
class RecoveryReport:
    """What recovery found; shown by `stats` and `doctor`, logged when it is not clean."""

    snapshot: int | None = None
    replayed_changes: int = 0
    torn_bytes: int = 0
    damage: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was torn and nothing damaged."""
        return not self.torn_bytes and not self.damage


def log_path(directory: str, generation: int) -> str:
    """The log that follows snapshot `generation`."""
    return f"{directory}/log-{generation:08d}.vpa"


def snapshot_path(directory: str, generation: int) -> str:
    """The snapshot that holds everything in the logs before `generation`."""
    return f"{directory}/snapshot-{generation:08d}.vpa"


def generations(files: FileSystem, directory: str, kind: str) -> list[int]:
    """Numbers of the snapshots or logs that are there, rising."""
    found = (_NAME.fullmatch(name) for name in files.list_directory(directory))
    return sorted(int(match[2]) for match in found if match is not None and match[1] == kind)


@dataclass(slots=True)
class Recovery:
    """Reads one directory. After `run`, `collection` is as it was and `sequence` is its last change."""

    files: FileSystem
    directory: str
    info: CollectionInfo
    salvage: bool = False
    report: RecoveryReport = field(default_factory=RecoveryReport)
    sequence: int = 0
    _last: tuple[int, Contents] | None = None

    def run(self) -> Table:
        """Load and replay; raises StorageCorruptedError where acknowledged data is damaged.

        With `salvage` it stops at the damage instead, and lists the files to be set aside in the report.
        """
        collection = self._from_snapshot()
        logs = [number for number in self._generations("log") if number >= (self.report.snapshot or 0)]
        for position, number in enumerate(logs):
            contents = read_log(self.files, log_path(self.directory, number))
            if contents is None:
                continue
            damage = self._replay(collection, contents, number) or contents.damage
            if damage is not None:
                self._damaged(damage, [log_path(self.directory, later) for later in logs[position:]])
                break
            self._last = (number, contents)
            self.report.torn_bytes += contents.torn_bytes
        return collection

    def _generations(self, kind: str) -> list[int]:
        return generations(self.files, self.directory, kind)

    def _from_snapshot(self) -> Table:
        for number in reversed(self._generations("snapshot")):
            path = snapshot_path(self.directory, number)
            try:
                snapshot = Snapshot(self.files, path)
            except StorageCorruptedError as error:
                self.report.damage.append(error.message)
                self.report.set_aside.append(path)
                continue
            self.report.snapshot = number
            self.sequence = int(snapshot.facts["sequence"])
            collection = Table(self.info, read_rows(snapshot, self.info))
            index = read_index(snapshot)
            if index is not None:
                collection.index.restore(collection.view.rows, index)
            return collection
        # Without any snapshot the logs must begin at the first change; `_replay` sees whether they do.
        if self.report.damage and not self.salvage and not self._logs_begin_at_the_beginning():
            raise StorageCorruptedError(
                f"{'; '.join(self.report.damage)}; no older snapshot is left and the logs do not reach back; {_WAYS_OUT}"
            )
        return Table(self.info)

    def _logs_begin_at_the_beginning(self) -> bool:
        logs = self._generations("log")
        contents = read_log(self.files, log_path(self.directory, logs[0])) if logs else None
        return contents is not None and bool(contents.frames) and contents.frames[0].sequence == 1

    def _replay(self, collection: Table, contents: Contents, number: int) -> str | None:
        path = log_path(self.directory, number)
        for frame in contents.frames:
            if frame.sequence <= self.sequence:
                continue
            if frame.sequence != self.sequence + 1:
                return (
                    f"{path} goes on with change {frame.sequence}, the last one known is {self.sequence}: "
                    "a log or a snapshot before it is missing or was cut"
                )
            try:
                change = decode(frame.payload)
            except (ValueError, KeyError, TypeError) as error:
                return f"change {frame.sequence} in {path} cannot be read ({error!r})"
            collection.writer.apply(change)
            self.sequence = frame.sequence
            self.report.replayed_changes += 1
        return None

    def _damaged(self, damage: str, unreadable: list[str]) -> None:
        if not self.salvage:
            raise StorageCorruptedError(
                f"{damage}; {self.report.replayed_changes} changes in the logs before it"
                f"{'' if self.report.snapshot is None else ' and a snapshot'} are readable; {_WAYS_OUT}"
            )
        self.report.damage.append(damage)
        self.report.set_aside += unreadable

    def writable_log(self, random_bytes: Callable[[int], bytes]) -> tuple[Log, int]:
        """The log to go on with and its generation; torn tails are cut off."""
        newest = max([*self._generations("log"), *self._generations("snapshot"), 0])
        if self._last is not None and self._last[1].torn_bytes and self._last[0] != newest:
            Log.reopen(self.files, log_path(self.directory, self._last[0]), self._last[1], next_sequence=0).close()
        if self._last is not None and self._last[0] == newest and not self.report.set_aside:
            path = log_path(self.directory, newest)
            return Log.reopen(self.files, path, self._last[1], next_sequence=self.sequence + 1), newest
        generation = newest + 1 if self.report.set_aside else newest
        log = Log.create(
            self.files,
            log_path(self.directory, generation),
            directory=self.directory,
            next_sequence=self.sequence + 1,
            random_bytes=random_bytes,
        )
        return log, generation
