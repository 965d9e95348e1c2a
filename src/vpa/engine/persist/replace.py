"""Puts what was salvaged in the place of a damaged directory, which is set aside whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from vpa.base.errors import VectorDatabaseError
from vpa.engine.persist.files import FileSystem, write_whole
from vpa.engine.persist.journal import DurableJournal, begin
from vpa.engine.persist.manifest import StoreFile, new_id, read_manifest
from vpa.engine.persist.names import COLLECTIONS, CREATING, SALVAGED, SET_ASIDE, free_path
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
    aside = free_path(files, f"{directory}/{SET_ASIDE}/{name}")
    files.rename(f"{directory}/{COLLECTIONS}/{name}", aside)
    if salvaged.remains:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in salvaged.remains)
        write_whole(files, f"{aside}/{REMAINS}", [lines.encode()])
    files.rename(whole, f"{directory}/{COLLECTIONS}/{name}")
    for path in (f"{directory}/{SET_ASIDE}", f"{directory}/{COLLECTIONS}", directory):
        files.sync_directory(path)
    return aside


def finish_replacements(files: FileSystem, directory: str, store: StoreFile) -> None:
    """Put what was salvaged in its place where that is empty: the process ended before it could.

    Where the damaged directory still stands there, both stay as they are: salvage can be run again.
    """
    base = f"{directory}/{COLLECTIONS}"
    for entry in files.list_directory(base) if files.is_directory(base) else ():
        if not entry.startswith(SALVAGED):
            continue
        try:
            manifest = read_manifest(files, f"{base}/{entry}")
        except VectorDatabaseError:
            continue
        name = manifest.info.name
        if manifest.owner.store == store.id and files.status(f"{base}/{name}") is None:
            files.rename(f"{base}/{entry}", f"{base}/{name}")
            files.sync_directory(base)
