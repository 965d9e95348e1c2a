"""Rows as Qdrant points, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from vpa.base.scope import Scope
from vpa.stores.layout.companions import words
from vpa.stores.layout.driver import StoredRow, foreign_record
from vpa.stores.layout.rows import Row
from vpa.stores.layout.tokens import scope_token
from vpa.stores.qdrant.filters import COMPANIONS, SCOPE, TOKENS

PAYLOAD: Final = "_vpa_payload"
INFO: Final = "vpa"


def payload_of(row: Row, scope: Scope) -> dict[str, Any]:
    """What is stored beside the vector."""
    entries: list[dict[str, Any]] = []
    for name, ends in row.numbers.items():
        entries += [{"h": name, "x": value} for value in dict.fromkeys(ends)]
    for name, texts in row.strings.items():
        for text in dict.fromkeys(texts):
            entries.append({"h": name, **{f"w{n}": word for n, word in enumerate(words(text))}})
    ours = {TOKENS: row.tokens, SCOPE: scope_token(scope), PAYLOAD: row.payload}
    return {**row.native, **ours, COMPANIONS: entries} if entries else {**row.native, **ours}


def stored_of(points: Iterable[Any], *, foreign: bool) -> list[StoredRow]:
    """Points of an answer. Those that others wrote become records of their payload."""
    found = []
    for point in points:
        payload: Mapping[str, Any] = point.payload or {}
        vector = None if point.vector is None else np.asarray(point.vector, dtype=np.float32)
        raw = float(getattr(point, "score", float("nan")))
        record = foreign_record(str(point.id), payload) if foreign else None
        found.append(StoredRow(str(point.id), payload.get(PAYLOAD), vector, raw, record))
    return found
