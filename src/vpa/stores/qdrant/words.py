"""Sparse vectors beside a point's own: the terms of a record, by whose product with those of a question Qdrant ranks,
and the vector that a caller brings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from qdrant_client import models

from vpa.base.errors import ConfigurationError, ProviderError
from vpa.stores.layout.rows import Row
from vpa.stores.layout.sparse import written
from vpa.stores.layout.words import RowWords

# Numbers of terms or dimensions, ascending, and what each adds.
Sparse: TypeAlias = tuple[list[int], list[float]]
# Those of a point by name, without empty ones.
Named: TypeAlias = Mapping[str, Sparse]
TERMS: Final = "_vpa_terms"
SPARSE: Final = "_vpa_sparse"
# Qdrant's name for the vector that has none.
OWN: Final = ""
# In JSON a number has no more digits than that: half of what Python writes, and float32 holds no more.
_DIGITS: Final = 7
ADVICE: Final = (
    "this collection holds no words: it was made without the sparse vector for them, and this Qdrant adds none; make a "
    "collection with keywords=… and copy the records there with `vpa migrate`"
)


def sparse_of(words: RowWords | None) -> Sparse:
    """The sparse vector of a record's words; an empty one where there are none."""
    if words is None:
        return [], []
    numbers, impacts = words.sparse
    return numbers, [round(impact, _DIGITS) for impact in impacts]


def named_of_rows(rows: Sequence[Row]) -> list[Named] | None:
    """Those of each row; None for a collection whose points have none."""
    if all(row.words is None and row.sparse is None for row in rows):
        return None
    return [_named(row) for row in rows]


def _named(row: Row) -> Named:
    both = {TERMS: sparse_of(row.words), SPARSE: written(row.sparse or {})}
    return {name: sparse for name, sparse in both.items() if sparse[0]}


def as_model(sparse: Sparse) -> models.SparseVector:
    """As the client has it."""
    numbers, values = sparse
    return models.SparseVector(indices=numbers, values=values)


async def declare_words(client: Any, native: str, ask: Callable[..., Awaitable[Any]]) -> None:
    """Have a collection that was made without words hold them, where client and server can.

    Raises ConfigurationError.
    """
    about = await ask("describe_collection", lambda: client.get_collection(native))
    if TERMS in (about.config.params.sparse_vectors or {}):
        return
    create = getattr(client, "create_vector_name", None)
    if create is None:
        raise ConfigurationError(f"{ADVICE}; or take a newer qdrant-client, and a server that adds sparse vectors")
    try:
        kind: Any = models.SparseVectorNameConfig(sparse=models.SparseVectorConfig())
        await ask("create_index", lambda: create(native, TERMS, kind))
    except (ConfigurationError, ProviderError) as error:
        raise ConfigurationError(f"{ADVICE} ({error.message})") from error


def named_vectors(vector: list[float], named: Named) -> Any:
    """The vectors of a point; its own alone where it has no others."""
    return {OWN: vector, **{name: as_model(sparse) for name, sparse in named.items()}} if named else vector


def own_vector(vector: Any) -> Any:
    """A point's own vector in an answer over REST, where others may stand beside it."""
    return vector.get(OWN) if isinstance(vector, Mapping) else vector
