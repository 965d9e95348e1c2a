"""A backup of the embedded store's directory, also while another process writes to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vpa.base.arguments import explained
from vpa.client.arguments import check_directory
from vpa.config.store_url import absolute_path
from vpa.engine.persist.backup import Copied, copy_store


@dataclass(frozen=True, slots=True)
class Backup:
    """Where the copy is, and what is in it, by collection."""

    path: str
    collections: Mapping[str, Copied]

    @property
    def records(self) -> int:
        """Records in all collections of the copy."""
        return sum(one.records for one in self.collections.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of all files of the copy."""
        return sum(one.size_bytes for one in self.collections.values())


@explained
async def backup(source: str | Path, target: str | Path) -> Backup:
    """Copy the store in directory `source` to a new directory `target`, read it back and verify it.

    Needs no lock: the process that writes goes on. To restore, open the copy, or put it in the place of the original.
    Raises StorageError where `target` exists or `source` holds no store, StorageCorruptedError for damage,
    ConfigurationError for what is no path.
    """
    origin = absolute_path(check_directory(source, function="backup", argument="source"))
    place = absolute_path(check_directory(target, function="backup", argument="target"))
    return Backup(place, await asyncio.to_thread(copy_store, origin, place))
