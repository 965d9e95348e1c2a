"""Objects on their way into a class, and changes of those that are there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from weaviate.classes.data import DataObject
from weaviate.exceptions import WeaviateInsertManyAllFailedError

from vpa.base.errors import CollectionNotFoundError
from vpa.kit.tasks import together
from vpa.stores.weaviate import errors
from vpa.stores.weaviate.filters import TOKENS
from vpa.stores.weaviate.tenants import Ask

# In one request: a field that is compared by tokens has some hundred of them, 20 bytes each.
_MOST_TOKENS: Final = 400_000


def in_requests(objects: Sequence[DataObject[Any, Any]]) -> Iterator[tuple[int, Sequence[DataObject[Any, Any]]]]:
    """The objects in as few requests as are small enough, each with the place where it begins."""
    start, size = 0, 0
    for place, one in enumerate(objects):
        tokens = len(one.properties[TOKENS])
        if place > start and size + tokens > _MOST_TOKENS:
            yield start, objects[start:place]
            start, size = place, 0
        size += tokens
    if start < len(objects):
        yield start, objects[start:]


async def insert(collection: Any, objects: Sequence[DataObject[Any, Any]]) -> dict[int, str]:
    """Replace objects whole; returns which of them Weaviate refused, and why."""
    try:
        answer = await collection.data.insert_many(objects)
    except WeaviateInsertManyAllFailedError as error:
        raise errors.first_cause(error) from error
    errors.refuse_changing(answer)
    return {place: str(one.message) for place, one in answer.errors.items()}


async def insert_all(ask: Ask, collection: Any, objects: Sequence[DataObject[Any, Any]]) -> dict[int, str]:
    """The same in as many requests as it takes."""
    failed: dict[int, str] = {}
    for start, part in in_requests(objects):
        refused = await ask("upsert", partial(insert, collection, part))
        failed |= {start + place: why for place, why in refused.items()}
    return failed


async def merge_all(ask: Ask, collection: Any, changes: Mapping[str, Mapping[str, Any]], *, at_once: int) -> None:
    """Change properties of objects, by key; what is gone stays gone."""
    turn, data = asyncio.Semaphore(at_once), collection.data

    async def change(key: str, properties: Mapping[str, Any]) -> None:
        async with turn:
            try:
                await ask("update_metadata", lambda: data.update(key, properties=properties))
            except CollectionNotFoundError:
                return

    await together(change(key, properties) for key, properties in changes.items())
