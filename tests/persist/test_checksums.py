"""The checksum of snapshots: a slow twin, and what it sees."""

from __future__ import annotations

import random

import numpy as np
import pytest

from vpa.engine.persist.checks import check_bytes, payload_checks, unsound_parts
from vpa.engine.persist.manifest import Owner
from vpa.engine.persist.snapshot import Snapshot, SnapshotIdentity, SnapshotWriter, multilinear
from vpa.testing.disk import SimulatedDisk

WEIGHTS = [int(word) | 1 for word in np.random.PCG64(0x767061).random_raw(131_072)]
IDENTITY = SnapshotIdentity(Owner("a store", "a collection"), 1, "an id", {})


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
    writer = SnapshotWriter(disk, "whole", IDENTITY)
    position, parts = 0, []
    for size in pieces:
        parts.append(np.frombuffer(data[position : position + size], dtype=np.uint8))
        position += size
    writer.add_arrays("bytes", parts, dtype=np.uint8, shape=(len(data),))
    writer.finish({"sequence": 1})
    snapshot = Snapshot(disk, "whole")
    assert bytes(snapshot.bytes_of("bytes")) == data
    section = snapshot.facts["sections"]["bytes"]
    size = section["check_bytes"]
    assert size == check_bytes(len(data))
    assert section["checks"] == [slow(data[start : start + size]) for start in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("length", "size"), [(0, 4096), (1 << 20, 4096), ((1 << 20) + 256, 8192), (2 << 20, 8192), (1 << 30, 1 << 20)]
)
def test_damage_costs_a_256th_or_a_mebibyte(length: int, size: int) -> None:
    assert check_bytes(length) == size


@pytest.mark.parametrize("sizes", [[], [0], [1], [4096], [4097], [5_000, 3, 0, 9_000_000], [1] * 5_000])
def test_a_payload_is_checked_part_by_part(sizes: list[int]) -> None:
    rng = random.Random(2)
    parts = [rng.randbytes(size) for size in sizes]
    data = b"".join(parts)
    size, table = payload_checks(parts, len(data))
    assert unsound_parts(memoryview(data), size, memoryview(table)) == []
    if data:
        broken = bytearray(data)
        place = rng.randrange(len(data))
        broken[place] ^= 1
        [(start, end)] = unsound_parts(memoryview(bytes(broken)), size, memoryview(table))
        assert start <= place < end
