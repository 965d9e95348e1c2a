"""Takes out the documents of files that are gone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Final

from vpa.base.scope import Scope
from vpa.ingest.finding import readable
from vpa.rag.chunks import of_files
from vpa.rag.intake.ledger import Entry, Ledger
from vpa.rag.intake.report import FileRemark, FilesReport
from vpa.rag.intake.sight import Sight, is_no_file, path_of

_TOGETHER: Final = 100
_NAMED: Final = 1000
_SHOWN: Final = 3


async def remove_gone(ledger: Ledger, paths: Sequence[str], *, scope: Scope, report: FilesReport, dry_run: bool) -> int:
    """How many files were removed, or would be: those under `paths` that the ledger knows and that exist no more.

    Of a folder that was named and does not exist, and of any that is empty now, nothing is removed: it may be a disk
    that is not mounted.
    """
    gone: list[str] = []
    out_of_sight: Counter[str] = Counter()
    sight = Sight(ledger)
    for path in dict.fromkeys(map(os.path.realpath, paths)):
        for entry, place in _under(path, ledger):
            if is_no_file(place):
                folder = path if not os.path.isdir(path) else sight.empty_folder_above(place)
                if folder:
                    out_of_sight[folder] += 1
                else:
                    gone.append(entry.name)
    for folder, count in out_of_sight.items():
        message = f"is not there or empty, so the documents of its files ({count}) were not removed, as it may"
        report.notes.append(
            FileRemark(readable(folder), f"{message} be a disk that is not mounted; vpa forget --source removes them")
        )
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
        report.notes.append(FileRemark(readable(paths[0]), f"{message}; vpa forget --source NAME removes them"))


def _under(path: str, ledger: Ledger) -> Iterator[tuple[Entry, str]]:
    for entry in list(ledger.entries.values()):
        place = path_of(entry, ledger)
        if place is not None and Path(place).is_relative_to(path):
            yield entry, place
