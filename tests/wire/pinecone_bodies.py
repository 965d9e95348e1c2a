"""Refusals of Pinecone's, and what it checks in the bodies of requests."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from wire.http import Refused


def bad(message: str, status: int = 400, code: int = 3) -> Refused:
    return Refused(status, {"code": code, "message": message, "details": []})


def control(message: str, status: int, code: str) -> Refused:
    return Refused(status, {"error": {"code": code, "message": message}, "status": status})


def vector_of(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, **values_of(row), "metadata": row["metadata"]}


def values_of(row: dict[str, Any]) -> dict[str, Any]:
    values = {"values": row["values"].tolist()}
    sparse = row.get("sparse")
    if sparse is None:
        return values
    return {**values, "sparseValues": {"indices": list(sparse), "values": list(sparse.values())}}


def product(row: dict[str, Any], terms: dict[int, float]) -> float:
    sparse = row.get("sparse") or {}
    return sum(sparse.get(number, 0.0) * weight for number, weight in terms.items())


def sparse_of(body: dict[str, Any]) -> dict[int, float]:
    known(body, "indices", "values")
    indices, values = body["indices"], body["values"]
    if len(indices) != len(values):
        raise bad("Sparse indices and values must have the same length")
    if not 1 <= len(indices) <= 2048:
        raise bad(f"Sparse vectors must contain between 1 and 2048 values, got {len(indices)}")
    if len(set(indices)) < len(indices) or not all(0 <= index < 1 << 32 for index in indices):
        raise bad("Sparse indices must be different unsigned 32-bit integers")
    if any(value is None for value in values):
        raise bad("Invalid value for sparse vector: null")
    return {index: float(np.float32(value)) for index, value in zip(indices, values, strict=True)}


def known(body: dict[str, Any], *names: str) -> None:
    strange = sorted(set(body) - set(names))
    if strange:
        raise bad(f"Unknown field: {strange[0]}")


def checked_id(name: Any) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= 512:
        raise bad("ID must be between 1 and 512 characters")
    if not name.isascii():
        raise bad(f"Vector ID must be ASCII, but got '{name}'")
    return name


def checked_metadata(name: str, metadata: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in metadata.items():
        if key.startswith("$"):
            raise bad(f"Metadata key must not start with '$': {key}")
        if value is None:
            continue
        if isinstance(value, list):
            if not all(isinstance(one, str) for one in value):
                raise bad(
                    f"Metadata value must be a string, number, boolean or list of strings, got '{json.dumps(value)}' "
                    f"for field '{key}'"
                )
        elif isinstance(value, dict):
            raise bad(
                f"Metadata value must be a string, number, boolean or list of strings, got '{json.dumps(value)}' for "
                f"field '{key}'"
            )
        # Every number is a float64.
        kept[key] = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    size = len(json.dumps(kept, ensure_ascii=False).encode())
    if size > 40_960:
        raise bad(f"Metadata size is {size} bytes, which exceeds the limit of 40960 bytes per vector (ID '{name}')")
    return kept
