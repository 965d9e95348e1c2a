"""The first files of a collection."""

from __future__ import annotations

from collections.abc import Callable

from vpa.base.records import CollectionInfo
from vpa.engine.persist.files import FileSystem
from vpa.engine.persist.frames import LogHeader
from vpa.engine.persist.manifest import Manifest, Owner, new_id, write_manifest
from vpa.engine.persist.names import log_path
from vpa.engine.persist.wal import Log


def begin(
    files: FileSystem,
    directory: str,
    info: CollectionInfo,
    *,
    store: str,
    random_bytes: Callable[[int], bytes],
    collection: str | None = None,
) -> None:
    """Write the first log and the manifest of a collection, by default a new one, into an empty directory."""
    owner = Owner(store, collection or new_id(random_bytes))
    header = LogHeader(owner, 0, new_id(random_bytes), first=1, previous=None, info=info.to_json())
    log = Log.create(files, log_path(directory, 0), header, still_there=lambda _: None)
    log.close()
    write_manifest(files, directory, Manifest(owner, info, (log.entry(sealed=False),)))
