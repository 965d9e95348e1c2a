"""The verbs that compare words, by themselves or beside vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import parse_language
from vpa.base.arrays import FloatMatrix
from vpa.base.errors import ConfigurationError, InvalidQueryError
from vpa.base.metadata import ValueRuleError, check_text
from vpa.base.query import check_number, check_top_k
from vpa.base.records import Matches
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.base.validation import check_query_vectors
from vpa.client import residual
from vpa.client.embedding import embedder_of
from vpa.client.located import Located, located
from vpa.client.unknown import foresee, tell_empty
from vpa.client.validating import checked_filter
from vpa.client.words import (
    FUSED_DEPTH,
    SearchMode,
    check_question,
    no_keywords,
    no_sparse,
    only_stop_words,
    terms_of,
    why_no_words,
)
from vpa.filters import FilterLike
from vpa.retrieval.fusion import FusedChoice, Fusion, FusionName, parse_fusion
from vpa.stores.answers import Candidates
from vpa.stores.requests import DescribeCollection, SearchWords, SetKeywords

# Of a term: beyond what any question repeats, and far from where scores overflow.
_GREATEST_WEIGHT: Final = 1e6


class WordVerbs(Located):
    """Keyword search, and what hybrid search is made of."""

    def _means_words(self, vector: ArrayLike | None, text: str | None, mode: SearchMode | None) -> bool:
        """Whether words are compared: as `mode` says, or else where there is an index of them and a vector beside the
        text, or no embedder for it.
        """
        if mode is not None:
            return mode != "dense"
        if text is None or isinstance(vector, str) or self._bound().info.keywords is None:
            return False
        return vector is not None or self._model() is None

    @property
    def why_no_words(self) -> ConfigurationError | None:
        """What a search for words would raise here, as far as is known without asking the store; None for nothing."""
        bound = self._bound()
        return why_no_words(bound.info, bound.store)

    async def _by_words(
        self,
        vector: ArrayLike | None,
        text: str | None,
        *,
        mode: SearchMode | None,
        fusion: Fusion | FusionName | None,
        template: SearchWords,
    ) -> Matches:
        """`template`: everything that is asked for but the terms and the vector; it may have a sparse vector."""
        by_text = template.sparse is None
        if (by_text and text is None) or isinstance(vector, str):
            raise InvalidQueryError(f"mode={mode!r} looks for words: give them by name, text=…")
        hybrid = mode == "hybrid" or vector is not None
        if hybrid and mode == "keyword":
            raise InvalidQueryError("mode='keyword' compares words only; leave the vector out, or use mode='hybrid'")
        if fusion is not None and not hybrid:
            only = "words" if by_text else "a sparse vector"
            raise InvalidQueryError(f"fusion is for mode='hybrid', and this search looks for {only} only")
        method = Fusion() if fusion is None else parse_fusion(fusion)
        if text is not None:
            template = replace(template, terms=await self.query_terms(text))
        if hybrid:
            query = vector if vector is not None else (await self._embedded_queries([text or ""]))[0]
            return await self._hybrid(query, template, fusion=method)
        if text is not None and not template.terms:
            raise only_stop_words(text, self._bound().info)
        return (await self._candidates(template)).matches

    async def _hybrid(self, vector: ArrayLike, template: SearchWords, *, fusion: Fusion) -> Matches:
        choice = FusedChoice(fusion, keep=template.top_k, threshold=template.score_threshold)
        request = replace(
            template,
            vector=check_query_vectors(vector, info=self._bound().info, dimensions=1)[0],
            top_k=max(FUSED_DEPTH, template.top_k),
            score_threshold=None,
            select=choice,
        )
        matches = (await self._candidates(request)).matches
        fused = [replace(match, score=score) for match, score in zip(matches, choice.scores.tolist(), strict=True)]
        fused.sort(key=lambda match: (-match.score, match.id))
        return replace(matches, items=tuple(fused[: template.top_k]))

    @located
    async def candidates(
        self,
        vector: ArrayLike | None = None,
        *,
        text: str | None = None,
        terms: Mapping[str, float] | None = None,
        depth: int = FUSED_DEPTH,
        select: FusedChoice | None = None,
        filter: FilterLike = None,
        include_vectors: bool = False,
        exact: bool = False,
        scope: Scope | None = None,
    ) -> Candidates:
        """Both scores of whatever is among the `depth` best by vector or by words, for a fusion of one's own.

        The matches stand in no order; `score` is that by vector, `words` has those by BM25. Without a vector the best
        by words alone, best first. In place of a text `terms` may be given, as `query_terms` makes them, with what each
        weighs. `select` leaves candidates out before their records are read. Raises as `search` does.
        """
        if (text is None) == (terms is None):
            raise InvalidQueryError("candidates takes exactly one of text= and terms=")
        info = self._bound().info
        return await self._candidates(
            SearchWords(
                terms=await self.query_terms(text) if text is not None else _checked_terms(terms),
                vector=None if vector is None else check_query_vectors(vector, info=info, dimensions=1)[0],
                top_k=check_top_k(depth, name="depth"),
                select=None if vector is None else select,
                include_vectors=include_vectors,
                exact=exact,
                scope=self._single_scope(scope),
                filter=await checked_filter(filter),
            )
        )

    @located
    async def query_terms(self, text: str) -> Counter[str]:
        """What a keyword search of this collection looks for in a text: terms, with how often each stands in it.

        Raises InvalidQueryError, and ConfigurationError where there is no keyword index.
        """
        bound = self._bound()
        await self._check_keywords()
        return terms_of(check_question(text), bound.info, bound.store)

    async def _check_keywords(self) -> None:
        """Raise ConfigurationError where there is no keyword index; one that others made since is taken up."""
        bound = self._bound()
        await bound.check_identity()
        if bound.store.capabilities.keywords and why_no_words(bound.info, bound.store) is not None:
            request = DescribeCollection(bound.info.name)
            info = await bound.run(request, lambda: bound.store.describe_collection(request.name))
            if info is not None:
                bound.note_words(info)
        if bound.info.keywords is None:
            raise no_keywords(bound.info, bound.store)

    async def _check_sparse(self) -> None:
        bound = self._bound()
        await bound.check_identity()
        if not bound.info.sparse:
            raise no_sparse(bound.info, bound.store)

    async def _candidates(self, request: SearchWords) -> Candidates:
        bound = self._bound()
        if request.sparse is None:
            await self._check_keywords()
        else:
            await self._check_sparse()
        if request.vector is not None and bound.awaits_measure:
            request = replace(request, exact=True)
        if bound.census is not None and request.sparse is None:
            await bound.census.ready()
        started = bound.clock.monotonic()
        answer = await bound.run(request, lambda: residual.search_words(bound.store, bound.info, request))
        time_s = bound.clock.monotonic() - started
        unknown = await foresee(bound, request)
        if not answer.matches:
            unknown = await tell_empty(bound, request.filter, scope=request.scope)
        usage = replace(answer.matches.usage, time_s=time_s, unknown_fields=unknown)
        return replace(answer, matches=replace(answer.matches, usage=usage))

    @located
    async def create_keyword_index(self, language: str = "english") -> None:
        """Take in the words of every text for `search(text=…, mode="keyword")`; anew where they are taken in already.

        `language`: a name or an ISO 639-1 code, see `vpa.analysis.languages.LANGUAGES`; "none" neither stems nor leaves
        out stop words. Raises ConfigurationError.
        """
        bound = self._bound()
        if not bound.store.capabilities.keywords:
            raise no_keywords(bound.info, bound.store)
        request = SetKeywords(bound.info.name, analyser_of(parse_language(language)).identity)
        bound.info = await bound.run(request, lambda: bound.store.set_keywords(request.name, request.keywords))
        if bound.census is not None:
            await bound.census.take()

    async def _embedded_queries(self, texts: list[str]) -> FloatMatrix:
        """`(m, d) float32`; every text is checked before any is embedded."""
        embedder = embedder_of(self._model(), self._bound().info, verb="search")
        for text in texts:
            check_question(text)
        if not texts:
            return np.empty((0, self._bound().info.dimension), dtype=np.float32)
        return await embedder.queries(texts)


def _checked_terms(terms: Mapping[str, float] | None) -> Mapping[str, float]:
    if not isinstance(terms, Mapping):
        raise InvalidQueryError(f"terms maps strings to numbers, as query_terms does, not {shown(terms)}")
    for term, weight in terms.items():
        if not isinstance(term, str) or not term or isinstance(weight, bool) or not isinstance(weight, int | float):
            raise InvalidQueryError(f"terms maps strings to numbers, not {shown(term)} to {shown(weight)}")
        try:
            check_text(term)
        except ValueRuleError as error:
            raise InvalidQueryError(f"the term {shown(term)} {error}") from None
        check_number(f"the weight of the term {term!r}", weight, most=_GREATEST_WEIGHT)
    return terms
