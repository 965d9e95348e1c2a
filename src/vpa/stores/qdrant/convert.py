"""Qdrant points, read back: those of the REST client's models and of gRPC's messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from qdrant_client import models

from vpa.base.arrays import FloatVector
from vpa.base.errors import ConfigurationError
from vpa.base.records import FOREIGN, CollectionInfo, Metric
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.qdrant.keeping import read
from vpa.stores.qdrant.words import OWN, own_vector

INFO: Final = "vpa"
_METRICS: Final = {
    models.Distance.COSINE: Metric.COSINE,
    models.Distance.DOT: Metric.DOT,
    models.Distance.EUCLID: Metric.EUCLIDEAN,
}


def stored_of(points: Iterable[Any], *, foreign: bool) -> list[StoredRow]:
    """Points of an answer over REST. Those that others wrote become records of their payload."""
    found = []
    for point in points:
        own = own_vector(point.vector)
        vector = None if own is None else np.asarray(own, dtype=np.float32)
        # Scores are float32. JSON has their shortest digits, gRPC the number itself.
        raw = float(np.float32(getattr(point, "score", math.nan)))
        found.append(_row(str(point.id), point.payload or {}, vector, raw, foreign=foreign))
    return found


def stored_of_messages(points: Iterable[Any], *, scored: bool, foreign: bool) -> list[StoredRow]:
    """The same of an answer over gRPC."""
    found = []
    for point in points:
        identity = point.id
        vector = _own(point.vectors) if point.HasField("vectors") else None
        raw = point.score if scored else math.nan
        found.append(_row(identity.uuid or str(identity.num), _object(point.payload), vector, raw, foreign=foreign))
    return found


def _row(key: str, payload: Mapping[str, Any], vector: FloatVector | None, raw: float, *, foreign: bool) -> StoredRow:
    if foreign:
        return StoredRow(key, payload, vector, raw, foreign_record(key, payload))
    return StoredRow(key, read(payload), vector, raw)


def _own(message: Any) -> FloatVector | None:
    """A point's own vector, where others may stand beside it."""
    if message.HasField("vector"):
        return _vector(message.vector)
    named = message.vectors.vectors
    return _vector(named[OWN]) if OWN in named else None


def _vector(message: Any) -> FloatVector:
    if not message.HasField("dense"):
        # Servers before 1.16.
        return np.asarray(message.data[:], dtype=np.float32)
    # The numbers are the end of the message: 10 times as fast as reading them one by one.
    whole = message.dense.SerializeToString()
    return np.frombuffer(whole, "<f4", offset=len(whole) - 4 * len(message.dense.data)).astype(np.float32)


def _object(fields: Any) -> dict[str, Any]:
    # A map has no order of its own; any would do that is the same in every process. By key, because `items()` is
    # Python code that looks up each key too.
    return {key: _value(fields[key]) for key in sorted(fields)}


def _value(message: Any) -> Any:
    match message.WhichOneof("kind"):
        case "string_value":
            return message.string_value
        case "integer_value":
            return message.integer_value
        case "struct_value":
            return _object(message.struct_value.fields)
        case "list_value":
            return [_value(member) for member in message.list_value.values]
        case "double_value":
            # As in JSON, which has no other numbers.
            return message.double_value if math.isfinite(message.double_value) else None
        case "bool_value":
            return message.bool_value
    return None


def id_of(key: str, *, foreign: bool) -> str | int:
    """A point's id; others may have numbers."""
    return int(key) if foreign and key.isdigit() else key


def info_of(name: str, native: models.CollectionInfo) -> CollectionInfo:
    """The info in a collection's metadata; raises ConfigurationError where others changed the collection."""
    stored = (native.config.metadata or {}).get(INFO)
    vectors = native.config.params.vectors
    if stored is not None:
        info = CollectionInfo.from_json(json.loads(stored))
        if not isinstance(vectors, models.VectorParams) or vectors.size != info.dimension:
            raise ConfigurationError(f"collection {name!r} was changed by others: it holds vectors {vectors}")
        return info
    if not isinstance(vectors, models.VectorParams) or vectors.distance not in _METRICS:
        raise ConfigurationError(
            f"collection {name!r} was made by others, with several vectors or a distance that vpa does not know"
        )
    return CollectionInfo(name=name, dimension=vectors.size, metric=_METRICS[vectors.distance], layout_version=FOREIGN)
