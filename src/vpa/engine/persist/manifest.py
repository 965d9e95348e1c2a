"""Which files a collection consists of, whose they are, and how far each was known to be on the disk.

`collection.json` is this manifest; `store.json` names the store. Both are JSON with a checksum, replaced as a whole.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from vpa.base.errors import ConfigurationError, StorageCorruptedError, StorageError
from vpa.base.records import CollectionInfo
from vpa.engine.persist.files import FileSystem, write_whole
from vpa.engine.persist.names import COLLECTION, COLLECTIONS, STORE

FORMAT: Final = 3  # Of the directory; an older one is refused by name.
_ID_BYTES: Final = 16  # Random, so two stores never share an id.
RESTORE: Final = "restore it from a backup, or run `vpa doctor --salvage`"


def new_id(random_bytes: Callable[[int], bytes]) -> str:
    """An id that no other store, collection or file has."""
    return random_bytes(_ID_BYTES).hex()


@dataclass(frozen=True, slots=True)
class Owner:
    """The ids of a store and of one of its collections: what every file carries."""

    store: str
    collection: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log. Its first `size_bytes` were synced; the last frame in them is number `last` with checksum `check`.

    A sealed log ends exactly there; the one that is written to may go on. `last` is `first - 1` before any frame.
    """

    generation: int
    id: str
    first: int
    size_bytes: int
    last: int
    check: int
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """One snapshot; it holds every change up to `sequence`."""

    generation: int
    id: str
    sequence: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of one collection, in order. `closed`: nothing follows what the entry of the last log says."""

    owner: Owner
    info: CollectionInfo
    logs: tuple[LogEntry, ...]
    snapshots: tuple[SnapshotEntry, ...] = ()
    closed: bool = False

    def with_log(self, entry: LogEntry) -> Manifest:
        """The entry replaces that of its generation, or comes last."""
        logs = [log for log in self.logs if log.generation != entry.generation]
        return replace(self, logs=(*logs, entry))

    def to_json(self) -> dict[str, Any]:
        """What `read_manifest` reads back."""
        return {
            "format": FORMAT,
            "store": self.owner.store,
            "collection": self.owner.collection,
            "info": self.info.to_json(),
            "logs": [asdict(log) for log in self.logs],
            "snapshots": [asdict(snapshot) for snapshot in self.snapshots],
            "closed": self.closed,
        }


def write_manifest(files: FileSystem, directory: str, manifest: Manifest) -> None:
    """Replace the manifest; see `write_whole`."""
    write_sealed(files, f"{directory}/{COLLECTION}", manifest.to_json())


def read_manifest(files: FileSystem, directory: str) -> Manifest:
    """The manifest; raises StorageCorruptedError, or ConfigurationError for another format."""
    path = f"{directory}/{COLLECTION}"
    stored = read_sealed(files, path)
    check_format(stored.get("format"), path)
    try:
        return Manifest(
            Owner(stored["store"], stored["collection"]),
            CollectionInfo.from_json(stored["info"]),
            tuple(LogEntry(**log) for log in stored["logs"]),
            tuple(SnapshotEntry(**snapshot) for snapshot in stored["snapshots"]),
            stored["closed"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StorageCorruptedError(
            f"{path} is not what vpa writes ({type(error).__name__}: {error}); {RESTORE}"
        ) from error


def check_format(version: object, path: str) -> None:
    """Raise ConfigurationError for a format that this version does not read."""
    if version == FORMAT:
        return
    if isinstance(version, int) and version > FORMAT:
        raise ConfigurationError(
            f"{path} has format {version}, this vpa knows format {FORMAT}; nothing was touched; upgrade vpa"
        )
    raise ConfigurationError(
        f"{path} has format {version or 'of an early development version'}, this vpa reads format {FORMAT} only; "
        "nothing was touched; export it with the version that wrote it (vpa export) and import the file here "
        "(vpa import)"
    )


def write_sealed(files: FileSystem, path: str, value: dict[str, Any]) -> None:
    """Write JSON with its checksum."""
    body = json.dumps(value, ensure_ascii=False, sort_keys=True)
    write_whole(files, path, [json.dumps({"checksum": zlib.crc32(body.encode()), "body": body}).encode()])


def read_sealed(files: FileSystem, path: str) -> dict[str, Any]:
    """What `write_sealed` wrote; raises StorageCorruptedError, or ConfigurationError for a file of an early format."""
    try:
        whole: Any = json.loads(bytes(files.read(path)))
        if isinstance(whole, dict) and "info" in whole and "body" not in whole:
            check_format(None, path)
        body = whole["body"]
        sound = zlib.crc32(body.encode()) == whole["checksum"]
        value: Any = json.loads(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageCorruptedError(f"{path} cannot be read ({type(error).__name__}: {error}); {RESTORE}") from error
    if not sound or not isinstance(value, dict):
        raise StorageCorruptedError(f"{path} does not have the checksum that it was written with; {RESTORE}")
    return value


@dataclass(frozen=True, slots=True)
class StoreFile:
    """What `store.json` says: the id of the store, and the id of each of its collections by name."""

    id: str
    collections: Mapping[str, str] = field(default_factory=dict)


def write_store(files: FileSystem, directory: str, store: StoreFile) -> None:
    """Replace `store.json`; see `write_whole`."""
    value = {"format": FORMAT, "store": store.id, "collections": dict(store.collections)}
    write_sealed(files, f"{directory}/{STORE}", value)


def read_store(files: FileSystem, directory: str) -> StoreFile | None:
    """Read `store.json`, None if there is none; raises as `read_manifest` does."""
    path = f"{directory}/{STORE}"
    if files.status(path) is None:
        return None
    stored = read_sealed(files, path)
    check_format(stored.get("format"), path)
    if not isinstance(stored.get("store"), str) or not isinstance(stored.get("collections"), dict):
        raise StorageCorruptedError(f"{path} names no store; {RESTORE}")
    return StoreFile(stored["store"], stored["collections"])


def find_store(files: FileSystem, directory: str) -> StoreFile | None:
    """The store in a directory, None where there is none yet.

    Raises ConfigurationError for another format, StorageCorruptedError for collections without a store file.
    """
    store = read_store(files, directory)
    if store is not None:
        return store
    for name in files.list_directory(f"{directory}/{COLLECTIONS}"):
        path = f"{directory}/{COLLECTIONS}/{name}"
        if files.status(f"{path}/{COLLECTION}") is None:
            continue
        with contextlib.suppress(StorageCorruptedError):
            read_manifest(files, path)
        raise StorageCorruptedError(
            f"{directory}/{STORE} is missing, and {path} holds a collection; nothing was touched; {RESTORE}"
        )
    return None


def manifest_of(files: FileSystem, path: str, name: str, store: StoreFile) -> Manifest:
    """The manifest of the collection in a directory; raises StorageCorruptedError where it is missing or of another."""
    if not files.is_directory(path):
        raise StorageCorruptedError(f"{path} is missing, and store.json names a collection {name!r}; {RESTORE}")
    if files.status(f"{path}/{COLLECTION}") is None:
        raise StorageCorruptedError(
            f"{path} holds no {COLLECTION}: it is no collection of this store, or was restored in part; nothing was "
            f"touched; move it away, {RESTORE}"
        )
    try:
        manifest = read_manifest(files, path)
    except OSError as error:
        raise StorageError(f"{path} could not be read ({error}); look at its permissions and at the disk") from error
    problem = _stranger(manifest, name, store)
    if problem is not None:
        raise StorageCorruptedError(
            f"{path} {problem}; nothing was touched; move it away, or copy its records with `vpa migrate`"
        )
    return manifest


def _stranger(manifest: Manifest, name: str, store: StoreFile) -> str | None:
    if manifest.owner.store != store.id:
        return f"belongs to another store ({manifest.owner.store})"
    if manifest.info.name != name:
        return f"is a copy of collection {manifest.info.name!r}"
    if store.collections.get(name, manifest.owner.collection) != manifest.owner.collection:
        return "is not the collection that store.json names: it was replaced by an older one of the same name"
    return None
