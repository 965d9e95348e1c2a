"""A copy of a store that a process may be writing to: consistent, proved, and there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from vpa.base.errors import StorageCorruptedError, StorageError, VectorDatabaseError
from vpa.engine.persist.files import FileSystem, OSFiles
from vpa.engine.persist.frames import read_log
from vpa.engine.persist.manifest import (
    LogEntry,
    Manifest,
    StoreFile,
    find_store,
    manifest_of,
    new_id,
    write_manifest,
    write_store,
)
from vpa.engine.persist.names import COLLECTIONS, collection_path, is_ours, log_path, name_of_entry, snapshot_path
from vpa.engine.persist.recover import check_log
from vpa.engine.persist.wal import storage_error
from vpa.engine.reading import ReadOnlyDatabase

_CHUNK: Final = 4 << 20  # Bytes per read: large enough for a disk, small enough for memory.
_ATTEMPTS: Final = 20  # A writer that files so often during one copy is told of; each attempt copies what is new only.
# What is still the same after so many looks, so far apart, is damage and not a drop under way.
_SETTLED: Final = 3
_STEP_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Copied:
    """One collection of a backup: its records, up to which change, and the bytes of its files."""

    records: int
    last_change: int
    size_bytes: int


def copy_store(
    source: str, target: str, *, files: FileSystem | None = None, random_bytes: Callable[[int], bytes] = os.urandom
) -> dict[str, Copied]:
    """Copy every collection of `source` to a new directory `target`; each is as it was at one moment of the copying.

    Every file is read back and compared, then the copy is opened and verified, and only then given its name. Raises
    StorageError where `target` exists or `source` holds no store, StorageCorruptedError for a
    damaged collection.
    """
    files = files or OSFiles()
    source, target = os.path.abspath(source), os.path.abspath(target)
    try:
        if files.status(target) is not None:
            raise StorageError(f"{target} exists; a backup goes to a new directory, and nothing is overwritten")
        store = find_store(files, source)
        if store is None:
            raise StorageError(f"no store in {source}; nothing was made; check the path")
        if _lies_in(target, source) or _lies_in(source, target):
            raise StorageError(
                f"{target} and {source} lie inside one another; a copy goes elsewhere, best to another disk"
            )
        building = f"{target}.partial-{new_id(random_bytes)[:8]}"
        files.make_directory(f"{building}/{COLLECTIONS}", parents=True)
        try:
            return _Backup(files, source, building, store).run(target)
        except BaseException:
            _remove(files, building)
            raise
    except OSError as error:
        raise storage_error(error, f"{source} was not copied") from error


def _lies_in(path: str, directory: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(directory) + os.sep)


class _Backup:
    def __init__(self, files: FileSystem, source: str, building: str, store: StoreFile) -> None:
        self._files = files
        self._source = source
        self._building = building
        self._store = store
        self._digests: dict[str, str] = {}

    def run(self, target: str) -> dict[str, Copied]:
        files, base = self._files, f"{self._source}/{COLLECTIONS}"
        there = [entry for entry in files.list_directory(base) if files.is_directory(f"{base}/{entry}")]
        names = {*self._store.collections, *(name for name in map(name_of_entry, there) if name is not None)}
        copied = {name: self._copy_if_there(name) for name in sorted(names)}
        manifests = {name: manifest for name, manifest in copied.items() if manifest is not None}
        catalogue = {name: manifest.owner.collection for name, manifest in manifests.items()}
        write_store(files, self._building, StoreFile(self._store.id, catalogue))
        files.sync_directory(f"{self._building}/{COLLECTIONS}")
        done = self._prove(manifests)
        files.rename(self._building, target)
        files.sync_directory(os.path.dirname(target))
        return done

    def _copy_if_there(self, name: str) -> Manifest | None:
        """None where the collection was dropped meanwhile; the one that was made instead, where it was."""
        source, target = (collection_path(base, name) for base in (self._source, self._building))
        for attempt in range(_ATTEMPTS):
            judged_by = self._store.collections.get(name)
            try:
                return self._copy_collection(name)
            except (StorageError, OSError):
                now = find_store(self._files, self._source) or self._store
                dropped = name not in now.collections and not self._files.is_directory(source)
                # A drop or a creation takes two steps, a millisecond apart.
                if not dropped and now.collections.get(name) == judged_by and attempt >= _SETTLED:
                    raise
                self._store = now
                self._empty(target)
                if dropped:
                    return None
                time.sleep(_STEP_S)
        raise StorageError(f"{source} changes faster than it can be copied; try again when less is written")

    def _empty(self, target: str) -> None:
        for one in self._files.list_directory(target):
            self._files.remove_file(f"{target}/{one}")
        self._files.remove_directory(target)

    def _copy_collection(self, name: str) -> Manifest:
        source, target = (collection_path(base, name) for base in (self._source, self._building))
        self._files.make_directory(target)
        for _ in range(_ATTEMPTS):
            manifest = manifest_of(self._files, source, name, self._store)
            try:
                copied = self._copy_files(manifest, source, target)
            except (StorageCorruptedError, OSError):
                # The writer may have begun another generation meanwhile.
                if manifest_of(self._files, source, name, self._store) == manifest:
                    raise
                for one in self._files.list_directory(target):
                    self._files.remove_file(f"{target}/{one}")
                continue
            write_manifest(self._files, target, copied)
            return copied
        raise StorageError(f"{source} changes faster than it can be copied; try again when less is written")

    def _copy_files(self, manifest: Manifest, source: str, target: str) -> Manifest:
        base = manifest.snapshots[-1:]
        from_generation = base[0].generation if base else 0
        for snapshot in base:
            self._copy(
                snapshot_path(source, snapshot.generation),
                snapshot_path(target, snapshot.generation),
                snapshot.size_bytes,
            )
        logs = []
        for entry in manifest.logs:
            if entry.generation >= from_generation:
                ends = entry.sealed or (manifest.closed and entry == manifest.logs[-1])
                logs.append(self._copy_log(entry, manifest, source, target, ends=ends))
        return replace(manifest, logs=tuple(logs), snapshots=base, closed=True)

    def _copy_log(self, entry: LogEntry, manifest: Manifest, source: str, target: str, *, ends: bool) -> LogEntry:
        path, copy = log_path(source, entry.generation), log_path(target, entry.generation)
        self._copy(path, copy, None)
        contents = read_log(self._files.read(copy), path)
        problem = check_log(contents, entry, manifest, path=path, ends=ends)
        if problem is not None:
            raise StorageCorruptedError(problem)
        if contents.torn_bytes:
            # The change that was being written.
            file = self._files.open_append(copy)
            try:
                file.truncate(contents.good_bytes)
                file.sync()
            finally:
                file.close()
            self._digests[copy] = _digest(self._files, copy)
        check = contents.frames[-1].check if contents.frames else 0
        return replace(entry, size_bytes=contents.good_bytes, last=contents.last, check=check)

    def _copy(self, source: str, target: str, size: int | None) -> None:
        reader = self._files.open_read(source)
        end = reader.size if size is None else size
        digest = hashlib.sha256()
        writer = self._files.open_append(target)
        try:
            for start in range(0, end, _CHUNK):
                part = bytearray(min(_CHUNK, end - start))
                reader.read_at(start, memoryview(part))
                digest.update(part)
                writer.write([bytes(part)])
            writer.sync()
        finally:
            writer.close()
        self._digests[target] = digest.hexdigest()

    def _prove(self, manifests: dict[str, Manifest]) -> dict[str, Copied]:
        for path, digest in self._digests.items():
            if self._files.status(path) is not None and _digest(self._files, path) != digest:
                raise StorageCorruptedError(f"{path} does not hold what was written to it; check the disk of the copy")
        copy = ReadOnlyDatabase(self._building, files=self._files)
        done = {}
        for name, manifest in manifests.items():
            records = copy.get(name).view.live_count
            report = copy.reports()[name]
            if not report.clean or report.last_change != manifest.logs[-1].last:
                raise StorageCorruptedError(f"the copy of collection {name!r} is not what was copied: {report.damage}")
            directory = collection_path(self._building, name)
            sizes = [self._files.status(f"{directory}/{one}") for one in self._files.list_directory(directory)]
            done[name] = Copied(records, report.last_change, sum(one.size_bytes for one in sizes if one is not None))
        copy.close()
        return done


def _digest(files: FileSystem, path: str) -> str:
    reader, digest = files.open_read(path), hashlib.sha256()
    for start in range(0, reader.size, _CHUNK):
        part = bytearray(min(_CHUNK, reader.size - start))
        reader.read_at(start, memoryview(part))
        digest.update(part)
    return digest.hexdigest()


def _remove(files: FileSystem, building: str) -> None:
    """What this copying wrote."""
    try:
        for name in files.list_directory(f"{building}/{COLLECTIONS}"):
            directory = f"{building}/{COLLECTIONS}/{name}"
            for one in filter(is_ours, files.list_directory(directory)):
                files.remove_file(f"{directory}/{one}")
            files.remove_directory(directory)
        files.remove_directory(f"{building}/{COLLECTIONS}")
        for one in files.list_directory(building):
            files.remove_file(f"{building}/{one}")
        files.remove_directory(building)
    except (OSError, VectorDatabaseError):
        # The cause of the failure is what matters; the name of the directory says what it is.
        return
