"""Queries of one namespace, by a vector or by words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vpa.base.records import FOREIGN, CollectionInfo
from vpa.base.scope import Scope
from vpa.stores.layout.driver import StoredRow, Where
from vpa.stores.layout.reader import Reader
from vpa.stores.pinecone import filters
from vpa.stores.pinecone.convert import namespace_of, stored_of

if TYPE_CHECKING:
    from vpa.stores.pinecone.store import PineconeDriver

# So many matches come with their metadata; more are fetched after, as an answer holds 4 MB.
WITH_METADATA: Final = 40


async def query_index(
    driver: PineconeDriver,
    info: CollectionInfo,
    asked: Mapping[str, Any],
    where: Where,
    *,
    limit: int,
    include_vectors: bool,
    least: float | None = None,
) -> list[StoredRow]:
    """The best `limit` rows, without those whose score is not above `least`. `asked`: the vectors of the question."""
    index, foreign = await driver.index(info), info.layout_version == FOREIGN
    namespace = "" if foreign or where.scope is None else namespace_of(where.scope)
    few, chosen = limit <= WITH_METADATA, None if foreign else filters.spell(where)
    answer = await driver.ask(
        "search",
        lambda: index.query(
            **asked,
            top_k=limit,
            namespace=namespace,
            filter=chosen,
            include_metadata=few,
            include_values=few and include_vectors,
        ),
    )
    matches = [match for match in answer.matches if least is None or float(match.score) > least]
    if few:
        return stored_of(matches, payloads=True, with_vectors=include_vectors, foreign=foreign)
    scores = {match.id: float(match.score) for match in matches}
    rows = await Reader(driver).fetch(
        info, list(scores), scope=where.scope or Scope(), payloads=True, include_vectors=include_vectors
    )
    return [StoredRow(row.key, row.payload, row.vector, scores[row.key], row.record) for row in rows]
