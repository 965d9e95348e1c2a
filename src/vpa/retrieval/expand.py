"""More than one way to ask: synonyms, words of the best answers so far, a rewriting of the caller's own."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from vpa.analysis.analyser import Analyser
from vpa.analysis.cutting import spans
from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown
from vpa.retrieval.calling import called
from vpa.retrieval.candidates import Candidate, ranked

Rewriting: TypeAlias = "Callable[[str], Iterable[str] | Awaitable[Iterable[str]]]"
Expansion: TypeAlias = "Mapping[str, Sequence[str]] | Rewriting | str | None"
FEEDBACK: Final = "feedback"
# Each variant is a search of its own.
_MOST_VARIANTS: Final = 8
_RRF_K: Final = 60
# Feedback: candidates that are believed, terms that are taken from them, and what all of these weigh beside the
# question (RM3, Abdul-Jaleel et al. 2004; the light setting of docs/retrieval.md).
BELIEVED: Final = 5
_NEW_TERMS: Final = 20
_NEW_WEIGHT: Final = 0.15


def check_expansion(expand: Any) -> Expansion:
    """Return the expansion, a mapping as one of tuples, or raise InvalidQueryError."""
    if expand is None or callable(expand) or (isinstance(expand, str) and expand == FEEDBACK):
        expansion: Expansion = expand
        return expansion
    if not isinstance(expand, Mapping):
        raise InvalidQueryError(
            f"expand is 'feedback', a mapping of words to synonyms, or a function from a question to others, not "
            f"{shown(expand)}"
        )
    return {word: _checked_synonyms(word, synonyms) for word, synonyms in expand.items()}


def _checked_synonyms(word: Any, synonyms: Any) -> tuple[str, ...]:
    is_list = isinstance(synonyms, Iterable) and not isinstance(synonyms, str)
    # Once: it may be an iterator.
    words = tuple(synonyms) if is_list else ()
    if not isinstance(word, str) or not is_list or not all(isinstance(other, str) for other in words):
        raise InvalidQueryError(f"expand maps a word to a list of words, not {shown(word)} to {shown(synonyms)}")
    return words


async def variants(question: str, expand: Expansion, analyser: Analyser) -> list[str]:
    """The question, and at most seven others that mean the same. What a rewriting raises is raised."""
    others: Iterable[str] = ()
    if isinstance(expand, Mapping):
        others = _with_synonyms(question, expand, analyser)
    elif callable(expand):
        others = await called(expand, question, read=_strings)
    distinct = dict.fromkeys([question, *filter(_says_something, others)])
    return list(itertools.islice(distinct, _MOST_VARIANTS))


def _says_something(variant: str) -> bool:
    """Whether there is a word in it to ask for. What is no text at all is told where it is looked at."""
    return any(letter.isalnum() or "\ud800" <= letter <= "\udfff" for letter in variant)


def _strings(answer: Any) -> list[str]:
    if isinstance(answer, str):
        return [answer]
    others: list[Any] = list(itertools.islice(answer, _MOST_VARIANTS)) if isinstance(answer, Iterable) else [answer]
    if not all(isinstance(other, str) for other in others):
        raise InvalidQueryError(f"the rewriting of a question gives strings, not {shown(answer)}")
    return others


def _with_synonyms(question: str, synonyms: Mapping[str, Sequence[str]], analyser: Analyser) -> Iterable[str]:
    """One word, or several that stand together, replaced at a time, however they are inflected."""
    by_terms: dict[tuple[str, ...], list[str]] = {}
    for word, others in synonyms.items():
        by_terms.setdefault(tuple(analyser.terms(word)), []).extend(others)
    # Stop words have no terms, and no synonyms.
    by_terms.pop((), None)
    # Nor are they a part of what is replaced, but between two words of it.
    places = [(terms, at, at + len(chunk)) for chunk, at in spans(question) if (terms := analyser.terms_of(chunk))]
    for number, (_, start, _) in enumerate(places):
        phrase: tuple[str, ...] = ()
        for terms, _, end in places[number : number + max(map(len, by_terms), default=0)]:
            phrase += terms
            for other in by_terms.get(phrase, ()):
                yield question[:start] + other + question[end:]


def merged_variants(answers: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Reciprocal rank fusion of the answers to several variants; each candidate as the first answer that has it."""
    if len(answers) == 1:
        return list(answers[0])
    candidates: dict[str, Candidate] = {}
    scores: Counter[str] = Counter()
    for answer in answers:
        for candidate in answer:
            candidates.setdefault(candidate.match.id, candidate)
            scores[candidate.match.id] += (_RRF_K + 1) / (_RRF_K + candidate.rank) / len(answers)  # type: ignore[assignment]
    for name, candidate in candidates.items():
        candidate.score = scores[name]
    return ranked(candidates.values())


def fed_back(terms: Mapping[str, float], believed: Sequence[Candidate], analyser: Analyser) -> dict[str, float]:
    """The terms of the question with the most frequent ones of the candidates believed, lightly."""
    weights: Counter[str] = Counter()
    for candidate in believed:
        found = Counter(analyser.terms(candidate.text))
        total = sum(found.values())
        for term, count in found.items():
            weights[term] += candidate.score * count / total  # type: ignore[assignment]
    best = weights.most_common(_NEW_TERMS)
    whole = sum(weight for _, weight in best) or 1.0
    asked = sum(terms.values())
    result = dict(terms)
    for term, weight in best:
        result[term] = result.get(term, 0.0) + _NEW_WEIGHT * asked * weight / whole
    return result
