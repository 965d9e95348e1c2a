"""Where the files of a ledger are, and whether they are deleted, or only out of sight as on a disk not mounted."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from vpa.ingest.finding import raw, readable
from vpa.rag.intake.ledger import Entry, Ledger


def path_of(entry: Entry, ledger: Ledger) -> str | None:
    """Where a file was; None where its folder is not known."""
    root = root_of(entry.name, ledger)
    if root is None:
        return None
    return way_to(entry.name[len(root) :].lstrip("/"), ledger.roots[root])


def name_of(path: str, ledger: Ledger) -> str | None:
    """What a file or folder is called that was ingested from this path; None where no folder around it is known."""
    real = os.path.realpath(path)
    names = {directory: name for name, directory in ledger.roots.items()}
    above = next((one for one in (real, *map(str, Path(real).parents)) if one in names), None)
    if above is None:
        return None
    way = "" if real == above else readable(os.path.relpath(real, above)).replace(os.sep, "/")
    return "/".join(filter(None, (names[above], way))) or None


def root_of(name: str, ledger: Ledger) -> str | None:
    """The name of the folder that a file was ingested with, the longest that fits; None where it is not known."""
    parts = name.split("/")
    names = ("/".join(parts[:count]) for count in range(len(parts) - 1, -1, -1))
    return next((root for root in names if root in ledger.roots), None)


def way_to(name: str, directory: str) -> str:
    """The path of a file by its way from a folder, as it is in the ledger."""
    return os.path.join(directory, *map(raw, name.split("/")))


def is_gone(path: str) -> bool:
    """Whether a file does not exist any more; not where that cannot be told, as in a folder that may not be read."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def is_no_file(path: str) -> bool:
    """Whether a file is gone, or a folder stands where it was."""
    try:
        return is_gone(path) or stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


@dataclass(slots=True)
class Sight:
    """Looks at the files of a ledger; at each folder once."""

    ledger: Ledger
    _hidden: dict[str, str] = field(default_factory=dict)

    def is_deleted(self, entry: Entry) -> bool:
        """Whether a file is not there, and not only out of sight. One whose folder is not known is not there."""
        path = path_of(entry, self.ledger)
        return path is None or (is_no_file(path) and not self.empty_folder_above(path))

    def empty_folder_above(self, path: str) -> str:
        """The folder that a missing file would be found below, if it is empty now: a disk may belong there."""
        folder = os.path.dirname(path)
        answer = self._hidden.get(folder)
        if answer is None:
            answer = self._hidden[folder] = self._empty(folder)
        return answer

    def _empty(self, folder: str) -> str:
        try:
            with os.scandir(folder) as entries:
                return "" if next(entries, None) else folder
        except (FileNotFoundError, NotADirectoryError):
            above = os.path.dirname(folder)
            return "" if above == folder else self.empty_folder_above(folder)
        except OSError:
            return folder
