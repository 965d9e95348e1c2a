"""Brings a collection back from its directory: the newest sound snapshot, then every log behind it, in order.

Reads only. What the manifest names must exist and be what it says; anything else is ours and empty, or an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vpa.base.errors import StorageCorruptedError
from vpa.engine.change import decode
from vpa.engine.persist.codec import read_index, read_rows
from vpa.engine.persist.files import FileSystem, read_copy
from vpa.engine.persist.frames import Contents, Frame, read_log
from vpa.engine.persist.manifest import LogEntry, Manifest, SnapshotEntry
from vpa.engine.persist.names import generations, is_temporary, log_path, snapshot_path
from vpa.engine.persist.snapshot import Snapshot
from vpa.engine.table import Table

WAYS_OUT: Final = "run `vpa doctor --salvage` to keep whatever is sound, or restore the directory from a backup"
UNREADABLE: Final = (ValueError, KeyError, TypeError, IndexError, AttributeError)


@dataclass(slots=True)
class RecoveryReport:
    """What recovery found; shown by `stats` and `doctor`, logged when it is not clean.

    `closed` False: the writer was killed or is still at work, so what the logs hold at their end was not proved.
    """

    snapshot: int | None = None
    replayed_changes: int = 0
    last_change: int = 0
    torn_bytes: int = 0
    closed: bool = True
    damage: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether the collection was closed, nothing was torn and nothing damaged."""
        return self.closed and not self.torn_bytes and not self.damage


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the last log ends: what a writer goes on from, or a reader waits at."""

    contents: Contents
    last: int
    check: int


@dataclass(slots=True)
class Recovery:
    """Reads one directory. `mapped` False copies logs, which another process may be cutting."""

    files: FileSystem
    directory: str
    manifest: Manifest
    mapped: bool = True
    report: RecoveryReport = field(default_factory=RecoveryReport)
    sequence: int = 0
    base: SnapshotEntry | None = None
    # What an interrupted step of ours left behind, and holds nothing; and files that are not what they are called.
    leftovers: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def run(self) -> tuple[Table, Tail]:
        """Load and replay; raises StorageCorruptedError where something is missing, foreign, or damaged."""
        self.report.closed = self.manifest.closed
        self._look_around()
        collection = self._from_snapshot()
        tail = None
        for entry in self._needed_logs():
            tail = self._replay_log(collection, entry)
        if tail is None:
            raise self._corrupted("the manifest names no log")
        self.report.torn_bytes = tail.contents.torn_bytes
        self.report.last_change = self.sequence
        return collection, tail

    def _corrupted(self, what: str) -> StorageCorruptedError:
        before = "" if self.base is None else "a snapshot and "
        readable = f"{before}{self.report.replayed_changes} changes before it are readable"
        return StorageCorruptedError(f"{'; '.join([*self.report.damage, what])}; {readable}; {WAYS_OUT}")

    # What is there

    def _look_around(self) -> None:
        names = self.files.list_directory(self.directory)
        named = {log.generation for log in self.manifest.logs}
        for number in generations(names, "log"):
            if number not in named:
                self._judge_log(number)
        self.leftovers += [f"{self.directory}/{name}" for name in names if is_temporary(name)]

    def _judge_log(self, number: int) -> None:
        path = log_path(self.directory, number)
        contents = self._read(path)
        header = contents.header
        ours = header is not None and header.owner == self.manifest.owner and header.generation == number
        oldest = self.manifest.logs[0].generation if self.manifest.logs else 0
        if (number < oldest and ours) or (
            not contents.frames and not contents.damage and (ours or not contents.torn_bytes)
        ):
            self.leftovers.append(path)
        elif ours:
            raise self._corrupted(
                f"{path} holds changes, but collection.json does not name it: collection.json is older than this log"
            )
        else:
            self._is_foreign(path, f"{path} is no log of this collection ({_whose(contents)})")

    def _is_foreign(self, path: str, why: str) -> None:
        self.report.damage.append(why)
        self.foreign.append(path)

    def _read(self, path: str) -> Contents:
        if self.mapped:
            return read_log(self.files.read(path), path)
        return read_log(memoryview(read_copy(self.files.open_read(path))), path)

    # Snapshots

    def _candidates(self) -> Iterator[tuple[int, SnapshotEntry | None]]:
        """Newest first; with None those that an interrupted checkpoint finished, but did not name."""
        named = {snapshot.generation: snapshot for snapshot in self.manifest.snapshots}
        there = generations(self.files.list_directory(self.directory), "snapshot")
        for number in sorted({*named, *there}, reverse=True):
            yield number, named.get(number)

    def _from_snapshot(self) -> Table:
        for number, entry in self._candidates():
            collection = self._try_snapshot(number, entry)
            if collection is not None:
                return self._with_older(collection)
        if self.manifest.snapshots and not self._logs_begin_at_the_beginning():
            raise self._corrupted("no older snapshot is left, and the logs do not reach back")
        return Table(self.manifest.info)

    def _with_older(self, collection: Table) -> Table:
        for number, entry in self._candidates():
            if self.base is not None and number < self.base.generation:
                self._judge_older(number, entry)
        return collection

    def _judge_older(self, number: int, entry: SnapshotEntry | None) -> None:
        """One that is not needed any more: said if it is missing; removed if it is ours, as it will be anyway."""
        path = snapshot_path(self.directory, number)
        if self.files.status(path) is None:
            self.report.damage.append(f"{path} is missing; a newer snapshot holds everything that was in it")
        elif entry is None:
            try:
                ours = Snapshot(self.files, path, lenient=True).identity.owner == self.manifest.owner
            except StorageCorruptedError:
                ours = False
            if ours:
                self.leftovers.append(path)
            else:
                self._is_foreign(path, f"{path} is no snapshot of this collection")

    def _try_snapshot(self, number: int, entry: SnapshotEntry | None) -> Table | None:
        path = snapshot_path(self.directory, number)
        if self.files.status(path) is None:
            self.report.damage.append(f"{path} is missing")
            return None
        try:
            snapshot = Snapshot(self.files, path)
            found = self._check_identity(snapshot, path, number, entry)
            collection = self._load(snapshot)
        except StorageCorruptedError as error:
            self._is_foreign(path, error.message)
            return None
        except UNREADABLE as error:
            self._is_foreign(path, f"{path} cannot be read ({type(error).__name__}: {error})")
            return None
        self.base = found
        self.report.snapshot = number
        self.sequence = found.sequence
        return collection

    def _check_identity(self, snapshot: Snapshot, path: str, number: int, entry: SnapshotEntry | None) -> SnapshotEntry:
        found = snapshot.identity
        _check_owner(found.owner, self.manifest, path)
        if found.generation != number:
            raise StorageCorruptedError(f"{path} is a copy of snapshot {found.generation}")
        result = SnapshotEntry(number, found.id, int(snapshot.facts["sequence"]), snapshot.size_bytes)
        if entry is not None and entry != result:
            raise StorageCorruptedError(f"{path} is not the snapshot that collection.json names: it was replaced")
        if not any(log.generation == number and log.first == result.sequence + 1 for log in self.manifest.logs):
            raise StorageCorruptedError(f"{path} does not belong to any log that collection.json names")
        return result

    def _load(self, snapshot: Snapshot) -> Table:
        collection = Table(self.manifest.info, read_rows(snapshot, self.manifest.info))
        index = read_index(snapshot)
        if index is not None:
            collection.index.restore(collection.view.rows, index)
        return collection

    def _logs_begin_at_the_beginning(self) -> bool:
        return bool(self.manifest.logs) and self.manifest.logs[0].first == 1

    # Logs

    def _needed_logs(self) -> Iterator[LogEntry]:
        """Those behind the snapshot; what is wrong with those before it is only said."""
        from_generation = 0 if self.base is None else self.base.generation
        for entry in self.manifest.logs:
            if entry.generation >= from_generation:
                yield entry
            elif self.files.status(log_path(self.directory, entry.generation)) is None:
                missing = log_path(self.directory, entry.generation)
                self.report.damage.append(f"{missing} is missing; a newer snapshot holds everything that was in it")

    def _replay_log(self, collection: Table, entry: LogEntry) -> Tail:
        path = log_path(self.directory, entry.generation)
        if self.files.status(path) is None:
            raise self._corrupted(f"{path} is missing")
        if entry.first != self.sequence + 1:
            raise self._corrupted(f"{path} begins with change {entry.first}, the last one known is {self.sequence}")
        contents = self._read(path)
        ends = entry.sealed or (self.manifest.closed and entry == self.manifest.logs[-1])
        problem = check_log(contents, entry, self.manifest, path=path, ends=ends)
        problem = self.replay(collection, contents.frames, path) or problem
        if problem is not None:
            raise self._corrupted(problem)
        check = contents.frames[-1].check if contents.frames else 0
        return Tail(contents, contents.last, check)

    def replay(self, collection: Table, frames: list[Frame], path: str) -> str | None:
        """Apply changes in order; returns what is wrong with the first that cannot be."""
        for frame in frames:
            try:
                collection.writer.apply(decode(frame.payload))
            except UNREADABLE as error:
                return f"change {frame.sequence} in {path} cannot be read ({type(error).__name__}: {error})"
            self.sequence = frame.sequence
            self.report.replayed_changes += 1
        return None


def check_log(contents: Contents, entry: LogEntry, manifest: Manifest, *, path: str, ends: bool) -> str | None:
    """What is wrong with a log that the manifest names; `ends`: nothing may follow what the entry says."""
    header = contents.header
    if header is None:
        return contents.damage or f"{path} is empty"
    try:
        _check_owner(header.owner, manifest, path)
    except StorageCorruptedError as error:
        return error.message
    if (header.generation, header.id, header.first) != (entry.generation, entry.id, entry.first):
        copy = f"it is a copy of log {header.generation}, or was replaced"
        return f"{path} is not the log that collection.json names: {copy}"
    if contents.damage is not None:
        return contents.damage
    if contents.good_bytes < entry.size_bytes or contents.last < entry.last:
        good = f"byte {contents.good_bytes} and change {contents.last}"
        synced = f"{entry.size_bytes} bytes up to change {entry.last}"
        return f"{path} was cut: it is good up to {good}, and {synced} had been synced"
    if entry.last >= entry.first and contents.frames[entry.last - entry.first].check != entry.check:
        return f"{path} was replaced: its change {entry.last} is not the one that had been synced"
    if ends and (contents.torn_bytes or contents.good_bytes != entry.size_bytes or contents.last != entry.last):
        return f"{path} goes on behind byte {entry.size_bytes}, where it had been closed"
    return None


def _check_owner(owner: object, manifest: Manifest, path: str) -> None:
    if owner != manifest.owner:
        store = getattr(owner, "store", None)
        whose = "another collection of this store" if store == manifest.owner.store else "another store"
        raise StorageCorruptedError(f"{path} belongs to {whose}")


def _whose(contents: Contents) -> str:
    header = contents.header
    return (
        contents.damage or "its beginning is missing"
        if header is None
        else f"generation {header.generation} of another place"
    )
