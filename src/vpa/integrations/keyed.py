"""Small things under a key in a collection, for frameworks that also need a table: no vector of theirs is searched."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpa.base.records import Metric, Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection

DIMENSION: Final = 2
METRIC: Final = str(Metric.COSINE)
# In the metadata of each record.
TABLE: Final = "table"
KEY: Final = "key"


def record_id(table: str, key: str) -> str:
    """Of any key, also one that is longer than an id may be."""
    return hashlib.sha256(f"{table}\0{key}".encode()).hexdigest()


def keyed_record(table: str, key: str, *, text: str | None, metadata: Mapping[str, Any]) -> Record:
    """A record under a key. Its vector says nothing; it is another for each key, since graphs of equal ones stall."""
    name = record_id(table, key)
    angle = int(name[:12], 16) / 16**12 * 2 * math.pi
    fields = {**metadata, TABLE: table, KEY: key}
    return Record(name, vector=[math.cos(angle), math.sin(angle)], text=text, metadata=fields)


async def keyed(collection: Collection, table: str, keys: Sequence[str], *, scope: Scope) -> dict[str, Record]:
    """The records of these keys that exist, by key."""
    names = {record_id(table, key): key for key in keys}
    records = await collection.get(list(names), include_vectors=False, scope=scope)
    return {names[record.id]: record for record in records}


async def forget(collection: Collection, table: str, keys: Sequence[str], *, scope: Scope) -> int:
    """Remove keys; unknown ones are no error."""
    return await collection.delete(ids=[record_id(table, key) for key in keys], scope=scope)
