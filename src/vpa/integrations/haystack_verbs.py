"""What a document store does with its collection, each as one coroutine over it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from vpa.base.errors import InvalidRecordError, RecordExistsError
from vpa.base.metadata import Scalar
from vpa.base.query import ConflictName
from vpa.base.records import Record
from vpa.base.scope import ALL_SCOPES, Scope
from vpa.base.showing import shown
from vpa.base.validation import check_id
from vpa.client import describe
from vpa.client.collection import Collection
from vpa.integrations.haystack_documents import as_batch, as_document, decoded, encoded, is_json
from vpa.integrations.haystack_filters import Condition

T = TypeVar("T")
Work: TypeAlias = Callable[[Collection], Awaitable[T]]
_POLICIES: Final[Mapping[DuplicatePolicy, ConflictName]] = {
    DuplicatePolicy.NONE: "error",
    DuplicatePolicy.FAIL: "error",
    DuplicatePolicy.SKIP: "skip",
    DuplicatePolicy.OVERWRITE: "replace",
}
_FEW: Final = 100  # More documents take so long to turn into records that they would hold up the other calls.
_TYPES: Final = {"bool": "boolean", "int": "int", "float": "float", "str": "keyword"}


# Writing


def policy_of(policy: DuplicatePolicy | str) -> DuplicatePolicy:
    """A policy, also by its name; raises ValueError."""
    if isinstance(policy, DuplicatePolicy):
        return policy
    for known in DuplicatePolicy:
        if isinstance(policy, str) and policy.upper() == known.name:
            return known
    raise ValueError(f"policy is one of {', '.join(map(str, DuplicatePolicy))}, not {shown(policy)}")


def check_documents(documents: Any, policy: DuplicatePolicy) -> list[Document]:
    """The documents to write, each id once: the last of an id with OVERWRITE, else the first.

    Raises ValueError for what are no documents, DuplicateDocumentError where an id that occurs twice is an error.
    """
    if not isinstance(documents, list | tuple) or not all(isinstance(document, Document) for document in documents):
        raise ValueError("write_documents takes a list of Documents")
    unique: dict[str, Document] = {}
    for document in documents:
        if policy is DuplicatePolicy.OVERWRITE or document.id not in unique:
            unique[document.id] = document
    if len(unique) < len(documents) and _POLICIES[policy] == "error":
        repeated = next(name for name, count in Counter(document.id for document in documents).items() if count > 1)
        raise DuplicateDocumentError(f"id {repeated!r} occurs twice in the list of documents; nothing was written")
    return list(unique.values())


def writing(documents: Sequence[Document], *, policy: DuplicatePolicy, scope: Scope) -> Work[int]:
    """Write documents of different ids; gives how many were written."""

    async def write(collection: Collection) -> int:
        dimension = collection.info.dimension
        many = len(documents) > _FEW
        batch = await asyncio.to_thread(as_batch, documents, dimension) if many else as_batch(documents, dimension)
        try:
            return await collection.upsert(batch, on_conflict=_POLICIES[policy], scope=scope)
        except RecordExistsError as error:
            raise DuplicateDocumentError(error.message) from error

    return write


def deleting(condition: Condition, *, scope: Scope) -> Work[int]:
    """Remove what matches; gives how many were there."""

    async def delete(collection: Collection) -> int:
        if condition.is_native:
            return await collection.delete(filter=condition.native, allow_all=True, scope=scope)
        ids = await _ids(collection, condition, scope)
        return await collection.delete(ids=ids, scope=scope) if ids else 0

    return delete


def deleting_ids(ids: Sequence[str], *, scope: Scope) -> Work[int]:
    """Remove by id; unknown ids are no error."""

    async def delete(collection: Collection) -> int:
        known = [document_id for document_id in ids if is_id(document_id)]
        return await collection.delete(ids=known, scope=scope) if known else 0

    return delete


def updating(condition: Condition, *, metadata: Mapping[str, Any], scope: Scope) -> Work[int]:
    """Merge metadata into what matches; gives how many matched."""
    assign = encoded(metadata)

    async def update(collection: Collection) -> int:
        if condition.is_native:
            return await collection.update_metadata(filter=condition.native, set=assign, allow_all=True, scope=scope)
        ids = await _ids(collection, condition, scope)
        return await collection.update_metadata(ids=ids, set=assign, scope=scope) if ids else 0

    return update


async def is_shared(collection: Collection) -> bool:
    """Whether any record is left, of whatever tenant and namespace."""
    async for _ in collection.scan_batches(batch_size=1, include_vectors=False, scope=ALL_SCOPES):
        return True
    return False


# Reading


def counting(condition: Condition, *, scope: Scope) -> Work[int]:
    """How many match."""

    async def count(collection: Collection) -> int:
        if condition.is_native:
            return await collection.count(filter=condition.native, scope=scope)
        return len(await _ids(collection, condition, scope))

    return count


def reading(condition: Condition, *, with_embeddings: bool, scope: Scope) -> Work[list[Document]]:
    """The documents that match, in the store's order."""

    async def read(collection: Collection) -> list[Document]:
        records = matching(collection, condition, include_vectors=with_embeddings, scope=scope)
        return [as_document(record) async for record in records]

    return read


