"""Refusals of Qdrant's, and vectors in the bodies of requests, with the checks that the engine leaves to the server."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import qdrant_edge as edge

from wire.http import Refused


def refuse(status: int, text: str) -> Refused:
    return Refused(status, {"status": {"error": text}, "time": 0.0})


def only(body: dict[str, Any], *known: str) -> None:
    strange = {name for name, value in body.items() if name not in known and value is not None}
    if strange:
        raise refuse(400, f"Format error in JSON body: unknown field `{sorted(strange)[0]}`")


def vectors_of(body: Any, size: int, sparse: Collection[str]) -> Any:
    """The vectors of a point: its own, or several by name."""
    if not isinstance(body, dict):
        return vector_of("", body, size, sparse)
    return {name: vector_of(name, vector, size, sparse) for name, vector in body.items()}


def vector_of(name: str, body: Any, size: int, sparse: Collection[str]) -> Any:
    if name and name not in sparse:
        raise refuse(400, f"Wrong input: Not existing vector name error: {name}")
    if isinstance(body, dict) is not bool(name):
        raise refuse(400, f"Wrong input: Conversion between sparse and regular vectors failed: {name!r}")
    if name:
        return _sparse(body)
    if len(body) != size:
        raise refuse(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(body)}")
    return [float(value) for value in body]


def _sparse(body: dict[str, Any]) -> Any:
    """Checked as `validate_sparse_vector_impl` does; indices may come in any order, and there may be none."""
    only(body, "indices", "values")
    indices, values = body["indices"], body["values"]
    if len(indices) != len(values):
        raise refuse(422, "Validation error in JSON body: [values: must be the same length as indices]")
    if len(set(indices)) != len(indices):
        raise refuse(422, "Validation error in JSON body: [indices: must be unique]")
    if not all(isinstance(index, int) and 0 <= index < 1 << 32 for index in indices):
        raise refuse(400, "Format error in JSON body: invalid value, expected u32")
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise refuse(400, "Format error in JSON body: expected value")
    return edge.SparseVector(indices, [float(value) for value in values])


def shown(vector: Any) -> Any:
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector
