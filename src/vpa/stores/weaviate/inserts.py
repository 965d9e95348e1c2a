"""Objects on their way into a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from weaviate.classes.data import DataObject
from weaviate.exceptions import WeaviateInsertManyAllFailedError

from vpa.stores.weaviate import errors
from vpa.stores.weaviate.filters import TOKENS

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