async def matching(
    collection: Collection, condition: Condition, *, include_vectors: bool, scope: Scope
) -> AsyncIterator[Record]:
    """The records that match, in the store's order."""
    if condition.ids is not None:
        ids = [document_id for document_id in condition.ids if is_id(document_id)]
        for record in await collection.get(ids, include_vectors=include_vectors, scope=scope):
            if condition.holds(record, whole=True):
                yield record
        return
    async for record in collection.scan(filter=condition.native, include_vectors=include_vectors, scope=scope):
        if condition.holds(record):
            yield record


async def _ids(collection: Collection, condition: Condition, scope: Scope) -> list[str]:
    return [record.id async for record in matching(collection, condition, include_vectors=False, scope=scope)]


def is_id(value: object) -> bool:
    """Whether a record can have this id."""
    try:
        check_id(value)
    except InvalidRecordError:
        return False
    return True


# Describing


def metadata_field(name: str) -> str:
    """The path of a field that is named with or without `meta.`."""
    return name.removeprefix("meta.")


def describing(scope: Scope) -> Work[dict[str, dict[str, str]]]:
    """Each metadata path with Haystack's name of its type."""

    async def fields(collection: Collection) -> dict[str, dict[str, str]]:
        known = await collection.fields(scope=scope)
        return {path: {"type": _type_of(types)} for path, types in known.items()}

    return fields


def _type_of(types: Mapping[str, int]) -> str:
    """`float` for numbers of both types, `keyword` for other mixtures."""
    if set(types) == {"int", "float"}:
        return "float"
    return _TYPES.get(next(iter(types)), "keyword") if len(types) == 1 else "keyword"


def distinct_counts(fields: Sequence[str], condition: Condition, *, scope: Scope) -> Work[dict[str, int]]:
    """By field, how many different values the matching documents hold; elements of a list are values of their own."""

    async def count(collection: Collection) -> dict[str, int]:
        paths = [metadata_field(name) for name in fields]
        return {path: len(await _values(collection, path, condition=condition, scope=scope)) for path in paths}

    return count


def no_counts(fields: Sequence[str]) -> dict[str, int]:
    """The counts of a collection without documents."""
    return dict.fromkeys(map(metadata_field, fields), 0)


async def _values(collection: Collection, path: str, *, condition: Condition, scope: Scope) -> list[Scalar]:
    if condition.is_native:
        return await collection.distinct(path, filter=condition.native, scope=scope)
    records = matching(collection, condition, include_vectors=False, scope=scope)
    return await describe.values(records, path)


def least_and_greatest(field: str, *, scope: Scope) -> Work[dict[str, Any]]:
    """`{"min": …, "max": …}` of numbers or texts; None for both where there are none, or both kinds."""

    async def extremes(collection: Collection) -> dict[str, Any]:
        path = metadata_field(field)
        by_kind = await collection.min_max(path, scope=scope)
        if any(map(is_json, by_kind.get("string", ()))):
            values = [value for value in await collection.distinct(path, scope=scope) if not is_json(value)]
            by_kind = await describe.extremes(values)
        if len(by_kind) > 1:
            by_kind.pop("boolean", None)
        [(least, greatest)] = by_kind.values() if len(by_kind) == 1 else [(None, None)]
        return {"min": least, "max": greatest}

    return extremes


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which of the different values are asked for: those that hold `search_term` in any case, from `start` on."""

    search_term: str | None
    start: int
    size: int

    def of(self, values: Sequence[Any]) -> tuple[list[Any], int]:
        """The page in the order of the values' text, and how many values there are in all."""
        term = (self.search_term or "").casefold()
        holding = [value for value in values if term in str(value).casefold()]
        holding.sort(key=lambda value: (str(value), type(value).__name__))
        return holding[self.start : self.start + self.size], len(holding)


def paging(field: str, page: Page, *, condition: Condition, scope: Scope) -> Work[tuple[list[Any], int]]:
    """A page of the different values of a field, type-exact, and how many there are."""

    async def read(collection: Collection) -> tuple[list[Any], int]:
        values = await _values(collection, metadata_field(field), condition=condition, scope=scope)
        return page.of([decoded(value) for value in values])

    return read
