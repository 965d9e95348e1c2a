"""What a search of an adapter compares: vectors, words, or both; one meaning for every framework's names of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from vpa.base.errors import InvalidQueryError
from vpa.base.query import check_number, check_threshold
from vpa.base.records import Match
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.words import SearchMode, check_mode
from vpa.filters import FilterLike
from vpa.retrieval.fusion import Fusion, FusionName, parse_fusion

# Of the keyword index of a new collection where a mode was named and no language; also that of documents.
DEFAULT_LANGUAGE: Final = "english"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A mode, and how two scores become one where it is hybrid."""

    mode: SearchMode = "dense"
    fusion: Fusion = Fusion()

    @property
    def needs_vector(self) -> bool:
        """Whether the question has to be embedded."""
        return self.mode != "keyword"

    @property
    def needs_words(self) -> bool:
        """Whether the question's text is looked at, and a keyword index needed."""
        return self.mode != "dense"

    @property
    def language_if_new(self) -> str | None:
        """The language of the keyword index of a collection that is made for such searches; None for no index."""
        return DEFAULT_LANGUAGE if self.needs_words else None

    def with_options(
        self, mode: SearchMode | None = None, fusion: Fusion | FusionName | None = None, *, alpha: float | None = None
    ) -> Comparison:
        """This one, but for what is named here. `alpha`: the weight of vectors, from 0 to 1; the rest is that of words.

        Raises InvalidQueryError, also for a fusion beside a mode that has nothing to fuse.
        """
        chosen = check_mode(mode) or self.mode
        if chosen != "hybrid" and (fusion is not None or alpha is not None):
            name = "fusion" if fusion is not None else "alpha"
            raise InvalidQueryError(f"{name} is for mode='hybrid', and this search has mode={chosen!r}")
        fused = self.fusion if fusion is None else parse_fusion(fusion)
        if alpha is not None:
            weight = check_number("alpha", alpha, most=1)
            fused = Fusion(method=fused.method, semantic_weight=weight, keyword_weight=1 - weight)
        return Comparison(mode=chosen, fusion=fused)

    async def search(
        self,
        collection: Collection,
        *,
        vector: ArrayLike | None,
        text: str | None,
        top_k: int,
        filter: FilterLike = None,
        score_threshold: float | None = None,
        include_vectors: bool = False,
        scope: Scope,
    ) -> Sequence[Match]:
        """The best matches by this comparison, best first; whichever of `vector` and `text` it does not need is unused.

        `score_threshold` is on the score that is returned, in every mode. Raises what `Collection.search` raises, thus
        ConfigurationError where there is no keyword index.
        """
        is_hybrid = self.mode == "hybrid"
        threshold = check_threshold(score_threshold)
        matches = await collection.search(
            vector if self.needs_vector else None,
            text=text if self.needs_words else None,
            mode=self.mode,
            fusion=self.fusion if is_hybrid else None,
            top_k=top_k,
            filter=filter,
            score_threshold=None if is_hybrid else threshold,
            include_vectors=include_vectors,
            scope=scope,
        )
        if not is_hybrid or threshold is None:
            return matches
        return [match for match in matches if match.score >= threshold]


DENSE: Final = Comparison()


def in_unit_range(score: float, *, mode: SearchMode = "dense") -> float:
    """From 0 to 1, in the same order. vpa's scores are so already but for opposite and long vectors, which are cut;
    BM25, which has no upper bound, becomes s / (1 + s).
    """
    if mode == "keyword":
        return max(0.0, score) / (1 + max(0.0, score))
    return min(1.0, max(0.0, score))
