"""What a file is called: the folder that was named, and the way inside it, whatever directory the program runs in.

A file keeps its name however its path is spelled, when a folder around it is named later, and when its folder moves. A
file that was named itself is called by its own name alone. Two folders of one name are told apart by the folder above.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final

from vpa.base.ids import MAX_DOCUMENT_ID_BYTES
from vpa.ingest.finding import FoundFile, readable
from vpa.rag.intake.ledger import Entry, Ledger
from vpa.rag.intake.sight import is_gone, way_to

_DIGEST: Final = 8
_SAMPLE: Final = 200


class Names:
    """Names of files of one collection and scope; notes new folders in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._roots = {directory: name for name, directory in ledger.roots.items()}
        self._known: dict[str, str] = {}

    def of(self, file: FoundFile) -> str:
        """The name of a file, the same as at its last reading."""
        directory = os.path.dirname(file.path)
        prefix = self._known.get(directory)
        if prefix is None:
            prefix = self._known[directory] = self._prefix_of(directory, file)
        name = readable(os.path.basename(file.path))
        return f"{prefix}/{name}" if prefix else name

    def _prefix_of(self, directory: str, file: FoundFile) -> str:
        way = os.path.relpath(directory, file.root)
        if os.path.realpath(directory) == os.path.normpath(os.path.join(os.path.realpath(file.root), way)):
            return self._prefix(directory, file)
        # Through a link it is called as it was found, wherever the link leads.
        return "/".join(filter(None, (self._prefix(file.root, file), readable(way).replace(os.sep, "/"))))

    def _prefix(self, directory: str, file: FoundFile) -> str:
        """The name of the innermost known folder around a directory, and the way from there."""
        real = os.path.realpath(directory)
        above = next((one for one in (real, *map(str, Path(real).parents)) if one in self._roots), None)
        if above is None:
            above = os.path.realpath(file.root)
            self._note(self._new_root(file.root, is_file=file.is_named), above)
        prefix = self._joined(above, real)
        if self._belongs_elsewhere(prefix, root=self._roots[above]):
            # The way from there is the name of another folder: this one gets a name of its own.
            self._note(self._new_root(directory, is_file=False), real)
            prefix = self._roots[real]
        return prefix

    def _note(self, name: str, directory: str) -> None:
        self._roots[directory] = name
        self._ledger.name_root(name, directory)

    def _joined(self, above: str, directory: str) -> str:
        way = readable(os.path.relpath(directory, above)).replace(os.sep, "/")
        return "/".join(part for part in (self._roots[above], "" if way == "." else way) if part)

    def _belongs_elsewhere(self, prefix: str, *, root: str) -> bool:
        """Whether a longer name of another folder is the beginning of this one."""
        parts = prefix.split("/")
        starts = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        return any(start in self._ledger.roots and len(start) > len(root) for start in starts)

    def _new_root(self, directory: str, *, is_file: bool) -> str:
        return next(name for name in self._candidates(directory, is_file=is_file) if self._is_free(name, directory))

    @staticmethod
    def _candidates(directory: str, *, is_file: bool) -> Iterator[str]:
        parts = [readable(part) for part in Path(directory).parts if part != os.sep]
        if is_file:
            yield ""
        for count in range(1, len(parts) + 1):
            yield "/".join(parts[-count:])
        digest = blake2b(os.fsencode(directory), digest_size=_DIGEST).hexdigest()
        yield f"{parts[-1] if parts else 'root'}~{digest}"

    def _is_free(self, name: str, directory: str) -> bool:
        """A folder that moved takes its name along: where the old one is gone, and its files are in the new one."""
        known = self._ledger.roots.get(name)
        if known is not None:
            return known == os.path.realpath(directory) or (
                is_gone(known) and self._holds_files_of(name, directory, was=known)
            )
        return not name or not any(entry.startswith(f"{name}/") for entry in self._ledger.entries)

    def _holds_files_of(self, root: str, directory: str, *, was: str) -> bool:
        """Whether most of the files that a name stands for are there, as large as they were; all of them where the
        old folder may be on a disk that is not mounted, since what is missing here is not gone then.
        """
        start = f"{root}/" if root else ""
        entries = (entry for name, entry in self._ledger.entries.items() if name.startswith(start))
        is_deleted = _has_entries(os.path.dirname(was))
        looked_at = list(islice(entries, _SAMPLE)) if is_deleted else list(entries)
        same = sum(_is_same(entry, way_to(entry.name.removeprefix(start), directory)) for entry in looked_at)
        return 2 * same >= len(looked_at) if is_deleted else same == len(looked_at)


def _is_same(entry: Entry, path: str) -> bool:
    try:
        return os.stat(path).st_size == entry.size
    except (OSError, ValueError):
        return False


def _has_entries(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def document_id(name: str, *, inner: str = "", key: str = "") -> str:
    """The id of a document in a file: the file's name, the way inside it, and the document's key, with `#` before it.

    One that is too long keeps its end, behind a hash of all of it.
    """
    whole = name + (f"/{inner}" if inner else "") + (f"#{key}" if key else "")
    data = whole.encode()
    if len(data) <= MAX_DOCUMENT_ID_BYTES:
        return whole
    digest = blake2b(data, digest_size=_DIGEST).hexdigest()
    end = data[-(MAX_DOCUMENT_ID_BYTES - 3 * _DIGEST) :].decode("utf-8", "ignore")
    return f"{digest}~{end}"
