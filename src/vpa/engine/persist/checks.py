"""Checksums of parts: small enough that damage costs few records, few enough that they cost nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

from vpa.engine.growable import Buffer

# Bytes under one checksum: a disk's page at least, and at most _MOST checksums a payload, so that damage is
# placed to a few kilobytes without a table that grows with the payload.
_SMALLEST: Final = 4 << 10
LARGEST: Final = 1 << 20
_MOST: Final = 256


def check_bytes(length: int) -> int:
    """How many bytes one checksum covers: at most 256 checksums, each of 4 KiB to 1 MiB."""
    wanted = 1 << max(0, (length // _MOST - 1).bit_length())
    return min(max(wanted, _SMALLEST), LARGEST)


def payload_checks(parts: Sequence[Buffer], length: int) -> tuple[int, bytes]:
    """CRC-32 of each `check_bytes(length)` bytes of `parts` joined: the size, and the checksums as packed uint32."""
    size = check_bytes(length)
    checks: list[int] = []
    checksum, room = 0, size
    for part in parts:
        if len(part) <= room:
            checksum = zlib.crc32(part, checksum)
            room -= len(part)
            continue
        rest = memoryview(part)
        while rest:
            piece = rest[:room]
            checksum = zlib.crc32(piece, checksum)
            room -= len(piece)
            rest = rest[len(piece) :]
            if not room:
                checks.append(checksum)
                checksum, room = 0, size
    if room < size or not checks:
        checks.append(checksum)
    return size, struct.pack(f"<{len(checks)}I", *checks)


def unsound_parts(payload: memoryview, size: int, table: memoryview) -> list[tuple[int, int]]:
    """`(start, end)` of each part of `payload` that does not have the checksum in `table`."""
    expected = struct.unpack(f"<{len(table) // 4}I", table)
    starts = range(0, max(1, len(payload)), size)
    return [
        (start, min(start + size, len(payload)))
        for start, checksum in zip(starts, expected, strict=True)
        if zlib.crc32(payload[start : start + size]) != checksum
    ]
