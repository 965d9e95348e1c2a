"""What the files of a store are called, and which of them vpa wrote."""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import unquote

from vpa.base.names import is_collection_name
from vpa.engine.persist.files import TEMPORARY, FileSystem

STORE: Final = "store.json"
COLLECTION: Final = "collection.json"
COLLECTIONS: Final = "collections"
SET_ASIDE: Final = "set-aside"
CREATING: Final = ".creating-"
DROPPED: Final = ".dropped-"
SALVAGED: Final = ".salvaged-"
DAMAGED: Final = ".damaged"
_PLAIN: Final = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_LONGEST: Final = 200
_GENERATION: Final = re.compile(r"(snapshot|log)-(\d{8})\.vpa")
_OURS: Final = re.compile(r"collection\.json|(snapshot|log)-\d{8}\.vpa(\.damaged(-\d+)?)?|log-\d{8}\.tail-\d+(-\d+)?")


def collection_path(directory: str, name: str) -> str:
    """Where a collection of the store in `directory` is."""
    return f"{directory}/{COLLECTIONS}/{entry_of(name)}"


def entry_of(name: str) -> str:
    """A collection's name as one of a directory, on file systems too that do not tell cases apart.

    Names of small letters, digits, `_` and `-` are themselves; of others each other byte is `%xx`. One that becomes
    too long in this way is written in base 32 behind `=`.
    """
    if _PLAIN.fullmatch(name):
        return name
    spelled = "".join(chr(byte) if chr(byte) in _LETTERS else f"%{byte:02x}" for byte in name.encode())
    if not spelled.startswith("-") and len(spelled) <= _LONGEST:
        return spelled
    return "=" + base64.b32encode(name.encode()).decode().rstrip("=").lower()


def name_of_entry(entry: str) -> str | None:
    """The name that `entry_of` was given; None for a directory that is no collection's."""
    try:
        if entry.startswith("="):
            body = entry[1:].upper()
            name = base64.b32decode(body + "=" * (-len(body) % 8)).decode()
        else:
            name = unquote(entry, errors="strict")
    except ValueError:
        return None
    return name if is_collection_name(name) and entry_of(name) == entry else None


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
