"""One collection as another process writes it: a snapshot, and the logs as they grow. Locks nothing, writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from vpa.base.errors import CollectionNotFoundError, ProviderError, ReadOnlyError, StorageCorruptedError
from vpa.engine.change import Change
from vpa.engine.persist.files import FileStatus, FileSystem, ReadFile, read_copy
from vpa.engine.persist.frames import Contents, LogHeader, read_frames, read_header
from vpa.engine.persist.manifest import LogEntry, Manifest, StoreFile, manifest_of, read_manifest
from vpa.engine.persist.names import COLLECTION, log_path
from vpa.engine.persist.recover import Recovery, RecoveryReport, check_log
from vpa.engine.persist.wal import storage_error
from vpa.engine.table import Table

# A writer replaces files in milliseconds; so many times in a row it is not a writer.
_ATTEMPTS: Final = 20


class _GoneError(Exception):
    """What was followed was replaced by something newer."""


class ReadOnlyJournal:
    """Implements the engine's Journal where nothing may be written."""

    def append(self, change: Change) -> int:
        """Raises ReadOnlyError: another process writes this log."""
        del change
        raise ReadOnlyError("the store was opened with read_only=True; open it without that to write")

    def commit(self, ticket: int) -> None:
        """Never called: there are no tickets."""

    def checkpoint(self) -> None:
        """Nothing: the process that writes makes them."""

    @property
    def holds_much(self) -> bool:
        """Nothing can be moved to the disk from here."""
        return False


class Follower:
    """`collection` is as it was at the last `refresh`; after some it is another object. For any thread."""

    def __init__(self, files: FileSystem, directory: str, name: str, store: StoreFile) -> None:
        """Load it; raises what recovery raises."""
        self._files = files
        self._directory = directory
        self._name = name
        # Collections are dropped and made again while this reads: only whose store it is counts.
        self._store = StoreFile(store.id)
        self._lock = threading.Lock()
        self._seen_size = 0
        # Whether what is in memory was left whole: a step that ends by an error may have applied half a change.
        self._is_whole = False
        self._again(self._load)

    @property
    def report(self) -> RecoveryReport:
        """What was found when it was loaded, and how far it has been read since."""
        return self._recovery.report

    @property
    def log_bytes(self) -> int:
        """How far the current log was read."""
        return self._position

    def is_behind(self) -> bool:
        """Whether the files have changed since they were read: two calls of the operating system."""
        return not self._is_whole or self._manifest_status() != self._status or self._log.size != self._seen_size

    def refresh(self) -> None:
        """Take over what has been written since. Raises CollectionNotFoundError where the collection was dropped."""
        with self._lock:
            self._again(self._step)
            self.collection.upkeep.keep_bound()

    def _again(self, step: Callable[[], None]) -> None:
        """Do it; where the writer replaced files meanwhile, load anew."""
        if not self._is_whole:
            step = self._load
        for attempt in range(_ATTEMPTS):
            before = self._manifest_status()
            self._is_whole = False
            try:
                step()
                self._is_whole = True
                return
            except _GoneError:
                step = self._load
            except (StorageCorruptedError, OSError) as error:
                # The second time in a row under one manifest, it is not the writer's doing.
                if attempt and self._manifest_status() == before:
                    if isinstance(error, OSError):
                        raise storage_error(error, "the files could not be read") from error
                    raise
                step = self._load
            except MemoryError as error:
                raise ProviderError(
                    f"{self._directory} could not be read on: there is not enough memory; free some"
                ) from error
        raise StorageCorruptedError(f"{self._directory} changes faster than it can be read")

    def _manifest_status(self) -> FileStatus | None:
        return self._files.status(f"{self._directory}/{COLLECTION}")

    def _load(self) -> None:
        if not self._files.is_directory(self._directory):
            raise CollectionNotFoundError(f"no collection {self._name!r}: it was dropped by the process that writes")
        status = self._manifest_status()
        manifest = manifest_of(self._files, self._directory, self._name, self._store)
        recovery = Recovery(self._files, self._directory, manifest, mapped=False)
        collection, tail = recovery.run()
        log = self._files.open_read(log_path(self._directory, manifest.logs[-1].generation))
        if self._manifest_status() != status or tail.contents.header is None:
            raise _GoneError
        collection.writer.attach(ReadOnlyJournal())
        self.collection: Table = collection
        self._recovery, self._manifest, self._status = recovery, manifest, status
        self._follow(log, tail.contents.header, tail.contents)

    def _follow(self, log: ReadFile, header: LogHeader, contents: Contents) -> None:
        self._log, self._header = log, header
        self._position = contents.good_bytes
        self._seen_size = contents.good_bytes + contents.torn_bytes
        self._recovery.report.torn_bytes = contents.torn_bytes

    def _step(self) -> None:
        status = self._manifest_status()
        if status is None:
            raise _GoneError
        if status == self._status:
            self._read_on()
            return
        manifest = read_manifest(self._files, self._directory)
        if manifest.owner != self._manifest.owner:
            raise _GoneError
        self._read_on()
        for entry in manifest.logs:
            if entry.generation == self._header.generation and entry.sealed and self._recovery.sequence != entry.last:
                raise _GoneError
            if entry.generation > self._header.generation:
                self._turn_over(manifest, entry)
        if self._header.generation != manifest.logs[-1].generation:
            raise _GoneError
        self._manifest, self._status = manifest, status
        self._recovery.manifest = manifest
        self._recovery.report.closed = manifest.closed
        self.collection.writer.describe(manifest.info)

    def _read_on(self) -> None:
        """Apply the whole frames that came; an unfinished one is left for the next time."""
        path = log_path(self._directory, self._header.generation)
        data = memoryview(read_copy(self._log, self._position))
        expected = self._recovery.sequence + 1
        found = read_frames(data, path, header=self._header, position=0, expected=expected, offset=self._position)
        problem = found.damage or self._recovery.replay(self.collection, found.frames, path)
        if problem is not None:
            raise StorageCorruptedError(problem)
        self._recovery.report.last_change = self._recovery.sequence
        self._seen_size = self._position + len(data)
        self._position += found.good_bytes
        self._recovery.report.torn_bytes = found.torn_bytes

    def _turn_over(self, manifest: Manifest, entry: LogEntry) -> None:
        """Go on with the next log."""
        path = log_path(self._directory, entry.generation)
        if entry.first != self._recovery.sequence + 1:
            raise _GoneError
        log = self._files.open_read(path)
        data = memoryview(read_copy(log))
        header = read_header(data)
        if header is None:
            raise StorageCorruptedError(f"the beginning of {path} is damaged")
        contents = read_frames(data, path, header=header[0], position=header[1], expected=entry.first)
        problem = check_log(contents, entry, manifest, path=path, ends=entry.sealed)
        problem = problem or self._recovery.replay(self.collection, contents.frames, path)
        if problem is not None:
            raise StorageCorruptedError(problem)
        self._recovery.report.last_change = self._recovery.sequence
        self._follow(log, header[0], contents)
