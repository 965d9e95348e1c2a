"""What the steps of retrieval work on: a match with all that is known of it so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vpa.base.metadata import leaves
from vpa.base.records import Match


@dataclass(slots=True, eq=False)
class Candidate:
    """A match on its way to a result. `score` orders; `similarity` is that by vector, `words` that by words.

    `rank` is the one that it had before it was reranked, from 1, `dense_rank` and `keyword_rank` those by one score.
    `boosts`: by which factor its score was raised, by name; `parts`: what the reranker's score was made of.
    """

    match: Match
    score: float
    similarity: float | None = None
    words: float | None = None
    fused: float | None = None
    reranked: float | None = None
    rank: int = 0
    dense_rank: int | None = None
    keyword_rank: int | None = None
    boosts: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Its text; "" where it has none."""
        return self.match.text or ""

    @property
    def document(self) -> str:
        """The document that it is a chunk of, or its own id."""
        return str(self.match.system.get("document_id", self.match.id))


def ordered(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first, equal scores in id order."""
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.match.id))


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """As `ordered`; each is told its rank."""
    result = ordered(candidates)
    for rank, candidate in enumerate(result, 1):
        candidate.rank = rank
    return result


def newest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Without those of a document of which a newer version is among them."""
    versions: dict[str, Any] = {}
    for candidate in candidates:
        version = candidate.match.system.get("version") or 0
        versions[candidate.document] = max(versions.get(candidate.document, 0), version)
    return [one for one in candidates if (one.match.system.get("version") or 0) == versions[one.document]]


def values_at(metadata: Mapping[str, Any], path: str) -> list[Any]:
    """The values at a metadata path; none where there is no such field."""
    if path in metadata and not isinstance(metadata[path], dict | list):
        return [] if metadata[path] is None else [metadata[path]]
    return [value for found, values in leaves(metadata) if found == path for value in values if value is not None]
