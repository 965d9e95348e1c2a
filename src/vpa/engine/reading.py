"""A directory that another process may be writing to, or that nobody can write to: read, and nothing else."""

from __future__ import annotations

import os
import threading
from typing import NoReturn

from vpa.base.errors import (
    CollectionNotFoundError,
    ProviderError,
    ReadOnlyError,
    StorageError,
    VectorDatabaseError,
)
from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, EmbeddingIdentity
from vpa.engine.opened import OpenedDirectory
from vpa.engine.persist.files import FileSystem, OSFiles
from vpa.engine.persist.follow import Follower
from vpa.engine.persist.manifest import StoreFile, find_store
from vpa.engine.persist.names import COLLECTIONS, collection_path, name_of_entry
from vpa.engine.persist.recover import RecoveryReport
from vpa.engine.persist.wal import storage_error
from vpa.engine.table import Table


class ReadOnlyDatabase(OpenedDirectory):
    """As `Database`, for reading: no lock is taken, no file written. `refresh` takes over what was written since."""

    def __init__(self, directory: str, *, files: FileSystem | None = None) -> None:
        """Read the collections of a directory. Raises StorageError where it holds no store."""
        super().__init__()
        self.directory = os.path.abspath(directory)
        self._files: FileSystem = files or OSFiles()
        self._followers: dict[str, Follower] = {}
        self._lock = threading.RLock()
        try:
            store = find_store(self._files, self.directory)
            if store is None:
                raise StorageError(
                    f"no store in {self.directory}: {self._what_is_there()}; nothing was made; check the path (a store "
                    "begins with its first write)"
                )
            self._store = store
            for name in self._names_there():
                self._load(name)
            self._note_missing(store)
        except OSError as error:
            self.close()
            raise storage_error(error, f"{self.directory} could not be read") from error
        except MemoryError as error:
            self.close()
            raise ProviderError(f"{self.directory} could not be read: there is not enough memory; free some") from error
        except BaseException:
            self.close()
            raise

    def _what_is_there(self) -> str:
        if self._files.is_directory(self.directory):
            return "the directory holds none"
        return "it does not exist" if self._files.status(self.directory) is None else "it is a file, not a directory"

    def _note_missing(self, store: StoreFile) -> None:
        """Collections that the store names and that have no directory, unless they were dropped meanwhile."""
        missing = [name for name in store.collections if not self._files.is_directory(self._path(name))]
        if not missing:
            return
        now = find_store(self._files, self.directory)
        for name in missing:
            if now is not None and name in now.collections and not self._files.is_directory(self._path(name)):
                self._load(name)

    def _names_there(self) -> list[str]:
        names = map(name_of_entry, self._files.list_directory(f"{self.directory}/{COLLECTIONS}"))
        return [name for name in names if name is not None and self._files.is_directory(self._path(name))]

    def _path(self, name: str) -> str:
        return collection_path(self.directory, name)

    def _load(self, name: str) -> None:
        try:
            self._followers[name] = Follower(self._files, self._path(name), name, self._store)
            self._damaged.pop(name, None)
        except CollectionNotFoundError:
            # Dropped between the look at the directory and this.
            self._damaged.pop(name, None)
        except OSError as error:
            self._note_unread(name, error)
        except VectorDatabaseError as error:
            self._damaged[name] = error.located(provider="embedded", collection=name)

    def _note_unread(self, name: str, error: OSError) -> None:
        found = storage_error(error, f"collection {name!r} could not be read")
        self._damaged[name] = found.located(provider="embedded", collection=name)

    def names(self) -> list[str]:
        """Names of the collections that exist now, sorted; also of those that cannot be read, see `damaged`."""
        self.check_open()
        try:
            self._check_there()
            there = self._names_there()
            store = find_store(self._files, self.directory) if self._damaged else None
        except OSError as error:
            raise storage_error(error, f"{self.directory} could not be read") from error
        known = {*there, *(() if store is None else store.collections)}
        return sorted({*there, *(name for name in self._damaged if name in known)})

    def _check_there(self) -> None:
        """A disk that is not mounted any more is no empty store."""
        if not self._files.is_directory(f"{self.directory}/{COLLECTIONS}"):
            raise StorageError(f"{self.directory} holds no store any more: it was removed, or its disk unmounted")

    def _opened(self, name: str) -> Table | None:
        follower = self._followers.get(name)
        return None if follower is None else follower.collection

    def is_behind(self, name: str) -> bool:
        """Whether another process has written since the last `refresh`."""
        self.check_open()
        follower = self._followers.get(name)
        try:
            if follower is not None and name not in self._damaged:
                return follower.is_behind()
            # One that could not be read may have been dropped since.
            return name in self._damaged or self._files.is_directory(self._path(name))
        except OSError as error:
            raise storage_error(error, f"collection {name!r} could not be read") from error

    def refresh(self, name: str) -> None:
        """Take over what another process has written: changes, a new collection, or that it was dropped."""
        with self._lock:
            follower = self._followers.get(name)
            try:
                if follower is not None and name not in self._damaged:
                    follower.refresh()
                elif self._files.is_directory(self._path(name)):
                    self._load(name)
                else:
                    self._check_there()
                    self._followers.pop(name, None)
                    self._damaged.pop(name, None)
            except OSError as error:
                self._note_unread(name, error)
            except CollectionNotFoundError:
                self._check_there()
                self._followers.pop(name, None)
            except VectorDatabaseError as error:
                self._damaged[name] = error.located(provider="embedded", collection=name)

    def create(self, info: CollectionInfo) -> Table:
        """Raises ReadOnlyError: another process writes this directory."""
        self._refuse(f"collection {info.name!r} does not exist")

    def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Raises ReadOnlyError: another process writes this directory."""
        del embedding
        self._refuse(f"the embedding of collection {name!r} was not noted")

    def set_keywords(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """Raises ReadOnlyError: another process writes this directory."""
        del keywords
        self._refuse(f"the language of keyword search of collection {name!r} was not noted")

    def drop(self, name: str) -> None:
        """Raises ReadOnlyError: another process writes this directory."""
        self._refuse(f"collection {name!r} was not dropped")

    def _refuse(self, what: str) -> NoReturn:
        self.check_open()
        raise ReadOnlyError(f"{what}: the store was opened with read_only=True; open it without that to write")

    def reports(self) -> dict[str, RecoveryReport]:
        """What was found, by collection."""
        return {name: follower.report for name, follower in self._followers.items()}

    def journal(self, name: str) -> None:
        """Nothing is written, so there is none."""
        del name

    def close(self) -> None:
        """Forget everything. May be called twice."""
        with self._lock:
            self._closed = True
            self._followers.clear()
