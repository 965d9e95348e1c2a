"""From the text of a question to the terms that a collection's keyword index knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import LANGUAGES
from vpa.base.errors import ConfigurationError, InvalidQueryError, InvalidRecordError
from vpa.base.metadata import ValueRuleError, check_text
from vpa.base.records import CollectionInfo
from vpa.base.showing import shown
from vpa.base.sparse import HOLDERS, canonical_sparse
from vpa.stores.contract import VectorStore

SearchMode: TypeAlias = Literal["dense", "keyword", "hybrid"]
# A question of more bytes is a document.
MAX_QUESTION_BYTES: Final = 65_536
# Candidates by vector and by words that are fused, at least.
FUSED_DEPTH: Final = 100


def check_question(text: object, *, name: str = "the text to search for") -> str:
    """Return the text to search for, or raise InvalidQueryError: a string that says something, of at most 64 KiB."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidQueryError(f"{name} must be a non-empty string, not {shown(text)}")
    try:
        check_text(text)
    except ValueRuleError as error:
        raise InvalidQueryError(f"{name} {error}") from None
    if len(text) > MAX_QUESTION_BYTES // 4 and len(text.encode()) > MAX_QUESTION_BYTES:
        raise InvalidQueryError(
            f"{name} has {len(text.encode())} bytes, at most {MAX_QUESTION_BYTES} are taken; ask for a part of it"
        )
    return text


def check_mode(mode: object) -> SearchMode | None:
    """Return the mode, or raise InvalidQueryError naming the three."""
    if mode is not None and mode not in get_args(SearchMode):
        raise InvalidQueryError(f"mode is one of {', '.join(get_args(SearchMode))}, not {shown(mode)}")
    return mode  # type: ignore[return-value]


def checked_query(
    sparse: Mapping[int, float], *, text: str | None, mode: SearchMode | None, vector: object
) -> Mapping[int, float]:
    """Return the sparse vector to search for, or raise InvalidQueryError, also beside a text or another mode."""
    if text is not None:
        raise InvalidQueryError("search takes text= or sparse=, not both: give the vector that the text has, by name")
    if mode is not None and (mode != "hybrid" or vector is None):
        raise InvalidQueryError(
            f"mode={mode!r} is for texts; sparse= by itself compares sparse vectors, and with a vector both"
        )
    try:
        entries = canonical_sparse(sparse)
    except InvalidRecordError as error:
        raise InvalidQueryError(f"the sparse vector to search for: {error.message}") from None
    if entries is None:
        raise InvalidQueryError("the sparse vector to search for has no weight that is not 0")
    return entries


def terms_of(text: str, info: CollectionInfo, store: VectorStore) -> Counter[str]:
    """The terms of a question, with how often each stands in it; none where it holds stop words only.

    Raises ConfigurationError where the collection has no keyword index of this analyser, InvalidQueryError where there
    is no word.
    """
    trouble = why_no_words(info, store)
    if trouble is not None:
        raise trouble
    assert info.keywords is not None
    analyser = analyser_of(info.keywords.language)
    if not any(letter.isalnum() for letter in text):
        raise InvalidQueryError(
            f"there is no word in {shown(text)} to search for; add one, or use mode='dense', which compares vectors"
        )
    return Counter(analyser.terms(text))


def why_no_words(info: CollectionInfo, store: VectorStore) -> ConfigurationError | None:
    """Why words cannot be searched for in a collection, and what to do; None where they can."""
    keywords = info.keywords
    if keywords is None:
        return no_keywords(info, store)
    build = f"await collection.create_keyword_index({keywords.language!r})"
    if keywords.language not in LANGUAGES:
        return ConfigurationError(
            f"the keyword index of {info.name!r} is for {keywords.language!r}, which this vpa does not know; "
            "upgrade vpa, or build one for another language with await collection.create_keyword_index(…)",
            collection=info.name,
        )
    present = analyser_of(keywords.language).identity
    if present != keywords and not store.words_are_counted:
        return ConfigurationError(
            f"the keyword index of {info.name!r} was made by the analyser {keywords}, this vpa has {present}: "
            f"their terms differ; build it again with {build}; mode='dense' searches without it",
            collection=info.name,
        )
    if info.words is None and not store.words_are_counted:
        return ConfigurationError(
            f"the keyword index of collection {info.name!r} is not finished: it is being built, or its building was "
            f"stopped; build it again with {build}; mode='dense' searches without it",
            collection=info.name,
        )
    return None


def no_keywords(info: CollectionInfo, store: VectorStore) -> ConfigurationError:
    """What a search for words raises on a collection without an index of them."""
    if not store.capabilities.keywords:
        return ConfigurationError(
            f"{store.provider} keeps no keyword index yet; search by vector, or with mode='dense'", collection=info.name
        )
    try:
        store.check_keywords(info)
    except ConfigurationError as error:
        return error
    return ConfigurationError(
        f"collection {info.name!r} has no keyword index; build one: await collection.create_keyword_index('english'); "
        "mode='dense' searches without it",
        collection=info.name,
    )


def no_sparse(info: CollectionInfo, store: VectorStore) -> ConfigurationError:
    """What a search by a sparse vector raises on a collection that holds none."""
    if not store.capabilities.sparse_vectors:
        return ConfigurationError(
            f"{store.provider} holds no sparse vectors, {HOLDERS} do; search by vector or by words",
            collection=info.name,
        )
    return ConfigurationError(
        f"collection {info.name!r} holds no sparse vectors; make one that does: create_collection(sparse=True)",
        collection=info.name,
    )


def only_stop_words(text: str, info: CollectionInfo) -> InvalidQueryError:
    """What a search for words alone raises where none of them is kept."""
    language = "" if info.keywords is None else f" of {info.keywords.language}"
    return InvalidQueryError(
        f"{shown(text)} holds stop words{language} only, which stand in nearly every text; add a word that says what "
        "is looked for, or use mode='dense'"
    )
