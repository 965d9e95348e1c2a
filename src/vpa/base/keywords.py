"""Which analyser made the terms of a collection: kept with it, as the identity of its model is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
