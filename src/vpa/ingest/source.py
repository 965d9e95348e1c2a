"""What a reader yields: documents, and problems with their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocument:
    """A document as a file has it; `origin` is `path` or `path:line`."""

    document_id: str
    title: str
    content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    format: str = "text"
    origin: str = ""


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """Why something in a file could not be read; `origin` is `path` or `path:line`."""

    origin: str
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


Item: TypeAlias = SourceDocument | SourceProblem


class Reader(Protocol):
    """Turns the bytes of one file format into documents."""

    def __call__(self, path: Path, *, name: str) -> Iterator[Item]:
        """Read a file; `name` is what to call it in ids and messages."""
        ...
