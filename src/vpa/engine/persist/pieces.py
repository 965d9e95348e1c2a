"""Rows out of data of which parts are damaged: which rows of which column are sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpa.base.arrays import FloatMatrix
from vpa.engine.growable import Packed

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes, and the `(start, end)` inside them that are not what was written."""

    data: memoryview
    unsound: Sequence[tuple[int, int]] = ()

    def sound_before(self) -> int:
        """How many bytes at the beginning are sound."""
        return min((start for start, _ in self.unsound), default=len(self.data))

    def sound_from(self) -> int:
        """From which byte to the end all are sound."""
        return max((end for _, end in self.unsound), default=0)

    def rows_without(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Mask:
        """Which of the spans touch nothing unsound."""
        sound = np.ones(len(starts), dtype=np.bool_)
        for first, last in self.unsound:
            sound &= (ends <= first) | (starts >= last)
        return sound


@dataclass(slots=True)
class Rows:
    """`count` rows; each column with a mask of the rows in which it is sound."""

    count: int
    ids: list[str]
    ids_sound: Mask
    vectors: FloatMatrix | None
    vectors_sound: Mask
    heaps: dict[str, Packed] = field(default_factory=dict)
    heaps_sound: dict[str, Mask] = field(default_factory=dict)

    def take(self, numbers: NDArray[np.int64]) -> dict[str, Any]:
        """Columns of some rows, as `Change` takes them."""
        places = numbers.tolist()
        found: dict[str, Any] = {name: packed.take(places) for name, packed in self.heaps.items()}
        return {
            **found,
            "ids": [self.ids[place] for place in places],
            "vectors": None if self.vectors is None else np.ascontiguousarray(self.vectors[numbers]),
        }


def split_ids(piece: Piece, count: int) -> tuple[list[str], Mask]:
    """Ids joined by NUL. Those behind damage are counted from the end; what lies between two damaged parts is lost."""
    if not count:
        return [], np.zeros(0, dtype=np.bool_)
    if not piece.unsound:
        return bytes(piece.data).decode().split("\0"), np.ones(count, dtype=np.bool_)
    # The last piece before the damage, and the first behind it, may be parts of an id.
    before = bytes(piece.data[: piece.sound_before()]).split(b"\0")[:-1]
    behind = bytes(piece.data[piece.sound_from() :]).split(b"\0")[1:]
    ids, sound = [""] * count, np.zeros(count, dtype=np.bool_)
    before, behind = before[:count], behind[-(count - len(before[:count])) :] if count > len(before) else []
    ids[: len(before)] = [one.decode(errors="replace") for one in before]
    sound[: len(before)] = True
    if behind:
        ids[count - len(behind) :] = [one.decode(errors="replace") for one in behind]
        sound[count - len(behind) :] = True
    return ids, sound


def split_heap(lengths: Piece, blob: Piece, count: int) -> tuple[Packed, Mask]:
    """Byte strings by their lengths; where lengths are damaged, those behind are counted from the end."""
    stored = np.frombuffer(bytes(lengths.data[: count * 8]).ljust(count * 8, b"\0"), dtype=np.int64).copy()
    places = np.arange(count, dtype=np.int64) * 8
    known = lengths.rows_without(places, places + 8)
    sizes = np.maximum(stored, 0)
    first_bad = int(np.argmin(known)) if not known.all() else count
    ends = np.cumsum(np.where(np.arange(count) < first_bad, sizes, 0))
    sound = np.arange(count) < first_bad
    if first_bad < count:
        after = count - int(np.argmin(known[::-1]))
        behind = np.arange(count) >= after
        from_end = len(blob.data) - (np.cumsum(np.where(behind, sizes, 0)[::-1])[::-1] - np.where(behind, sizes, 0))
        ends = np.where(behind, from_end, ends)
        sound |= behind
    starts = ends - sizes
    sound &= (starts >= 0) & (ends <= len(blob.data)) & (stored >= -1)
    sound &= blob.rows_without(starts, ends) | (sizes == 0)
    data = bytes(blob.data)
    values = [
        data[start:end] if good and length >= 0 else None
        for start, end, length, good in zip(
            starts.tolist(), ends.tolist(), stored.tolist(), sound.tolist(), strict=True
        )
    ]
    return Packed.of(values), sound


def split_rows(pieces: Mapping[str, Piece], *, count: int, dimension: int | None) -> Rows:
    """The columns of a snapshot, or of one change."""
    ids, ids_sound = split_ids(pieces["ids"], count)
    vectors, vectors_sound = None, np.ones(count, dtype=np.bool_)
    if dimension is not None and "vectors" in pieces:
        piece, size = pieces["vectors"], dimension * 4
        data = bytes(piece.data[: count * size]).ljust(count * size, b"\0")
        vectors = np.frombuffer(data, dtype=np.float32).reshape(count, dimension)
        places = np.arange(count, dtype=np.int64) * size
        vectors_sound = piece.rows_without(places, places + size) & np.isfinite(vectors).all(axis=1)
    rows = Rows(count, ids, ids_sound, vectors, vectors_sound)
    for name, missing in (("texts", None), ("metadata", b""), ("system", b"")):
        if f"{name}.bytes" in pieces:
            rows.heaps[name], rows.heaps_sound[name] = split_heap(
                pieces[f"{name}.lengths"], pieces[f"{name}.bytes"], count
            )
        else:
            rows.heaps[name], rows.heaps_sound[name] = Packed.repeat(missing, count), np.ones(count, dtype=np.bool_)
    return rows
