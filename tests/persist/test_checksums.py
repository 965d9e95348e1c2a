"""The checksum of snapshots: a slow twin, and what it sees."""

from __future__ import annotations

import random

import numpy as np
import pytest

from vpa.engine.persist.snapshot import Snapshot, SnapshotWriter, multilinear
from vpa.testing.disk import SimulatedDisk

WEIGHTS = [int(word) | 1 for word in np.random.PCG64(0x767061).random_raw(131_072)]


def slow(data: bytes) -> int:
    words = [int.from_bytes(data[n : n + 8], "little") for n in range(0, len(data), 8)]
    return (sum(word * weight for word, weight in zip(words, WEIGHTS, strict=False)) + len(data)) % 2**64


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 4096, 100_003, 1 << 20])
def test_it_is_what_its_formula_says(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert multilinear(memoryview(data)) == slow(data)
    # Also where the bytes do not begin at a multiple of eight.
    assert multilinear(memoryview(b"x" + data)[1:]) == slow(data)


def test_the_weights_never_change() -> None:
    assert WEIGHTS[:2] == [12727580722813257337, 12235217075098812935]


def test_every_changed_word_and_every_lost_byte_is_seen() -> None:
    rng = random.Random(0)
    data = bytearray(rng.randbytes(5_000))
    before = multilinear(memoryview(bytes(data)))
    for _ in range(300):
        place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        data[place] ^= bit
        assert multilinear(memoryview(bytes(data))) != before
        data[place] ^= bit
    assert len({multilinear(memoryview(bytes(n))) for n in range(40)}) == 40
    assert multilinear(memoryview(bytes(data[8:16] + data[:8] + data[16:]))) != before


@pytest.mark.parametrize("pieces", [[3 << 20], [1] * 9, [700_001, 700_001, 700_001], [1 << 20, 5, 2 << 20]])
def test_it_does_not_matter_how_the_bytes_come(pieces: list[int]) -> None:
    disk = SimulatedDisk(seed=0)
    data = random.Random(1).randbytes(sum(pieces))
    writer = SnapshotWriter(disk, "whole")
    position, parts = 0, []
    for size in pieces:
        parts.append(np.frombuffer(data[position : position + size], dtype=np.uint8))
        position += size
    writer.add_arrays("bytes", parts, dtype=np.uint8, shape=(len(data),))
    writer.finish({})
    snapshot = Snapshot(disk, "whole")
    assert bytes(snapshot.bytes_of("bytes")) == data
    rows = snapshot.facts["sections"]["bytes"]["checks"]
    assert rows == [slow(data[start : start + (1 << 20)]) for start in range(0, len(data), 1 << 20)]
