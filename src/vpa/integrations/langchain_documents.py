"""Between LangChain's documents and records: what is checked before embeddings are paid for, and what comes back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from vpa.base.errors import InvalidFilterError, InvalidQueryError, InvalidRecordError
from vpa.base.metadata import Scalar
from vpa.base.records import EmbeddingIdentity, Match, Record
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.filters import FilterLike, holds_always, matches, normal
from vpa.integrations.langchain_embeddings import VPAEmbeddings
from vpa.integrations.payload import pack, unpack


@dataclass(frozen=True, slots=True)
class Drafts:
    """Documents that are checked and not embedded yet: lists of one length."""

    ids: list[str]
    texts: list[str]
    metadata: list[dict[str, Any]]
    system: list[dict[str, Scalar]]

    def parts(self, size: int | None) -> Iterator[Drafts]:
        """In slices of `size`; None for one."""
        step = size or max(1, len(self.ids))
        for start in range(0, len(self.ids), step):
            cut = slice(start, start + step)
            yield Drafts(self.ids[cut], self.texts[cut], self.metadata[cut], self.system[cut])

    def records(self, vectors: Sequence[Sequence[float]]) -> list[Record]:
        """With their vectors. The last of several with one id wins, as in a dictionary."""
        rows = zip(self.ids, vectors, self.texts, self.metadata, self.system, strict=True)
        made = {
            name: Record(name, vector=vector, text=text, metadata=metadata, system=system)
            for name, vector, text, metadata, system in rows
        }
        return list(made.values())


def drafts(
    texts: Iterable[str],
    metadata: Sequence[Mapping[str, Any] | None] | None,
    ids: Sequence[str | None] | None,
    *,
    batch_size: int | None,
) -> Drafts:
    """Raises InvalidRecordError where lists differ in length, or metadata cannot be kept; nothing was embedded."""
    rows = [texts] if isinstance(texts, str) else list(texts)
    if isinstance(texts, str) or not all(isinstance(row, str) for row in rows):
        raise InvalidRecordError("texts is a list of strings")
    if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
        raise InvalidQueryError(f"batch_size is at least 1, not {batch_size!r}")
    for name, values in (("metadatas", metadata), ("ids", ids)):
        if values is not None and len(values) != len(rows):
            raise InvalidRecordError(
                f"{len(rows)} texts and {len(values)} {name}: give one for each text (None in a list stands for none)"
            )
    packed = [pack(fields) for fields in metadata or [None] * len(rows)]
    names = [name or str(uuid.uuid4()) for name in ids or [None] * len(rows)]
    return Drafts(names, rows, [fields for fields, _ in packed], [system for _, system in packed])


def document_of(source: Record | Match) -> Document:
    """The document of a record."""
    return Document(id=source.id, page_content=source.text or "", metadata=unpack(source.metadata, source.system))


def diverse(query: Sequence[float], near: Sequence[Match], *, top_k: int, share: float) -> list[Document]:
    """`top_k` of the matches, near to the query and unlike each other: LangChain's own choice."""
    vectors = [np.asarray(match.vector).tolist() for match in near]
    chosen = maximal_marginal_relevance(np.asarray(query, dtype=np.float32), vectors, lambda_mult=share, k=top_k)
    return [document_of(near[position]) for position in chosen]


def check_targets(ids: Sequence[str] | None, condition: FilterLike) -> None:
    """Raise InvalidFilterError where nothing says what to delete."""
    if ids is None and condition is None:
        raise InvalidFilterError(
            "delete takes ids=, filter=, or both, and had neither: delete_collection() removes everything"
        )
    if ids is None and holds_always(condition):
        raise InvalidFilterError(
            f"the filter {shown(condition)} holds for every document: delete_collection() removes everything"
        )


async def remove(collection: Collection, ids: Sequence[str] | None, condition: FilterLike, *, scope: Scope) -> int:
    """By ids, by filter, or those of the ids that match the filter."""
    if ids is None:
        return await collection.delete(filter=condition, scope=scope)
    if condition is not None:
        node = normal(condition)
        records = await collection.get(ids, include_vectors=False, scope=scope)
        ids = [record.id for record in records if matches(node, record.metadata, record.system)]
    return await collection.delete(ids=ids, scope=scope)


async def table(
    collection: Collection,
    ids: Sequence[str] | None,
    where: FilterLike,
    *,
    limit: int | None,
    offset: int,
    scope: Scope,
) -> list[Document]:
    """The documents of ids, of a filter, or both; by id."""
    if ids is not None:
        node = normal(where)
        records = [
            record
            for record in await collection.get(ids, include_vectors=False, scope=scope)
            if matches(node, record.metadata, record.system)
        ]
    else:
        records = [record async for record in collection.scan(filter=where, include_vectors=False, scope=scope)]
        records.sort(key=lambda record: record.id)
    end = None if limit is None else offset + limit
    return [document_of(record) for record in records[offset:end]]


def identity_of(embedding: Embeddings, dimension: int | None) -> EmbeddingIdentity | None:
    """Which model embeds, where it says so; None where two models could not be told apart."""
    if isinstance(embedding, VPAEmbeddings):
        return embedding.identity
    for attribute in ("model_name", "model", "model_id"):
        name = getattr(embedding, attribute, None)
        if isinstance(name, str) and name:
            return EmbeddingIdentity(name=name, dimension=dimension or 0)
    return None
