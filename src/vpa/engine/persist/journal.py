"""A collection made durable: its log, its manifest, and checkpoints that turn a long log into a snapshot."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from vpa.base.errors import ClosedError, ReadOnlyError, StorageError, StorageFullError, VectorDatabaseError
from vpa.base.index_options import Quantization
from vpa.base.records import CollectionInfo
from vpa.engine.change import Change, encode
from vpa.engine.persist.codec import filed_vectors, write_view
from vpa.engine.persist.files import AppendFile, FileStatus, FileSystem, HalfDoneError
from vpa.engine.persist.frames import LogHeader
from vpa.engine.persist.manifest import LogEntry, Manifest, SnapshotEntry, new_id, read_manifest, write_manifest
from vpa.engine.persist.names import COLLECTION, log_path, snapshot_path
from vpa.engine.persist.recover import Recovery, RecoveryReport, Tail
from vpa.engine.persist.snapshot import Snapshot, SnapshotIdentity, SnapshotWriter
from vpa.engine.persist.tidy import NO_ROOM, set_tail_aside, tidy
from vpa.engine.persist.wal import Log, forked_error, storage_error
from vpa.engine.table import Table
from vpa.engine.view import View

CHECKPOINT_BYTES: Final = (
    64 << 20
)  # Log to replay at most when a store is opened: 47 MB of batches took 0.2 s on two shared cores.
# Where originals are to leave the memory soon.
CHECKPOINT_BYTES_FILED: Final = 16 << 20
_CLOSE_CHECKPOINT_BYTES: Final = 1 << 20
_FEW_ROWS, _HELD_SHARE = 1000, 0.05


class DurableJournal:
    """Implements the engine's Journal over a directory. One generation back is kept until the next is proved at open.

    Nothing is written before the first change, so a store on a full or read-only disk can be opened and read.
    """

    def __init__(
        self,
        collection: Table,
        recovery: Recovery,
        tail: Tail,
        *,
        guard: Callable[[], str | None],
        make_room: Callable[[], bool] = lambda: False,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`guard` says why the store's directory is not what was opened, if so; `make_room` frees some, if it can."""
        self.report: RecoveryReport = recovery.report
        self.checkpoint_error: str | None = None
        self._files = recovery.files
        self._directory = recovery.directory
        self._collection = collection
        self._guard = guard
        self._make_room = make_room
        self._random_bytes = random_bytes
        self._manifest = recovery.manifest
        self._manifest_status = self._files.status(f"{self._directory}/{COLLECTION}")
        self._manifest_lock = threading.RLock()
        self._saving = False
        self._tail: Tail | None = tail
        self._log: Log | None = None
        self._failed: str | None = None
        self._ended = False
        self._checkpoint_lock = threading.Lock()
        self._rotate_lock = threading.Lock()
        self._background: threading.Thread | None = None
        self._process = os.getpid()

    @classmethod
    def open(
        cls,
        files: FileSystem,
        directory: str,
        manifest: Manifest,
        *,
        guard: Callable[[], str | None] = lambda: None,
        make_room: Callable[[], bool] = lambda: False,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> tuple[Table, DurableJournal]:
        """Recover the collection and take over its directory."""
        recovery = Recovery(files, directory, manifest)
        try:
            collection, tail = recovery.run()
            recovery.manifest = tidy(recovery)
            if tail.contents.torn_bytes:
                tail = set_tail_aside(recovery, tail)
        except OSError as error:
            raise storage_error(error, f"collection {manifest.info.name!r} could not be opened") from error
        # The frames were applied: nothing may hold on to the mapped log, which is going to be appended to and cut.
        tail = replace(tail, contents=replace(tail.contents, frames=[]))
        journal = cls(collection, recovery, tail, guard=guard, make_room=make_room, random_bytes=random_bytes)
        collection.writer.attach(journal)
        return collection, journal

    @property
    def _last_entry(self) -> LogEntry:
        return self._manifest.logs[-1]

    @property
    def log_bytes(self) -> int:
        """Size of the current log."""
        if self._log is not None:
            return self._log.size
        return 0 if self._tail is None else self._tail.contents.good_bytes

    @property
    def read_only_reason(self) -> str | None:
        """Why no write is taken, if so."""
        return self._failed if self._log is None else self._log.failed or self._failed

    # Writing

    def append(self, change: Change) -> int:
        """See `Journal.append`; called by one thread at a time."""
        with self._rotate_lock:
            try:
                ticket = self._writable().append(encode(change))
            except StorageFullError:
                if change.ids or not self._make_room():
                    raise
                # What frees room must not fail for want of it.
                ticket = self._writable().append(encode(change))
            # A ticket belongs to one log: rotation syncs the log it leaves, so a ticket of an older one is always met.
            return ticket | self._last_entry.generation << 44

    def _writable(self) -> Log:
        """The log, opened for writing when it is first needed."""
        if os.getpid() != self._process:
            raise forked_error(self._process)
        if self._failed is not None:
            raise ReadOnlyError(f"the store is read-only since {self._failed}; close it and open it again")
        if self._log is None:
            self._log = self._begin()
        return self._log

    def _begin(self) -> Log:
        tail, header = self._tail, None if self._tail is None else self._tail.contents.header
        if tail is None or header is None:
            raise StorageError("the log was closed")
        path = log_path(self._directory, self._last_entry.generation)
        try:
            if tail.contents.torn_bytes:
                recovery = Recovery(self._files, self._directory, self._manifest, report=self.report)
                tail = self._tail = set_tail_aside(recovery, tail, must=True)
            file = self._files.open_append(path)
            try:
                # What a killed process left may not be on the disk yet.
                file.sync()
                log = Log(file, header, last=tail.last, check=tail.check, still_there=partial(self._lost, path))
                if file.size != tail.contents.good_bytes:
                    raise StorageError(
                        f"{path} has {file.size} bytes, and {tail.contents.good_bytes} were read: another process "
                        "writes to it"
                    )
                with self._manifest_lock:
                    self._save(replace(self._manifest.with_log(log.entry(sealed=False)), closed=False))
            except BaseException:
                file.close()
                raise
        except OSError as error:
            if error.errno not in NO_ROOM:
                # What the disk holds of the log is unknown, as after any sync that failed.
                self._fail(f"the log could not be opened for writing: {error}")
            raise storage_error(error, "the change was not written") from error
        self._tail = None
        return log

    def _lost(self, path: str, file: AppendFile) -> str | None:
        """Why the file, and so what is written to it, would not be found again."""
        if not file.status().is_same_file(self._files.status(path)):
            return f"{path} was removed or replaced while it was open"
        return self._moved()

    def _moved(self) -> str | None:
        expected, found = self._manifest_status, self._files.status(f"{self._directory}/{COLLECTION}")
        # A sync may come while another thread replaces the manifest: then the next one looks again.
        if (
            found != expected
            and not self._saving
            and self._manifest_status is expected
            and not self._only_touched(found)
        ):
            return f"{self._directory}/{COLLECTION} was removed or replaced while the store was open"
        return self._guard()

    def _only_touched(self, status: FileStatus | None) -> bool:
        """Whether it is the same file with the same content: a tool has set its times."""
        if status is None or not status.is_same_file(self._manifest_status):
            return False
        try:
            same = read_manifest(self._files, self._directory) == self._manifest
        except (OSError, VectorDatabaseError):
            return False
        if same:
            self._manifest_status = status
        return same

    def _save(self, manifest: Manifest) -> None:
        """Replace the manifest; raises OSError, and takes no more writes where it is unknown which one the disk has."""
        reason = self._moved()
        if reason is not None:
            self._fail(reason)
            raise StorageError(f"{reason}; nothing more is written to it")
        self._saving = True
        try:
            write_manifest(self._files, self._directory, manifest)
        except HalfDoneError as error:
            self._fail(f"a directory could not be synced: {error}")
            raise
        else:
            self._manifest = manifest
            self._manifest_status = self._files.status(f"{self._directory}/{COLLECTION}")
        finally:
            self._saving = False

    def _fail(self, reason: str) -> None:
        self._failed = self._failed or reason
        if self._log is not None:
            self._log.fail(reason)

    def set_info(self, info: CollectionInfo) -> None:
        """Store another description of the collection; raises OSError."""
        with self._manifest_lock:
            self._save(replace(self._manifest, info=info))

    def commit(self, ticket: int) -> None:
        """See `Journal.commit`; may begin a checkpoint in the background."""
        with self._rotate_lock:
            log = self._log if ticket >> 44 == self._last_entry.generation else None
        if log is not None:
            log.commit(ticket & (1 << 44) - 1)
        if self.log_bytes > self._longest_log and self._background is None:
            self._begin_checkpoint()

    # Checkpoints

    def _begin_checkpoint(self) -> None:
        thread = threading.Thread(target=self._background_checkpoint, name="vpa-checkpoint", daemon=True)
        self._background = thread
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            # The write is on the disk; the next one tries again.
            self._background = None
            self.checkpoint_error = f"no thread could be started: {error}"

    @property
    def _longest_log(self) -> int:
        """Bytes of a log that is worth a snapshot: a share of what is written again then, and less where originals wait
        in memory for it.
        """
        view = self._collection.view
        least = CHECKPOINT_BYTES_FILED if self._files_originals else CHECKPOINT_BYTES
        return max(least, view.count * view.rows.vectors.dimension * 4 // 8)

    def _background_checkpoint(self) -> None:
        try:
            self.checkpoint()
        except (OSError, VectorDatabaseError, MemoryError) as error:
            # The log still has everything; the next write tries again.
            self.checkpoint_error = str(error) or type(error).__name__
        finally:
            self._background = None

    def checkpoint(self) -> None:
        """Begin a new log, write a snapshot of all before it, and remove what is older than the snapshot before."""
        with self._checkpoint_lock:
            if self._ended:
                raise ClosedError(f"collection {self._collection.info.name!r} was dropped, or its store was closed")
            view, sequence, generation = self._rotate()
            path = snapshot_path(self._directory, generation)
            info = self._collection.info.to_json()
            identity = SnapshotIdentity(self._manifest.owner, generation, new_id(self._random_bytes), info)
            writer = SnapshotWriter(self._files, path, identity)
            try:
                entry = write_view(writer, view, sequence=sequence, index=self._collection.index.dump(view))
            except BaseException:
                self._discard(writer)
                raise
            self._name(entry)
            self._collection.note_saved(view)
            self.checkpoint_error = None
            if self._files_originals and view.live is None:
                # The rows of the snapshot have the numbers of the view only where none is dead.
                self._collection.writer.move_vectors(
                    view, filed_vectors(Snapshot(self._files, path), self._collection.info.dimension)
                )

    @property
    def _files_originals(self) -> bool:
        options = self._collection.info.index
        return options.quantization is not Quantization.NONE and options.originals

    @property
    def holds_much(self) -> bool:
        """Whether originals that belong on the disk are in memory."""
        view = self._collection.view
        held = view.count - view.rows.vectors.filed_rows
        return self._files_originals and held > max(_FEW_ROWS, _HELD_SHARE * view.count)

    def _rotate(self) -> tuple[View, int, int]:
        with self._collection.writer.paused() as state, self._rotate_lock, self._manifest_lock:
            old = self._writable()
            old.seal()
            generation, sequence = self._last_entry.generation + 1, old.next_sequence - 1
            header = LogHeader(
                self._manifest.owner,
                generation,
                new_id(self._random_bytes),
                first=sequence + 1,
                previous=old.header.id,
                info=self._manifest.info.to_json(),
            )
            path = log_path(self._directory, generation)
            log = Log.create(self._files, path, header, still_there=partial(self._lost, path))
            try:
                self._save(self._manifest.with_log(old.entry(sealed=True)).with_log(log.entry(sealed=False)))
            except (OSError, VectorDatabaseError) as error:
                log.close()
                if not isinstance(error, HalfDoneError):
                    self._files.remove_file(path)
                raise
            old.close()
            self._log = log
            return state.view, sequence, generation

    def _name(self, entry: SnapshotEntry) -> None:
        """Make the snapshot the one to open; the one before stays until this one was read."""
        with self._manifest_lock:
            kept = self._manifest.snapshots[-1:]
            oldest = kept[0].generation if kept else 0
            gone = [log for log in self._manifest.logs if log.generation < oldest]
            older = self._manifest.snapshots[:-1]
            logs = tuple(log for log in self._manifest.logs if log.generation >= oldest)
            self._save(replace(self._manifest, snapshots=(*kept, entry), logs=logs))
        for log in gone:
            self._files.remove_file(log_path(self._directory, log.generation))
        for snapshot in older:
            self._files.remove_file(snapshot_path(self._directory, snapshot.generation))

    def _discard(self, writer: SnapshotWriter) -> None:
        try:
            writer.discard()
        except OSError as error:
            self.checkpoint_error = str(error)

    # The end

    def abandon(self) -> None:
        """Close the files without another checkpoint: the directory is about to be given away."""
        self._end()
        self._close_log()

    def _end(self) -> None:
        background = self._background
        if background is not None:
            background.join()
        with self._checkpoint_lock:
            self._ended = True

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()

    def close(self) -> None:
        """Make a checkpoint if the log is long or codes are new, and say in the manifest what was synced."""
        if os.getpid() != self._process:
            return
        background = self._background
        if background is not None:
            background.join()
        try:
            worth_it = self.log_bytes > _CLOSE_CHECKPOINT_BYTES or self._collection.has_unsaved
            if self.read_only_reason is None and worth_it:
                self.checkpoint()
        except (OSError, VectorDatabaseError, MemoryError) as error:
            self.checkpoint_error = str(error) or type(error).__name__
        self._end()
        with contextlib.suppress(OSError, VectorDatabaseError, MemoryError):
            # Without this proof the next opening says that the store was not closed.
            self._seal()
        self._close_log()

    def _seal(self) -> None:
        if self.read_only_reason is not None or (self._log is None and self._manifest.closed):
            return
        if self._log is None:
            # Nothing was written here, but the process before was killed: what was found is proved now.
            self._log = self._begin()
        self._log.seal()
        with self._manifest_lock:
            self._save(replace(self._manifest.with_log(self._log.entry(sealed=False)), closed=True))
