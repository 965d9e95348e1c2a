"""Opens a damaged store to salvage it: says first what will be kept and lost, then does it."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from vpa.base.errors import StorageCorruptedError, StorageError, VectorDatabaseError
from vpa.engine.persist.files import FileSystem, OSFiles
from vpa.engine.persist.lock import DirectoryLock
from vpa.engine.persist.manifest import StoreFile, manifest_of, new_id, read_manifest, read_store, write_store
from vpa.engine.persist.names import COLLECTIONS, DAMAGED, STORE, collection_path, free_path, name_of_entry
from vpa.engine.persist.recover import Recovery
from vpa.engine.persist.replace import finish_replacements, replace_collection
from vpa.engine.persist.salvage import Salvaged, examine
from vpa.engine.persist.wal import storage_error


@dataclass(slots=True)
class Plan:
    """What salvage will do: the damaged collections with what can be kept of each, and those that it cannot help."""

    salvaged: dict[str, Salvaged] = field(default_factory=dict)
    helpless: dict[str, str] = field(default_factory=dict)
    sound: dict[str, int] = field(default_factory=dict)


class Repair:
    """Holds the directory's lock from construction to `close`."""

    def __init__(
        self, directory: str, *, files: FileSystem | None = None, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Lock the directory; raises StorageError where there is none, StorageLockedError, or ConfigurationError."""
        self._directory = os.path.abspath(directory)
        self._files: FileSystem = files or OSFiles()
        self._random_bytes = random_bytes
        self._lock: DirectoryLock | None = None
        if not self._files.is_directory(f"{self._directory}/{COLLECTIONS}"):
            raise StorageError(f"no store in {self._directory}; nothing was made; check the path")
        if files is None:
            self._lock = DirectoryLock(self._directory)
        try:
            self._store, self._store_is_sound, self._is_known = self._find_store()
            finish_replacements(self._files, self._directory, self._store, named=self._store_is_sound)
        except BaseException:
            self.close()
            raise

    def _find_store(self) -> tuple[StoreFile, bool, bool]:
        """The store, whether its file is sound, and whether its id is that of the files that are there."""
        with contextlib.suppress(StorageCorruptedError):
            store = read_store(self._files, self._directory)
            if store is not None:
                return store, True, True
        owners: Counter[str] = Counter()
        for name in self._names():
            with contextlib.suppress(StorageCorruptedError, OSError):
                owners[read_manifest(self._files, self._path(name)).owner.store] += 1
        if not owners:
            return StoreFile(new_id(self._random_bytes)), False, False
        return StoreFile(owners.most_common(1)[0][0]), False, True

    def _names(self) -> list[str]:
        names = map(name_of_entry, self._files.list_directory(f"{self._directory}/{COLLECTIONS}"))
        return [name for name in names if name is not None and self._files.is_directory(self._path(name))]

    def _path(self, name: str) -> str:
        return collection_path(self._directory, name)

    def plan(self) -> Plan:
        """Look at every collection; nothing is written."""
        plan = Plan()
        for name in sorted({*self._names(), *self._store.collections}):
            try:
                manifest = manifest_of(self._files, self._path(name), name, self._store)
                collection, _ = Recovery(self._files, self._path(name), manifest).run()
                plan.sound[name] = collection.view.live_count
            except VectorDatabaseError as error:
                self._plan_damaged(plan, name, error)
            except OSError as error:
                plan.helpless[name] = str(error)
        return plan

    def _plan_damaged(self, plan: Plan, name: str, error: VectorDatabaseError) -> None:
        if not isinstance(error, StorageCorruptedError):
            plan.helpless[name] = error.message
            return
        try:
            plan.salvaged[name] = examine(
                self._files, self._path(name), name=name, store=self._store.id if self._is_known else None
            )
            plan.salvaged[name].notes.insert(0, error.message.partition("; run `vpa doctor")[0])
        except VectorDatabaseError as other:
            exists = self._files.is_directory(self._path(name))
            plan.helpless[name] = other.message if exists else f"{self._path(name)} is missing; its name is given up"

    def carry_out(self, plan: Plan) -> dict[str, str]:
        """Do it; returns, by collection, where the damaged directory was set aside. Raises StorageError."""
        try:
            aside = {
                name: replace_collection(
                    self._files, self._directory, salvaged, store=self._store, random_bytes=self._random_bytes
                )
                for name, salvaged in plan.salvaged.items()
            }
            self._name_store()
            return aside
        except OSError as error:
            raise storage_error(
                error, "salvage stopped; the damaged files are where they were, or in set-aside"
            ) from error

    def _name_store(self) -> None:
        """The collections are those that are there now; a damaged file of the store is set aside."""
        path, catalogue = f"{self._directory}/{STORE}", {}
        for name in self._names():
            with contextlib.suppress(VectorDatabaseError, OSError):
                found = read_manifest(self._files, self._path(name))
                if found.owner.store == self._store.id and found.info.name == name:
                    catalogue[name] = found.owner.collection
        store = StoreFile(self._store.id, catalogue)
        if self._store_is_sound and store == self._store:
            return
        if not self._store_is_sound and self._files.status(path) is not None:
            self._files.rename(path, free_path(self._files, path + DAMAGED))
        write_store(self._files, self._directory, store)

    def close(self) -> None:
        """Unlock. May be called twice."""
        if self._lock is not None:
            self._lock.release()
