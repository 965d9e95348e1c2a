"""Takes out the documents of files that are gone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Final

from vpa.base.scope import Scope
from vpa.rag.chunks import of_files
from vpa.rag.intake.ledger import Entry, Ledger
from vpa.rag.intake.naming import is_no_file, path_of
from vpa.rag.intake.report import FileRemark, FilesReport

_TOGETHER: Final = 100
_NAMED: Final = 1000
_SHOWN: Final = 3


async def remove_gone(ledger: Ledger, paths: Sequence[str], *, scope: Scope, report: FilesReport, dry_run: bool) -> int:
    """How many files were removed, or would be: those under `paths` that the ledger knows and that exist no more.

    Of a folder that does not exist, or that is empty now, nothing is removed: it may be a disk that is not mounted.
    """
    gone: list[str] = []
    for path in dict.fromkeys(map(os.path.realpath, paths)):
        known = list(_under(path, ledger))
        missing = [entry.name for entry, place in known if is_no_file(place)]
        if not os.path.isdir(path) or (missing and not _holds_any(path)):
            if missing:
                report.notes.append(
                    FileRemark(
                        path,
                        f"is not there or empty, so the documents of its {len(missing)} files were not removed; "
                        "vpa forget removes them",
                    )
                )
            continue
        gone += missing
    report.removed_files = gone[:_NAMED]
    if dry_run:
        return len(gone)
    for start in range(0, len(gone), _TOGETHER):
        names = gone[start : start + _TOGETHER]
        await ledger.collection.delete(filter=of_files(names), scope=scope)
        for name in names:
            ledger.remove(name)
    await ledger.save()
    return len(gone)


def note_left_out(ledger: Ledger, paths: Sequence[str], *, seen: Set[int], report: FilesReport) -> None:
    """Say how many files are still known that exist and are left out now, as they are ignored or excluded."""
    left = [
        entry.name
        for path in dict.fromkeys(map(os.path.realpath, paths))
        for entry, place in _under(path, ledger)
        if entry.documents and hash(entry.name) not in seen and os.path.isfile(place)
    ]
    if left:
        some = ", ".join(left[:_SHOWN]) + (" …" if len(left) > _SHOWN else "")
        message = f"{len(left)} files that are ignored, hidden or excluded now keep their documents ({some})"
        report.notes.append(FileRemark(paths[0], f"{message}; vpa forget --source NAME removes them"))


def _under(path: str, ledger: Ledger) -> Iterator[tuple[Entry, str]]:
    for entry in list(ledger.entries.values()):
        place = path_of(entry, ledger)
        if place is not None and Path(place).is_relative_to(path):
            yield entry, place


def _holds_any(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
