"""Several collections under one roof: in memory, or in a directory that this process owns."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from vpa.base.errors import (
    ClosedError,
    CollectionExistsError,
    CollectionNotFoundError,
    StorageCorruptedError,
    VectorDatabaseError,
)
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.engine.persist.files import FileSystem, OSFiles, write_whole
from vpa.engine.persist.journal import DurableJournal
from vpa.engine.persist.lock import DirectoryLock
from vpa.engine.persist.recover import RecoveryReport
from vpa.engine.persist.wal import storage_error
from vpa.engine.table import Table

_INFO: Final = "collection.json"
_DROPPED: Final = ".dropped-"


class Database:
    """Collections by name. Methods are synchronous and may be called from any thread."""

    def __init__(
        self,
        directory: str | None = None,
        *,
        files: FileSystem | None = None,
        salvage: bool = False,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open a directory (made if missing) or, without one, live in memory.

        Raises StorageLockedError, StorageCorruptedError, StorageFullError. A given `files` is used without a lock.
        """
        self.directory = directory
        self._files: FileSystem = files or OSFiles()
        self._salvage = salvage
        self._random_bytes = random_bytes
        self._collections: dict[str, Table] = {}
        self._journals: dict[str, DurableJournal] = {}
        self._lock = threading.RLock()
        self._closed = False
        self._directory_lock: DirectoryLock | None = None
        if directory is not None:
            self._open(directory, lock=files is None)

    def _open(self, directory: str, *, lock: bool) -> None:
        try:
            self._files.make_directory(f"{directory}/collections")
            self._files.sync_directory(directory)
            self._files.sync_directory(os.path.dirname(os.path.abspath(directory)))
            if lock:
                self._directory_lock = DirectoryLock(directory)
            for name in self._files.list_directory(f"{directory}/collections"):
                self._open_collection(name)
        except OSError as error:
            self.close()
            raise storage_error(error, f"{directory} could not be opened") from error
        except VectorDatabaseError:
            self.close()
            raise

    def _path(self, name: str) -> str:
        return f"{self.directory}/collections/{name}"

    def _open_collection(self, name: str) -> None:
        path = self._path(name)
        if name.startswith(_DROPPED) or not self._files.exists(f"{path}/{_INFO}"):
            # A drop or a create that was cut short: nothing in it was ever acknowledged, or all of it was dropped.
            self._files.remove(path)
            return
        info = read_info(self._files, f"{path}/{_INFO}")
        try:
            collection, journal = DurableJournal.open(
                self._files, path, info, salvage=self._salvage, random_bytes=self._random_bytes
            )
        except VectorDatabaseError as error:
            raise error.located(provider="mock", collection=name) from error.__cause__
        self._collections[name] = collection
        self._journals[name] = journal

    def names(self) -> list[str]:
        """Names of the collections, sorted."""
        self._check_open()
        return sorted(self._collections)

    def get(self, name: str) -> Table:
        """A collection; raises CollectionNotFoundError."""
        self._check_open()
        try:
            return self._collections[name]
        except KeyError:
            known = ", ".join(sorted(self._collections)) or "none"
            raise CollectionNotFoundError(
                f"no collection {name!r}; there are: {known}; make it with create_collection"
            ) from None

    def find(self, name: str) -> Table | None:
        """A collection, or None."""
        self._check_open()
        return self._collections.get(name)

    def create(self, info: CollectionInfo) -> Table:
        """Make a collection; on the disk when this returns. Raises CollectionExistsError."""
        with self._lock:
            self._check_open()
            if info.name in self._collections:
                raise CollectionExistsError(f"collection {info.name!r} exists")
            collection = Table(info) if self.directory is None else self._create_durable(info)
            self._collections[info.name] = collection
            return collection

    def _create_durable(self, info: CollectionInfo) -> Table:
        path = self._path(info.name)
        try:
            self._files.remove(path)
            self._files.make_directory(path)
            collection, journal = DurableJournal.open(self._files, path, info, random_bytes=self._random_bytes)
            self._write_info(info)
            self._files.sync_directory(f"{self.directory}/collections")
        except OSError as error:
            raise storage_error(error, f"collection {info.name!r} was not made") from error
        self._journals[info.name] = journal
        return collection

    def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Note which model the vectors are from."""
        with self._lock:
            collection = self.get(name)
            info = replace(collection.info, embedding=embedding)
            if self.directory is not None:
                try:
                    self._write_info(info)
                except OSError as error:
                    raise storage_error(error, "the embedding was not noted") from error
            collection.writer.describe(info)
            return info

    def _write_info(self, info: CollectionInfo) -> None:
        body = json.dumps(info.to_json(), ensure_ascii=False, sort_keys=True)
        whole = json.dumps({"checksum": zlib.crc32(body.encode()), "info": body}).encode()
        write_whole(self._files, f"{self._path(info.name)}/{_INFO}", [whole])

    def drop(self, name: str) -> None:
        """Remove a collection with all scopes; raises CollectionNotFoundError."""
        with self._lock:
            self.get(name).close()
            journal = self._journals.pop(name, None)
            del self._collections[name]
            if journal is None:
                return
            try:
                journal.abandon()
                gone = self._path(_DROPPED + name)
                self._files.remove(gone)
                self._files.rename(self._path(name), gone)
                self._files.sync_directory(f"{self.directory}/collections")
                self._files.remove(gone)
            except OSError as error:
                raise storage_error(error, f"collection {name!r} may still be on the disk") from error

    def reports(self) -> dict[str, RecoveryReport]:
        """What recovery found, by collection."""
        return {name: journal.report for name, journal in self._journals.items()}

    def journal(self, name: str) -> DurableJournal | None:
        """The journal of a durable collection."""
        return self._journals.get(name)

    def close(self) -> None:
        """Finish writes, make checkpoints where worth it, and unlock the directory. May be called twice."""
        with self._lock:
            self._closed = True
            for name, journal in self._journals.items():
                journal.close()
                if name in self._collections:
                    self._collections[name].close()
            self._journals.clear()
            self._collections.clear()
            if self._directory_lock is not None:
                self._directory_lock.release()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the embedded engine is closed; connect again")


def read_info(files: FileSystem, path: str) -> CollectionInfo:
    """Read a stored CollectionInfo; raises StorageCorruptedError or, for a newer format, ConfigurationError."""
    try:
        whole: dict[str, Any] = json.loads(bytes(files.read(path)))
        body = whole["info"]
        sound = zlib.crc32(body.encode()) == whole["checksum"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageCorruptedError(f"{path} cannot be read ({error!r}); restore it from a backup") from error
    if not sound:
        raise StorageCorruptedError(f"{path} does not have the checksum it was written with; restore it from a backup")
    return CollectionInfo.from_json(json.loads(body))
