"""What is kept with a collection about its keyword index: which analyser made the terms, and how frequent they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordIndex:
    """The language whose words are searched for, and the version of the analyser: terms of another one differ."""

    language: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.language} {self.version}"

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, description: Mapping[str, Any] | None) -> KeywordIndex | None:
        """Read what `to_json` wrote; None for None."""
        return None if description is None else cls(language=description["language"], version=description["version"])


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSnapshot:
    """What keyword scores count with, as it was when a collection on another store was last looked through.

    `records` had any term, with `mean_length` terms on average; `table` is the packed table of how many of them had
    each of the most frequent terms (`vpa.analysis.statistics` reads it), `rest` how many had each of the others.
    `version` grows with each look, `total` is how many records there were.
    """

    version: int = 1
    records: int = 0
    mean_length: float = 0.0
    rest: int = 0
    total: int = 0
    table: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, description: Mapping[str, Any] | None) -> WordSnapshot | None:
        """Read what `to_json` wrote; None for None."""
        return None if description is None else cls(**description)
