"""Which files are read: what is new or changed, what failed before where that is asked for, what has a newer reader."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from vpa.ingest.finding import FoundFile
from vpa.ingest.formats import FORMATS
from vpa.rag.intake.ledger import Entry, Ledger
from vpa.rag.intake.sight import Sight

Decision: TypeAlias = Literal["read", "unchanged", "failed", "skipped", "pass"]
_READERS: Final = "; "


@dataclass(slots=True)
class Deciding:
    """Compares files with the ledger. A file of the same size and time of change is taken for the same, unless
    documents of it were `lost`. `again`: all are read.
    """

    ledger: Ledger
    only_failed: bool = False
    again: bool = False
    lost: set[str] = field(default_factory=set)
    _same: dict[tuple[int, str], list[Entry]] | None = None
    _parsers: dict[str, bool] = field(default_factory=dict)
    sight: Sight = field(init=False)

    def __post_init__(self) -> None:
        self.sight = Sight(self.ledger)

    def about(self, file: FoundFile, name: str) -> Decision:
        """What to do with a file; "failed" and "skipped" say that it was tried as it is, "pass" leaves it alone."""
        known = self.ledger.entries.get(name)
        if self.only_failed:
            return "read" if known is not None and (known.state == "failed" or _is_mendable(known)) else "pass"
        if (
            self.again
            or known is None
            or (known.size, known.mtime_ns, known.ctime_ns) != (file.size, file.mtime_ns, file.ctime_ns)
        ):
            return "read"
        if not self._is_of_today(known.parser) or name in self.lost:
            return "read"
        return "unchanged" if known.state == "read" else "failed" if known.state == "failed" else "skipped"

    def is_current(self, known: Entry | None) -> bool:
        """Whether a file was read before, by the readers of today: then the same bytes need no reading."""
        if self.again or known is None or known.state != "read" or known.name in self.lost or _is_mendable(known):
            return False
        return self._is_of_today(known.parser)

    def _is_of_today(self, parser: str) -> bool:
        """Whether the readers are those of today; of another version they may make other text of the same file."""
        current = self._parsers.get(parser)
        if current is None:
            today = {one.parser for one in FORMATS.values()}
            current = self._parsers[parser] = all(one in today for one in parser.split(_READERS) if one)
        return current

    def moved_from(self, size: int, digest: str) -> Entry | None:
        """The file that a new one was, if its bytes are known under a name that is gone; each is told once."""
        if self._same is None:
            self._same = defaultdict(list)
            for entry in self.ledger.entries.values():
                if entry.state == "read":
                    self._same[entry.size, entry.digest].append(entry)
        # Each is looked at once: one that is there stays there, one that is gone is taken.
        candidates = self._same.get((size, digest), [])
        while candidates:
            entry = candidates.pop()
            if entry.name in self.ledger.entries and self.sight.is_deleted(entry):
                return entry
        return None


def _is_mendable(known: Entry) -> bool:
    """Whether a file was read, and more of it could be when something else is there, such as a program for OCR."""
    return known.state == "read" and bool(known.reason)
