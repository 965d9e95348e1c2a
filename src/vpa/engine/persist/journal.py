"""A collection made durable: its log, and checkpoints that turn a long log into a snapshot."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from vpa.base.errors import VectorDatabaseError
from vpa.base.index_options import Quantization
from vpa.base.records import CollectionInfo
from vpa.engine.change import Change, encode
from vpa.engine.persist.codec import filed_vectors, write_view
from vpa.engine.persist.files import FileSystem
from vpa.engine.persist.recover import Recovery, RecoveryReport, generations, log_path, snapshot_path
from vpa.engine.persist.snapshot import Snapshot, SnapshotWriter
from vpa.engine.persist.wal import Log, storage_error
from vpa.engine.table import Table
from vpa.engine.view import View

CHECKPOINT_BYTES: Final = 64 << 20
# Where originals are to leave the memory soon.
CHECKPOINT_BYTES_FILED: Final = 16 << 20
_CLOSE_CHECKPOINT_BYTES: Final = 1 << 20
_FEW_ROWS, _HELD_SHARE = 1000, 0.05


class DurableJournal:
    """Implements the engine's Journal over a directory. One generation back is kept until the next is proved at open."""

    def __init__(self, collection: Table, recovery: Recovery, *, random_bytes: Callable[[int], bytes]) -> None:
        self.report: RecoveryReport = recovery.report
        self.checkpoint_error: str | None = None
        self._files = recovery.files
        self._directory = recovery.directory
        self._collection = collection
        self._random_bytes = random_bytes
        self._log, self._generation = recovery.writable_log(random_bytes)
        self._checkpoint_lock = threading.Lock()
        self._rotate_lock = threading.Lock()
        self._background: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        files: FileSystem,
        directory: str,
        info: CollectionInfo,
        *,
        salvage: bool = False,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> tuple[Table, DurableJournal]:
        """Recover the collection and take over its directory."""
        recovery = Recovery(files, directory, info, salvage)
        collection = recovery.run()
        try:
            journal = cls(collection, recovery, random_bytes=random_bytes)
            if recovery.report.set_aside:
                journal._set_aside(recovery.report.set_aside)
                journal.checkpoint()
            else:
                journal._remove_before(recovery.report.snapshot or 0)
        except OSError as error:
            raise storage_error(error, f"collection {info.name!r} could not be opened for writing") from error
        collection.writer.attach(journal)
        return collection, journal

    @property
    def log_bytes(self) -> int:
        """Size of the current log."""
        return self._log.size

    @property
    def read_only_reason(self) -> str | None:
        """Why no write is taken, if so."""
        return self._log.failed

    def append(self, change: Change) -> int:
        """See `Journal.append`; called by one thread at a time."""
        with self._rotate_lock:
            ticket = self._log.append(encode(change))
            # A ticket belongs to one log: rotation syncs the log it leaves, so a ticket of an older one is always met.
            return ticket | self._generation << 44

    def commit(self, ticket: int) -> None:
        """See `Journal.commit`; may begin a checkpoint in the background."""
        with self._rotate_lock:
            log = self._log if ticket >> 44 == self._generation else None
        if log is not None:
            log.commit(ticket & (1 << 44) - 1)
        if self._log.size > self._longest_log and self._background is None:
            self._background = threading.Thread(target=self._background_checkpoint, name="vpa-checkpoint", daemon=True)
            self._background.start()

    @property
    def _longest_log(self) -> int:
        """Bytes of a log that is worth a snapshot: a share of what is written again then, and less where originals wait in memory for it."""
        view = self._collection.view
        least = CHECKPOINT_BYTES_FILED if self._files_originals else CHECKPOINT_BYTES
        return max(least, view.count * view.rows.dimension * 4 // 8)

    def _background_checkpoint(self) -> None:
        try:
            self.checkpoint()
            self.checkpoint_error = None
        except (OSError, VectorDatabaseError) as error:
            # The log still has everything; the next write tries again.
            self.checkpoint_error = str(error)
        finally:
            self._background = None

    def checkpoint(self) -> None:
        """Begin a new log, write a snapshot of all before it, and remove the generation before the last."""
        with self._checkpoint_lock:
            view, sequence, generation = self._rotate()
            path = snapshot_path(self._directory, generation)
            writer = SnapshotWriter(self._files, path)
            try:
                write_view(writer, view, sequence=sequence, index=self._collection.index.dump(view))
            except BaseException:
                self._discard(writer)
                raise
            self._remove_before(generation - 1)
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
        with self._collection.writer.paused() as state, self._rotate_lock:
            self._log.commit(self._log.size)
            generation = self._generation + 1
            sequence = self._log.next_sequence - 1
            log = Log.create(
                self._files,
                log_path(self._directory, generation),
                directory=self._directory,
                next_sequence=sequence + 1,
                random_bytes=self._random_bytes,
            )
            self._log.close()
            self._log, self._generation = log, generation
            return state.view, sequence, generation

    def _discard(self, writer: SnapshotWriter) -> None:
        try:
            writer.discard()
        except OSError as error:
            self.checkpoint_error = str(error)

    def _remove_before(self, generation: int) -> None:
        """Remove older generations, and what an interrupted checkpoint left."""
        for kind, path in (("snapshot", snapshot_path), ("log", log_path)):
            for number in generations(self._files, self._directory, kind):
                if number < generation:
                    self._files.remove(path(self._directory, number))
        for name in self._files.list_directory(self._directory):
            if name.endswith(".tmp"):
                self._files.remove(f"{self._directory}/{name}")

    def _set_aside(self, paths: list[str]) -> None:
        for path in paths:
            if self._files.exists(path):
                self._files.rename(path, path + ".damaged")
        self._files.sync_directory(self._directory)

    def abandon(self) -> None:
        """Let the files go without another checkpoint: they are about to be removed."""
        background = self._background
        if background is not None:
            background.join()
        self._end()

    def _end(self) -> None:
        """Wait for a checkpoint that runs; a closed table begins no other."""
        with self._checkpoint_lock:
            self._collection.close()
            self._log.close()

    def close(self) -> None:
        """Wait for a running checkpoint, make one if the log is long or codes are new, and let the files go."""
        background = self._background
        if background is not None:
            background.join()
        try:
            worth_it = self._log.size > _CLOSE_CHECKPOINT_BYTES or self._collection.index.unsaved
            if self._log.failed is None and worth_it:
                self.checkpoint()
        except (OSError, VectorDatabaseError) as error:
            self.checkpoint_error = str(error)
        finally:
            self._end()
