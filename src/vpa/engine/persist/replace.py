"""Puts what was salvaged in the place of a damaged directory, which is set aside whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Final

from vpa.base.errors import VectorDatabaseError
from vpa.engine.persist.creation import begin
from vpa.engine.persist.files import FileSystem, write_whole
from vpa.engine.persist.journal import DurableJournal
from vpa.engine.persist.manifest import Manifest, StoreFile, new_id, read_manifest
from vpa.engine.persist.names import (
    COLLECTION,
    COLLECTIONS,
    CREATING,
    SALVAGED,
    SET_ASIDE,
    collection_path,
    entry_of,
    free_path,
    is_ours,
)
from vpa.engine.persist.recover import Recovery
from vpa.engine.persist.salvage import Salvaged

REMAINS: Final = "records-without-vectors.jsonl"


def replace_collection(
    files: FileSystem, directory: str, salvaged: Salvaged, *, store: StoreFile, random_bytes: Callable[[int], bytes]
) -> str:
    """Write the new directory, set the old one aside, rename the new one; returns where the old one is.

    It stays the collection that `store.json` names; one that was cut short is finished by `finish_replacements`.
    """
    name = salvaged.info.name
    building = f"{directory}/{COLLECTIONS}/{CREATING}{new_id(random_bytes)}"
    files.make_directory(building)
    known = store.collections.get(name)
    begin(files, building, salvaged.info, store=store.id, random_bytes=random_bytes, collection=known)
    recovery = Recovery(files, building, read_manifest(files, building))
    _, tail = recovery.run()
    journal = DurableJournal(salvaged.collection, recovery, tail, guard=lambda: None, random_bytes=random_bytes)
    salvaged.collection.writer.attach(journal)
    journal.checkpoint()
    journal.close()
    whole = f"{directory}/{COLLECTIONS}/{SALVAGED}{new_id(random_bytes)}"
    files.rename(building, whole)
    files.sync_directory(f"{directory}/{COLLECTIONS}")
    files.make_directory(f"{directory}/{SET_ASIDE}", parents=True)
    aside = free_path(files, f"{directory}/{SET_ASIDE}/{entry_of(name)}")
    files.rename(collection_path(directory, name), aside)
    if salvaged.remains:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in salvaged.remains)
        write_whole(files, f"{aside}/{REMAINS}", [lines.encode()])
    files.rename(whole, collection_path(directory, name))
    _remove_leftovers(files, directory, name, store.id)
    for path in (f"{directory}/{SET_ASIDE}", f"{directory}/{COLLECTIONS}", directory):
        files.sync_directory(path)
    return aside


def finish_replacements(files: FileSystem, directory: str, store: StoreFile, *, named: bool = True) -> None:
    """Put what was salvaged in its place where that is empty: the process ended before it could.

    Only for a collection that `store.json` still names, so that none comes back that was dropped; `named` False where
    that file cannot be read. Where the damaged directory still stands there, both stay: salvage can be run again.
    """
    base = f"{directory}/{COLLECTIONS}"
    for path, manifest in _salvaged(files, directory, store.id):
        name = manifest.info.name
        if named and store.collections.get(name) != manifest.owner.collection:
            continue
        if files.status(collection_path(directory, name)) is None:
            files.rename(path, collection_path(directory, name))
            files.sync_directory(base)


def _salvaged(files: FileSystem, directory: str, store: str) -> list[tuple[str, Manifest]]:
    """Directories of this store that wait for their place."""
    base, found = f"{directory}/{COLLECTIONS}", []
    for entry in files.list_directory(base) if files.is_directory(base) else ():
        if entry.startswith(SALVAGED):
            with contextlib.suppress(VectorDatabaseError, OSError):
                manifest = read_manifest(files, f"{base}/{entry}")
                if manifest.owner.store == store:
                    found.append((f"{base}/{entry}", manifest))
    return found


def _remove_leftovers(files: FileSystem, directory: str, name: str, store: str) -> None:
    """What earlier attempts left of the collection that is in its place now."""
    for path, manifest in _salvaged(files, directory, store):
        if manifest.info.name == name:
            for one in sorted(filter(is_ours, files.list_directory(path)), key=COLLECTION.__eq__):
                files.remove_file(f"{path}/{one}")
            files.remove_directory(path)
