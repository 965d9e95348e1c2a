"""One write as a value: ids that go, rows that come. The log stores it; replaying it gives the same collection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from vpa.base.arrays import FloatMatrix
from vpa.base.scope import Scope
from vpa.engine.growable import Buffer, Packed, as_bytes

NOTHING: Final = Packed.of(())


@dataclass(slots=True)
class Change:
    """`removed` ids go, then rows `ids` come or replace those that exist. All or nothing.

    `vectors` None keeps the vectors and texts of existing rows: a change of metadata only.
    `parsed_*` save decoding what the caller had in hand; they are not stored.
    """

    scope: Scope
    removed: Sequence[str] = ()
    ids: Sequence[str] = ()
    vectors: FloatMatrix | None = None
    texts: Packed = NOTHING
    metadata: Packed = NOTHING
    system: Packed = NOTHING
    parsed_metadata: Sequence[dict[str, Any]] | None = field(default=None, compare=False)
    parsed_system: Sequence[dict[str, Any]] | None = field(default=None, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not self.removed and not self.ids


def encode(change: Change) -> list[Buffer]:
    """The change as buffers to be written one after the other; no vector is copied."""
    parts: dict[str, Buffer] = {"removed": _join(change.removed), "ids": _join(change.ids)}
    for name in ("texts", "metadata", "system"):
        values: Packed = getattr(change, name)
        if len(values.blob) or (name == "texts" and (values.lengths == 0).any()):
            parts |= {f"{name}.lengths": values.lengths.tobytes(), f"{name}.bytes": values.blob}
    if change.vectors is not None:
        parts["vectors"] = as_bytes(change.vectors)
    head = {
        "tenant": change.scope.tenant,
        "namespace": change.scope.namespace,
        "dimension": None if change.vectors is None else change.vectors.shape[1],
        "parts": [[name, len(part)] for name, part in parts.items()],
    }
    encoded = json.dumps(head, separators=(",", ":")).encode()
    return [len(encoded).to_bytes(4, "little"), encoded, *parts.values()]


def decode(payload: memoryview) -> Change:
    """What `encode` was given; vectors may share memory with `payload`. Raises ValueError on nonsense."""
    size = int.from_bytes(payload[:4], "little")
    head = json.loads(bytes(payload[4 : 4 + size]))
    parts: dict[str, memoryview] = {}
    position = 4 + size
    for name, length in head["parts"]:
        parts[name] = payload[position : position + length]
        position += length
    ids = _split(parts["ids"])
    vectors = None
    if head["dimension"] is not None:
        data = bytes(parts["vectors"]) if len(parts["vectors"]) % 4 else parts["vectors"]
        vectors = np.frombuffer(data, dtype=np.float32).reshape(len(ids), head["dimension"])
    return Change(
        scope=Scope(head["tenant"], head["namespace"]),
        removed=_split(parts["removed"]),
        ids=ids,
        vectors=vectors,
        texts=_packed(parts, "texts", count=len(ids), default=None),
        metadata=_packed(parts, "metadata", count=len(ids), default=b""),
        system=_packed(parts, "system", count=len(ids), default=b""),
    )


def _join(ids: Sequence[str]) -> bytes:
    return "\0".join(ids).encode()


def _split(joined: memoryview) -> list[str]:
    return bytes(joined).decode().split("\0") if len(joined) else []


def _packed(parts: dict[str, memoryview], name: str, *, count: int, default: bytes | None) -> Packed:
    if f"{name}.bytes" not in parts:
        return Packed.repeat(default, count)
    return Packed(np.frombuffer(parts[f"{name}.lengths"], dtype=np.int64), parts[f"{name}.bytes"])
