"""Puts what was salvaged in the place of a damaged directory, which is set aside whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from vpa.engine.persist.files import FileSystem, write_whole
from vpa.engine.persist.journal import DurableJournal, begin
from vpa.engine.persist.manifest import new_id, read_manifest
from vpa.engine.persist.names import COLLECTIONS, CREATING, SET_ASIDE, free_path
from vpa.engine.persist.recover import Recovery
from vpa.engine.persist.salvage import Salvaged

REMAINS: Final = "records-without-vectors.jsonl"


def replace_collection(
    files: FileSystem, directory: str, salvaged: Salvaged, *, store: str, random_bytes: Callable[[int], bytes]
) -> str:
    """Write the new directory, set the old one aside, rename the new one; returns where the old one is."""
    name = salvaged.info.name
    building = f"{directory}/{COLLECTIONS}/{CREATING}{new_id(random_bytes)}"
    files.make_directory(building)
    begin(files, building, salvaged.info, store=store, random_bytes=random_bytes)
    recovery = Recovery(files, building, read_manifest(files, building))
    _, tail = recovery.run()
    journal = DurableJournal(salvaged.collection, recovery, tail, guard=lambda: None, random_bytes=random_bytes)
    salvaged.collection.writer.attach(journal)
    journal.checkpoint()
    journal.close()
    files.make_directory(f"{directory}/{SET_ASIDE}", parents=True)
    aside = free_path(files, f"{directory}/{SET_ASIDE}/{name}")
    files.rename(f"{directory}/{COLLECTIONS}/{name}", aside)
    if salvaged.remains:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in salvaged.remains)
        write_whole(files, f"{aside}/{REMAINS}", [lines.encode()])
    files.rename(building, f"{directory}/{COLLECTIONS}/{name}")
    for path in (f"{directory}/{SET_ASIDE}", f"{directory}/{COLLECTIONS}", directory):
        files.sync_directory(path)
    return aside
