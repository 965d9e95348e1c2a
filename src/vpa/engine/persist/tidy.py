"""What a writer does to a directory that it has just read: sets aside, names again, and removes what is superseded.

All of it can wait: on a full disk the collection is opened as it is.
"""

from __future__ import annotations

from dataclasses import replace
from errno import EDQUOT, ENOSPC, EROFS
from typing import Final

from vpa.engine.persist.files import HalfDoneError
from vpa.engine.persist.manifest import Manifest, write_manifest
from vpa.engine.persist.names import DAMAGED, free_path, log_path, snapshot_path, tail_path
from vpa.engine.persist.recover import Recovery, Tail

NO_ROOM: Final = (ENOSPC, EDQUOT, EROFS)


def tidy(recovery: Recovery) -> Manifest:
    """Keep what was read, set aside what was damaged, remove what is superseded; returns the new manifest."""
    try:
        return _tidy(recovery)
    except HalfDoneError:
        raise
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return recovery.manifest


def _tidy(recovery: Recovery) -> Manifest:
    files, directory, old = recovery.files, recovery.directory, recovery.manifest
    for path in recovery.foreign:
        if files.status(path) is not None:
            aside = free_path(files, path + DAMAGED)
            files.rename(path, aside)
            recovery.report.set_aside.append(aside)
    base = recovery.base
    from_generation = 0 if base is None else base.generation
    manifest = replace(
        old,
        logs=tuple(log for log in old.logs if log.generation >= from_generation),
        snapshots=() if base is None else (base,),
    )
    if manifest != old:
        write_manifest(files, directory, manifest)
    elif recovery.foreign:
        files.sync_directory(directory)
    gone = [log_path(directory, log.generation) for log in old.logs if log not in manifest.logs]
    gone += [snapshot_path(directory, one.generation) for one in old.snapshots if one.generation < from_generation]
    for path in [*gone, *recovery.leftovers]:
        files.remove_file(path)
    return manifest


def set_tail_aside(recovery: Recovery, tail: Tail, *, must: bool = False) -> Tail:
    """Copy the unfinished end of the last log to its own file, then cut it off; on a full disk only if it `must` be."""
    files, contents = recovery.files, tail.contents
    generation = recovery.manifest.logs[-1].generation
    path = log_path(recovery.directory, generation)
    try:
        aside = free_path(files, tail_path(recovery.directory, generation, contents.good_bytes))
        _copy_tail(recovery, path, aside, contents.good_bytes)
        file = files.open_append(path)
        try:
            file.truncate(contents.good_bytes)
            file.sync()
        finally:
            file.close()
    except OSError as error:
        if must or error.errno not in NO_ROOM:
            raise
        return tail
    recovery.report.set_aside.append(aside)
    return replace(tail, contents=replace(contents, torn_bytes=0, frames=[]))


def _copy_tail(recovery: Recovery, path: str, aside: str, start: int) -> None:
    files = recovery.files
    source = files.open_read(path)
    data = bytearray(source.size - start)
    source.read_at(start, memoryview(data))
    copy = files.open_append(aside)
    try:
        copy.write([bytes(data)])
        copy.sync()
    except OSError:
        files.remove_file(aside)
        raise
    finally:
        copy.close()
    files.sync_directory(recovery.directory)
