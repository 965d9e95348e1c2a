"""The words of a record as Weaviate keeps them: the names of its terms in a text, each as often as it stands in the
record, which Weaviate ranks by BM25 itself. Only classes with a keyword index have the property.
"""

from __future__ import annotations

import math
from collections.abc import Set
from typing import Any, Final

from weaviate.classes.config import Configure, DataType, Property, Reconfigure, StopwordsPreset, Tokenization

from vpa.analysis.bm25 import K1, B
from vpa.base.records import CollectionInfo
from vpa.stores.layout.words import RowWords, WordQuery, term_name

WORDS: Final = "vpa_w"
# How finely the weight of a term is told by naming it again and again.
_FINENESS: Final = 4
_MOST_TIMES: Final = 64


def words_field(words: RowWords | None, declared: Set[str]) -> dict[str, Any]:
    """What is stored of a record's words in a class that has these properties: auto-schema would declare another."""
    return {} if words is None or WORDS not in declared else {WORDS: _text_of(words)}


def _text_of(words: RowWords) -> str:
    return " ".join(name for term, count in words.counts.items() for name in [term_name(term)] * count)


def words_query(query: WordQuery) -> str:
    """The terms. Weaviate weighs them by how rare they are, and counts one as often as it is named."""
    shares = {term: weight / query.statistics.idf(term) for term, weight in query.weights.items()}
    # One that counts for next to nothing beside another must not make the question as long as their quotient.
    least = max(min(shares.values()), max(shares.values()) * _FINENESS / _MOST_TIMES)
    times = {term: max(1, round(_FINENESS * share / least)) for term, share in shares.items()}
    common = math.gcd(*times.values())
    return " ".join(name for term, count in times.items() for name in [term_name(term)] * (count // common))


def creation_arguments(info: CollectionInfo) -> dict[str, Any]:
    """Arguments of the client's `collections.create` for a class with words: their formula is to be ours."""
    if info.keywords is None:
        return {}
    settings = Configure.inverted_index(bm25_b=B, bm25_k1=K1, stopwords_preset=StopwordsPreset.NONE)
    return {"inverted_index_config": settings}


def changed_formula() -> Any:
    """The same, for a class that exists."""
    return Reconfigure.inverted_index(bm25_b=B, bm25_k1=K1, stopwords_preset=StopwordsPreset.NONE)


def words_property() -> Property:
    """For a class that is made."""
    return Property(
        name=WORDS,
        data_type=DataType.TEXT,
        tokenization=Tokenization.WHITESPACE,
        index_filterable=False,
        index_searchable=True,
    )


# The same as Weaviate's REST interface takes it, for a class that exists.
ADDED: Final = {
    "name": WORDS,
    "dataType": ["text"],
    "tokenization": "whitespace",
    "indexFilterable": False,
    "indexSearchable": True,
}
