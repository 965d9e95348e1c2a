"""Several collections under one roof: in memory, or in a directory that this process owns."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from errno import EACCES, EROFS
from typing import Any, Final

from vpa.base.errors import (
    CollectionExistsError,
    ProviderError,
    StorageCorruptedError,
    StorageError,
    VectorDatabaseError,
)
from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.engine.opened import OpenedDirectory
from vpa.engine.persist.creation import begin
from vpa.engine.persist.files import FileSystem, HalfDoneError, OSFiles
from vpa.engine.persist.journal import DurableJournal
from vpa.engine.persist.lock import NAME, DirectoryLock
from vpa.engine.persist.manifest import StoreFile, find_store, manifest_of, new_id, read_manifest, write_store
from vpa.engine.persist.names import (
    COLLECTION,
    COLLECTIONS,
    CREATING,
    DROPPED,
    collection_path,
    entry_of,
    is_ours,
    name_of_entry,
)
from vpa.engine.persist.recover import RecoveryReport
from vpa.engine.persist.replace import finish_replacements
from vpa.engine.persist.reserve import Reserve
from vpa.engine.persist.tidy import NO_ROOM
from vpa.engine.persist.wal import storage_error
from vpa.engine.table import Table

_PROVIDER: Final = "embedded"


class Database(OpenedDirectory):
    """Collections by name. Methods are synchronous and may be called from any thread.

    A collection whose files are damaged, or are not this store's, raises its error whenever it is asked for; the others
    go on. Nothing is removed that this store did not write.
    """

    _way_out = "; make it with create_collection"

    def __init__(
        self,
        directory: str | None = None,
        *,
        files: FileSystem | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open a directory (made if missing) or, without one, live in memory.

        Raises StorageLockedError, StorageError, ConfigurationError for another format. `files` is used without a lock.
        """
        super().__init__()
        self.directory = None if directory is None else os.path.abspath(directory)
        self._files: FileSystem = files or OSFiles()
        self._random_bytes = random_bytes
        self._collections: dict[str, Table] = {}
        self._journals: dict[str, DurableJournal] = {}
        # Names whose creation failed, and then the disk refused to take it back, too.
        self._unmade: set[str] = set()
        self._store = StoreFile("")
        self._lock = threading.RLock()
        self._directory_lock: DirectoryLock | None = None
        self._reserve: Reserve | None = None
        if self.directory is not None:
            self._open(self.directory, lock=files is None)

    def _open(self, directory: str, *, lock: bool) -> None:
        try:
            store = find_store(self._files, directory)
            self._files.make_directory(f"{directory}/{COLLECTIONS}", parents=True)
            self._files.sync_directory(os.path.dirname(directory))
            if lock:
                self._directory_lock = DirectoryLock(directory)
                store = find_store(self._files, directory)
            if store is None:
                store = StoreFile(new_id(self._random_bytes))
                write_store(self._files, directory, store)
            self._store = store
            self._reserve = Reserve(self._files, directory)
            self._reserve.fill()
            finish_replacements(self._files, directory, store)
            entries = self._files.list_directory(f"{directory}/{COLLECTIONS}")
            for entry in sorted(entries):
                self._open_entry(entry)
            for name in sorted(store.collections):
                if entry_of(name) not in entries:
                    self._open_named(name)
        except OSError as error:
            self.close()
            hint = "; with read_only=True it can be read" if error.errno in (EACCES, EROFS) else ""
            raise storage_error(error, f"{directory} could not be opened{hint}") from error
        except MemoryError as error:
            self.close()
            raise _no_memory(f"{directory} could not be opened") from error
        except BaseException:
            self.close()
            raise

    def _path(self, name: str) -> str:
        return collection_path(str(self.directory), name)

    def _apart(self, beginning: str) -> str:
        """A new path beside the collections, of none."""
        return f"{self.directory}/{COLLECTIONS}/{beginning}{new_id(self._random_bytes)}"

    def _open_entry(self, entry: str) -> None:
        path = f"{self.directory}/{COLLECTIONS}/{entry}"
        if not self._files.is_directory(path):
            return
        if entry.startswith((CREATING, DROPPED)):
            self._sweep(path)
            return
        name = name_of_entry(entry)
        if name is not None:
            self._open_named(name)

    def _open_named(self, name: str) -> None:
        try:
            self._open_collection(name)
        except VectorDatabaseError as error:
            self._damaged[name] = error.located(provider=_PROVIDER, collection=name)

    def _open_collection(self, name: str) -> None:
        manifest = manifest_of(self._files, self._path(name), name, self._store)
        self._collections[name], self._journals[name] = DurableJournal.open(
            self._files,
            self._path(name),
            manifest,
            guard=self._moved,
            make_room=self._make_room,
            random_bytes=self._random_bytes,
        )

    def _make_room(self) -> bool:
        return self._reserve is not None and self._reserve.give()

    def _sweep(self, path: str) -> None:
        """Finish a drop, or undo a create, that was cut short: what this store wrote goes, anything else stays."""
        names = self._files.list_directory(path)
        if COLLECTION in names:
            try:
                if read_manifest(self._files, path).owner.store != self._store.id:
                    return
            except VectorDatabaseError:
                return
        elif any(one.startswith("snapshot-") for one in names) or not all(map(is_ours, names)):
            return
        self._remove_ours(path)

    def _remove_ours(self, path: str) -> None:
        """The manifest goes last: as long as it exists it says whose the rest is."""
        names = self._files.list_directory(path)
        for name in sorted(filter(is_ours, names), key=COLLECTION.__eq__):
            self._files.remove_file(f"{path}/{name}")
        if all(map(is_ours, names)) and self._files.is_directory(path):
            self._files.remove_directory(path)

    def _moved(self) -> str | None:
        """Why the directory is not what was opened, if so."""
        if self._directory_lock is None:
            return None
        if self._directory_lock.status.is_same_file(self._files.status(f"{self.directory}/{NAME}")):
            return None
        return f"{self.directory} was removed or replaced while it was open"

    def _check_in_place(self) -> None:
        reason = self._moved()
        if reason is not None:
            raise StorageError(f"{reason}; nothing was written; close the store, look at the cause, and open it again")

    # Reading

    def names(self) -> list[str]:
        """Names of the collections, sorted; also of those that cannot be opened, see `damaged`."""
        self.check_open()
        return sorted({*self._collections, *self._damaged})

    def _opened(self, name: str) -> Table | None:
        return self._collections.get(name)

    def is_behind(self, name: str) -> bool:
        """Whether `refresh` would find changes of another process: never, for the one that writes."""
        del name
        return False

    def refresh(self, name: str) -> None:
        """Nothing: what is here is the newest."""

    # Writing

    def create(self, info: CollectionInfo) -> Table:
        """Make a collection; on the disk when this returns. Raises CollectionExistsError."""
        with self._lock:
            if self.find(info.name) is not None:
                raise CollectionExistsError(f"collection {info.name!r} exists")
            collection = Table(info) if self.directory is None else self._create_durable(info)
            self._collections[info.name] = collection
            return collection

    def _create_durable(self, info: CollectionInfo) -> Table:
        self._check_in_place()
        path, building = self._path(info.name), self._apart(CREATING)
        try:
            if info.name in self._unmade:
                self._take_back(info.name)
            if self._files.status(path) is not None:
                raise StorageCorruptedError(
                    f"{path} exists and is no collection of this store; nothing was touched; move it away"
                )
            self._files.make_directory(building)
            begin(self._files, building, info, store=self._store.id, random_bytes=self._random_bytes)
            self._files.rename(building, path)
            try:
                self._files.sync_directory(f"{self.directory}/{COLLECTIONS}")
                manifest = read_manifest(self._files, path)
                self._write_store({**self._store.collections, info.name: manifest.owner.collection})
                collection, journal = DurableJournal.open(
                    self._files,
                    path,
                    manifest,
                    guard=self._moved,
                    make_room=self._make_room,
                    random_bytes=self._random_bytes,
                )
            except BaseException:
                with contextlib.suppress(OSError, MemoryError):
                    self._take_back(info.name)
                raise
        except OSError as error:
            raise storage_error(error, f"collection {info.name!r} was not made") from error
        except MemoryError as error:
            raise _no_memory(f"collection {info.name!r} was not made") from error
        journal.report.closed = True
        self._journals[info.name] = journal
        return collection

    def _take_back(self, name: str) -> None:
        """Undo a creation; the catalogue first, so that it never names what is not there."""
        self._unmade.add(name)
        self._write_store({key: value for key, value in self._store.collections.items() if key != name})
        if self._files.is_directory(self._path(name)):
            self._files.rename(self._path(name), self._apart(CREATING))
        self._unmade.discard(name)

    def _write_store(self, collections: Mapping[str, str]) -> None:
        store = StoreFile(self._store.id, collections)
        try:
            write_store(self._files, str(self.directory), store)
        except HalfDoneError:
            self._store = store
            raise
        self._store = store

    def _write_store_back(self, collections: Mapping[str, str]) -> None:
        """After an error: as far as the disk lets it."""
        with contextlib.suppress(OSError, MemoryError):
            self._write_store(collections)

    def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Note which model the vectors are from."""
        return self._describe(name, "embedding", embedding=embedding)

    def set_keywords(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """Note in which language words are searched for."""
        return self._describe(name, "language of keyword search", keywords=keywords)

    def _describe(self, name: str, what: str, **facts: Any) -> CollectionInfo:
        with self._lock:
            collection = self.get(name)
            info = replace(collection.info, **facts)
            journal = self._journals.get(name)
            if journal is not None:
                try:
                    journal.set_info(info)
                except OSError as error:
                    raise storage_error(error, f"the {what} was not noted") from error
            collection.writer.describe(info)
            return info

    def drop(self, name: str) -> None:
        """Remove a collection, damaged or not; after an error it is as before. Raises CollectionNotFoundError."""
        with self._lock:
            # What the store never named may be a folder of the user's.
            if name in self._damaged and name in self._store.collections:
                self._drop_damaged(name)
                return
            collection = self.get(name)
            if self.directory is None:
                collection.close()
                del self._collections[name]
                return
            self._check_in_place()
            named = self._store.collections
            try:
                self._forget(name)
            except (OSError, MemoryError) as error:
                self._write_store_back(named)
                raise _not_dropped(error, name) from error
            collection.close()
            del self._collections[name]
            gone = self._apart(DROPPED)
            try:
                self._journals.pop(name).abandon()
                self._files.rename(self._path(name), gone)
            except BaseException as error:
                self._write_store_back(named)
                try:
                    self._open_named(name)
                except (OSError, MemoryError) as second:
                    found = StorageError(
                        f"collection {name!r} could not be opened again ({second}); open the store anew"
                    )
                    self._damaged[name] = found.located(provider=_PROVIDER, collection=name)
                if isinstance(error, OSError | MemoryError):
                    raise _not_dropped(error, name) from error
                raise
            with contextlib.suppress(OSError, MemoryError):
                # What is left of it goes at the next opening.
                self._files.sync_directory(f"{self.directory}/{COLLECTIONS}")
                self._remove_ours(gone)

    def _drop_damaged(self, name: str) -> None:
        self.check_open()
        self._check_in_place()
        named, gone = self._store.collections, self._apart(DROPPED)
        try:
            self._forget(name)
            if self._files.is_directory(self._path(name)):
                self._files.rename(self._path(name), gone)
        except (OSError, MemoryError) as error:
            self._write_store_back(named)
            raise _not_dropped(error, name) from error
        del self._damaged[name]
        with contextlib.suppress(OSError, MemoryError):
            self._files.sync_directory(f"{self.directory}/{COLLECTIONS}")
            if self._files.is_directory(gone):
                self._sweep(gone)

    def _forget(self, name: str) -> None:
        """Take the name out of the catalogue; what frees room must not fail for want of it."""
        left = {key: value for key, value in self._store.collections.items() if key != name}
        try:
            self._write_store(left)
        except OSError as error:
            if error.errno not in NO_ROOM or not self._make_room():
                raise
            self._write_store(left)

    # What there is to know

    def reports(self) -> dict[str, RecoveryReport]:
        """What recovery found, by collection."""
        return {name: journal.report for name, journal in self._journals.items()}

    def journal(self, name: str) -> DurableJournal | None:
        """The journal of a durable collection."""
        return self._journals.get(name)

    def close(self) -> None:
        """Finish writes, make checkpoints where worth it, and unlock the directory. May be called twice."""
        with self._lock, contextlib.ExitStack() as stack:
            self._closed = True
            if os.getpid() != self._process:
                return
            # Whatever one of them meets, the others are closed, and the lock goes.
            if self._directory_lock is not None:
                stack.callback(self._directory_lock.release)
            journals, tables = dict(self._journals), dict(self._collections)
            self._journals.clear()
            self._collections.clear()
            for name, journal in journals.items():
                if name in tables:
                    stack.callback(tables[name].close)
                stack.callback(journal.close)


def _no_memory(what: str) -> ProviderError:
    return ProviderError(f"{what}: there is not enough memory; nothing was changed; free some")


def _not_dropped(error: OSError | MemoryError, name: str) -> VectorDatabaseError:
    what = f"collection {name!r} was not dropped"
    return storage_error(error, what) if isinstance(error, OSError) else _no_memory(what)
