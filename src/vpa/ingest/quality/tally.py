"""What is doubtful about the documents of one run, together: counts of flags, languages, and texts that occur again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# Documents whose text is remembered for comparison; some 40 MB.
_COMPARED: Final = 50_000
_NAMED: Final = 1000


@dataclass(slots=True)
class QualityTally:
    """Documents in the order in which they were read; of two that are alike the later one is flagged."""

    flags: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)
    _first: list[str] = field(default_factory=list)
    _digests: dict[str, int] = field(default_factory=dict)
    _bands: dict[str, int] = field(default_factory=dict)

    def add(self, document_id: str, *, flags: Sequence[str], facts: Mapping[str, Any]) -> list[str]:
        """Count a document; returns its flags, with "duplicate" or "near_duplicate" where another one says the same."""
        own = [*flags]
        same, kind = self._alike(document_id, str(facts.get("digest") or ""), facts.get("sketch") or ())
        if kind:
            own.append(kind)
        self.languages[str(facts.get("language") or "unknown")] += 1
        for flag in own:
            self.flags[flag] += 1
            names = self.named.setdefault(flag, [])
            if len(names) < _NAMED:
                names.append(f"{document_id} (as {same})" if flag == kind else document_id)
        return own

    def _alike(self, document_id: str, digest: str, sketch: Sequence[str]) -> tuple[str, str]:
        first = self._digests.get(digest)
        if first is not None:
            return self._first[first], "duplicate"
        near = next((self._bands[band] for band in self._keys(sketch) if band in self._bands), None)
        if len(self._first) < _COMPARED:
            self._first.append(document_id)
            self._digests[digest] = len(self._first) - 1
            for band in self._keys(sketch):
                self._bands.setdefault(band, len(self._first) - 1)
        return ("", "") if near is None else (self._first[near], "near_duplicate")

    @staticmethod
    def _keys(sketch: Sequence[str]) -> list[str]:
        return [f"{number}{band}" for number, band in enumerate(sketch)]

    def to_json(self) -> dict[str, Any]:
        """Counts of documents by flag and by language, and for each flag at most 1,000 documents that have it."""
        return {
            "flags": dict(self.flags.most_common()),
            "languages": dict(self.languages.most_common()),
            "documents": self.named,
        }
