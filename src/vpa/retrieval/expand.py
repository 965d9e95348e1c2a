"""More than one way to ask: synonyms, words of the best answers so far, a rewriting of the caller's own."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vpa.analysis.analyser import Analyser
from vpa.analysis.segments import spans
from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown
from vpa.retrieval.passages import Passage, ranked

Rewriting: TypeAlias = "Callable[[str], Iterable[str] | Awaitable[Iterable[str]]]"
Expansion: TypeAlias = "Mapping[str, Sequence[str]] | Rewriting | str | None"
FEEDBACK: Final = "feedback"
# Each variant is a search of its own.
_MOST_VARIANTS: Final = 8
_RRF_K: Final = 60
# Feedback: passages that are believed, terms that are taken from them, and what all of these weigh beside the question
# (RM3, Abdul-Jaleel et al. 2004; the light setting of docs/retrieval.md).
BELIEVED: Final = 5
_NEW_TERMS: Final = 20
_NEW_WEIGHT: Final = 0.15


def check_expansion(expand: Any) -> None:
    """Raise InvalidQueryError for what is no expansion."""
    if expand is None or expand == FEEDBACK or callable(expand):
        return
    if not isinstance(expand, Mapping):
        raise InvalidQueryError(
            f"expand is 'feedback', a mapping of words to synonyms, or a function from a question to others, not "
            f"{shown(expand)}"
        )
    for word, synonyms in expand.items():
        if not isinstance(word, str) or isinstance(synonyms, str) or not isinstance(synonyms, Iterable):
            raise InvalidQueryError(f"expand maps a word to a list of words, not {shown(word)} to {shown(synonyms)}")


async def variants(question: str, expand: Expansion, analyser: Analyser) -> list[str]:
    """The question, and at most seven others that mean the same."""
    others: Iterable[str] = ()
    if isinstance(expand, Mapping):
        others = _with_synonyms(question, expand, analyser)
    elif callable(expand):
        answer = expand(question)
        others = await answer if inspect.isawaitable(answer) else answer
        if isinstance(others, str):
            others = [others]
        others = list(others)
        if not all(isinstance(other, str) for other in others):
            raise InvalidQueryError(f"the rewriting of a question gives strings, not {shown(others)}")
    distinct = dict.fromkeys([question, *(other for other in others if other.strip())])
    return list(itertools.islice(distinct, _MOST_VARIANTS))


def _with_synonyms(question: str, synonyms: Mapping[str, Sequence[str]], analyser: Analyser) -> Iterable[str]:
    """One word replaced at a time, however it is inflected."""
    by_terms = {tuple(analyser.terms(word)): words for word, words in synonyms.items()}
    for chunk, start in spans(question):
        for other in by_terms.get(analyser.terms_of(chunk), ()):
            yield question[:start] + str(other) + question[start + len(chunk) :]


def merged_variants(answers: Sequence[Sequence[Passage]]) -> list[Passage]:
    """Reciprocal rank fusion of the answers to several variants; each passage as the first answer that has it."""
    if len(answers) == 1:
        return list(answers[0])
    passages: dict[str, Passage] = {}
    scores: Counter[str] = Counter()
    for answer in answers:
        for passage in answer:
            passages.setdefault(passage.match.id, passage)
            scores[passage.match.id] += (_RRF_K + 1) / (_RRF_K + passage.rank) / len(answers)  # type: ignore[assignment]
    for name, passage in passages.items():
        passage.score = scores[name]
    return ranked(passages.values())


def fed_back(terms: Mapping[str, float], believed: Sequence[Passage], analyser: Analyser) -> dict[str, float]:
    """The terms of the question with the most frequent ones of the passages believed, lightly."""
    weights: Counter[str] = Counter()
    for passage in believed:
        found = Counter(analyser.terms(passage.text))
        total = sum(found.values())
        for term, count in found.items():
            weights[term] += passage.score * count / total  # type: ignore[assignment]
    best = weights.most_common(_NEW_TERMS)
    whole = sum(weight for _, weight in best) or 1.0
    asked = sum(terms.values())
    result = dict(terms)
    for term, weight in best:
        result[term] = result.get(term, 0.0) + _NEW_WEIGHT * asked * weight / whole
    return result
