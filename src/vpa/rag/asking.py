"""What a search asks for, and the checks of it that are of no other module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from vpa.base.errors import InvalidQueryError
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.client.words import SearchMode, check_question
from vpa.rag.widening import Widen
from vpa.retrieval.boosts import Recency
from vpa.retrieval.choice import DOCUMENT
from vpa.retrieval.fusion import Fusion
from vpa.retrieval.identity import Identity
from vpa.retrieval.rerank import DEPTH, SECONDS, FunctionReranker, Reranker

GroupBy: TypeAlias = Literal["document"] | None
# Earlier turns of a conversation that are looked at.
EARLIER_TURNS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions:
    """What a search asks for; part of the cache key. `mode` None: hybrid where the collection has a keyword index."""

    top_k: int
    score_threshold: float | None
    group_by: GroupBy
    exact: bool
    scope: Scope
    mode: SearchMode | None = None
    fusion: Fusion = Fusion()
    boosts: tuple[tuple[str, float], ...] = ()
    recency: Recency | None = None
    at_most: tuple[tuple[str, int], ...] = ()
    widen: Widen = 0
    diversity: float = 0.0
    temperature: float = 0.0
    seed: int | None = None
    rerank: Reranker | None = None
    rerank_depth: int = DEPTH
    rerank_weight: float | None = None
    rerank_seconds: float = SECONDS
    expand: Any = None
    history: tuple[str, ...] = ()
    language: str = "english"

    @property
    def limits(self) -> tuple[tuple[str, int], ...]:
        """`at_most`, with grouping as one of them."""
        return (*self.at_most, (DOCUMENT, 1)) if self.group_by else self.at_most

    @property
    def key(self) -> tuple[object, ...]:
        """What tells one search from another; a mapping by its items, a function by itself."""
        expand = self.expand
        if isinstance(expand, Mapping):
            expand = tuple((word, tuple(others)) for word, others in expand.items())
        elif callable(expand):
            expand = Identity(expand)
        # A reranker of the caller's may be a value that cannot be hashed.
        rerank = self.rerank if isinstance(self.rerank, FunctionReranker) else Identity(self.rerank)
        return (replace(self, expand=None, rerank=None), expand, rerank)

    @property
    def is_reordered(self) -> bool:
        """Whether steps after fusion may bring other candidates forward."""
        steps = (self.boosts, self.recency, self.rerank, self.expand, self.limits, self.diversity, self.temperature)
        return any(steps)

    @property
    def is_repeatable(self) -> bool:
        """Whether the same search, over the same records, has the same answer."""
        return not self.temperature or self.seed is not None


def check_history(history: Any) -> tuple[str, ...]:
    """The earlier turns that are looked at, those that say something; raises InvalidQueryError for what is no list of
    strings, or no text.
    """
    is_list = isinstance(history, Sequence) and not isinstance(history, str)
    if not is_list or not all(isinstance(turn, str) for turn in history):
        raise InvalidQueryError(f"history is a list of strings, the latest last, not {shown(history)}")
    # What is not looked at tells no search from another.
    latest = [turn for turn in history if turn.strip()][-EARLIER_TURNS:]
    return tuple(check_question(turn, name="an earlier turn of history") for turn in latest)


def check_group_by(group_by: object) -> GroupBy:
    """Return it, or raise InvalidQueryError."""
    if group_by is None or group_by == "document":
        return group_by
    raise InvalidQueryError(f"group_by is None or 'document', not {shown(group_by)}")
