"""LlamaIndex's queries as searches of a collection: its modes, and the results that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode, VectorStoreQueryResult

from vpa.base.errors import InvalidQueryError
from vpa.base.records import Match
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.words import SearchMode
from vpa.filters import Filter
from vpa.integrations.llamaindex_nodes import condition_of, node_of
from vpa.integrations.modes import DENSE, Comparison

# So many times the nodes that were asked for are looked at for diversity.
_PREFETCH: Final = 4
_MMR: Final = VectorStoreQueryMode.MMR.value
# SPARSE is TEXT_SEARCH, as for PostgreSQL in LlamaIndex: BM25 is what compares words here.
_MODES: Final[Mapping[str, SearchMode]] = {
    VectorStoreQueryMode.DEFAULT.value: "dense",
    _MMR: "dense",
    VectorStoreQueryMode.HYBRID.value: "hybrid",
    VectorStoreQueryMode.TEXT_SEARCH.value: "keyword",
    VectorStoreQueryMode.SPARSE.value: "keyword",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query that is checked. `top_k` nodes are returned of `depth` that are looked at."""

    comparison: Comparison
    vector: Any
    text: str | None
    condition: Filter
    top_k: int
    depth: int
    is_diverse: bool
    mmr_threshold: float | None

    @classmethod
    def of(cls, query: VectorStoreQuery, options: Mapping[str, Any]) -> Question:
        """Raises InvalidQueryError for a mode that vpa does not have, or a query that lacks what its mode compares."""
        mode = _mode_of(query)
        comparison = _comparison(mode, query, options)
        if comparison.needs_vector and query.query_embedding is None:
            raise InvalidQueryError(f"query mode {mode!r} needs a query_embedding, and has none")
        if comparison.needs_words and query.query_str is None:
            raise InvalidQueryError(f"query mode {mode!r} needs a query_str, and has none")
        top_k, depth = _sizes(comparison.mode, query)
        is_diverse = mode == _MMR
        if is_diverse:
            depth = max(top_k, int(top_k * options.get("mmr_prefetch_factor", _PREFETCH)))
        return cls(
            comparison=comparison,
            vector=query.query_embedding,
            text=query.query_str,
            # The retriever of an index writes an empty list for no restriction.
            condition=condition_of(query.filters, node_ids=query.node_ids or None, document_ids=query.doc_ids or None),
            top_k=top_k,
            depth=depth,
            is_diverse=is_diverse,
            mmr_threshold=options.get("mmr_threshold", query.mmr_threshold),
        )

    async def matches(self, collection: Collection, *, scope: Scope) -> Sequence[Match]:
        """`depth` matches, best first; with vectors where diversity is asked for."""
        return await self.comparison.search(
            collection,
            vector=self.vector,
            text=self.text,
            top_k=self.depth,
            filter=self.condition,
            include_vectors=self.is_diverse,
            scope=scope,
        )

    def result(self, matches: Sequence[Match]) -> VectorStoreQueryResult:
        """`top_k` of the matches as nodes, with vpa's scores as similarities."""
        chosen = self._diverse(matches) if self.is_diverse and matches else matches[: self.top_k]
        return VectorStoreQueryResult(
            nodes=[node_of(match) for match in chosen],
            similarities=[match.score for match in chosen],
            ids=[match.id for match in chosen],
        )

    def _diverse(self, matches: Sequence[Match]) -> list[Match]:
        _, positions = get_top_k_mmr_embeddings(
            self.vector,
            [np.asarray(match.vector).tolist() for match in matches],
            similarity_top_k=self.top_k,
            embedding_ids=list(range(len(matches))),
            mmr_threshold=self.mmr_threshold,
        )
        return [matches[position] for position in positions]


def _mode_of(query: VectorStoreQuery) -> str:
    mode = str(getattr(query.mode, "value", query.mode))
    if mode not in _MODES:
        raise InvalidQueryError(f"query mode {mode!r} is not one that vpa has: use {', '.join(_MODES)}")
    return mode


def _comparison(mode: str, query: VectorStoreQuery, options: Mapping[str, Any]) -> Comparison:
    compares = _MODES[mode]
    # LlamaIndex passes `alpha` with every mode, for hybrid ones to look at.
    return DENSE.with_options(compares, options.get("fusion"), alpha=query.alpha if compares == "hybrid" else None)


def _sizes(mode: SearchMode, query: VectorStoreQuery) -> tuple[int, int]:
    """How many nodes are returned, and how many are looked at at least."""
    top_k = max(1, query.similarity_top_k)
    if mode == "keyword":
        size = query.sparse_top_k or top_k
        return size, size
    if mode == "hybrid":
        size = query.hybrid_top_k or top_k
        return size, max(size, top_k, query.sparse_top_k or 1)
    return top_k, top_k
