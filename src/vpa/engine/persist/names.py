"""What the files of a store are called, and which of them vpa wrote."""

from __future__ import annotations

import re
from typing import Final

from vpa.engine.persist.files import TEMPORARY, FileSystem

STORE: Final = "store.json"
COLLECTION: Final = "collection.json"
COLLECTIONS: Final = "collections"
SET_ASIDE: Final = "set-aside"
CREATING: Final = ".creating-"
DROPPED: Final = ".dropped-"
SALVAGED: Final = ".salvaged-"
DAMAGED: Final = ".damaged"
_GENERATION: Final = re.compile(r"(snapshot|log)-(\d{8})\.vpa")
_OURS: Final = re.compile(r"collection\.json|(snapshot|log)-\d{8}\.vpa(\.damaged(-\d+)?)?|log-\d{8}\.tail-\d+(-\d+)?")


def log_path(directory: str, generation: int) -> str:
    """The log that follows snapshot `generation`."""
    return f"{directory}/log-{generation:08d}.vpa"


def snapshot_path(directory: str, generation: int) -> str:
    """The snapshot that holds everything in the logs before `generation`."""
    return f"{directory}/snapshot-{generation:08d}.vpa"


def tail_path(directory: str, generation: int, offset: int) -> str:
    """Where the unfinished end of a log goes that began at byte `offset`."""
    return f"{directory}/log-{generation:08d}.tail-{offset}"


def generations(names: list[str], kind: str) -> list[int]:
    """Numbers of the snapshots or logs among `names`, rising."""
    found = (_GENERATION.fullmatch(name) for name in names)
    return sorted(int(match[2]) for match in found if match is not None and match[1] == kind)


def is_ours(name: str) -> bool:
    """Whether vpa gives this name to a file of a collection."""
    return _OURS.fullmatch(name.removesuffix(TEMPORARY)) is not None


def is_temporary(name: str) -> bool:
    """Whether it is a file of ours that was being written."""
    return name.endswith(TEMPORARY) and is_ours(name)


def free_path(files: FileSystem, path: str) -> str:
    """`path`, or that with the first number behind it that is not taken: what was set aside is never overwritten."""
    number, candidate = 0, path
    while files.status(candidate) is not None:
        number += 1
        candidate = f"{path}-{number}"
    return candidate
