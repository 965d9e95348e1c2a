"""How a log is laid out, and how it is read and checked.

File: a header (magic, version, checksum, then JSON: whose log it is, where it stands in the order, a description of the
collection), then frames. A frame is a header of 44 bytes (nonce, sequence number, length, how much of the file was
known to be synced when it was written, bytes under one checksum, checksum of the table, checksum of this header), the
table of the checksums of its payload, and the payload. The nonce is part of the log's id and keeps stored data from
ever looking like a frame. A frame without a payload is a mark: it says only how much had been synced.

A bad frame at the end is an unfinished write, unless a later frame or a mark says that it had been synced: then
acknowledged data is damaged, and `Contents.damage` says so.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from vpa.engine.growable import Buffer
from vpa.engine.persist.checks import payload_checks, unsound_parts
from vpa.engine.persist.manifest import FORMAT, Owner

_MAGIC: Final = b"VPALOG\x00\x03"
_FILE: Final = struct.Struct("<8sIII")  # magic, version, length of the JSON, checksum of these and of the JSON
# Nonce, sequence, length, synced, bytes per checksum, checksum of the table, checksum of this.
_FRAME: Final = struct.Struct("<8sQQQIII")
NONCE_BYTES: Final = 8
FRAME_BYTES: Final = _FRAME.size


@dataclass(frozen=True, slots=True)
class LogHeader:
    """Whose log it is and where it stands: `first` is its first change, `previous` the id of the log before it."""

    owner: Owner
    generation: int
    id: str
    first: int
    previous: str | None
    info: dict[str, Any]

    @property
    def nonce(self) -> bytes:
        """With which its frames begin."""
        return bytes.fromhex(self.id)[:NONCE_BYTES]

    def encode(self) -> bytes:
        """The first bytes of the file."""
        body = json.dumps(
            {
                "store": self.owner.store,
                "collection": self.owner.collection,
                "generation": self.generation,
                "id": self.id,
                "first": self.first,
                "previous": self.previous,
                "info": self.info,
            },
            ensure_ascii=False,
        ).encode()
        head = _FILE.pack(_MAGIC, FORMAT, len(body), 0)[:-4]
        return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "little") + body


class Frame(NamedTuple):
    """One change as it was read. `check` is the checksum of its header, which covers those of the payload."""

    sequence: int
    payload: memoryview
    end: int
    check: int


class FrameHeader(NamedTuple):
    """A frame's header that has its checksum; `table` are the checksums of the payload, not checked yet."""

    sequence: int
    length: int
    synced: int
    check_bytes: int
    check: int
    table_check: int
    table: memoryview

    @property
    def is_mark(self) -> bool:
        """Whether it holds no change."""
        return not self.check_bytes

    @property
    def size_bytes(self) -> int:
        """With table and payload."""
        return FRAME_BYTES + len(self.table) + self.length


@dataclass(frozen=True, slots=True)
class Contents:
    """What a log holds: its frames, how far it is good, how many bytes behind that cannot be read.

    `damage` says so if those bytes had been acknowledged, or if the frames are not in order; without it they are an
    unfinished write. `header` None: the file was never begun, or its beginning is damaged.
    """

    header: LogHeader | None
    header_bytes: int
    frames: list[Frame]
    good_bytes: int
    torn_bytes: int
    damage: str | None = None

    @property
    def last(self) -> int:
        """Number of the last change; before any, of the one before the first."""
        if self.frames:
            return self.frames[-1].sequence
        return self.header.first - 1 if self.header is not None else 0


def encode_frame(payload: list[Buffer], *, nonce: bytes, sequence: int, synced: int) -> tuple[bytes, int]:
    """Header and table of a frame, and the header's checksum; without a payload a mark."""
    length = sum(len(part) for part in payload)
    size, table = payload_checks(payload, length) if payload else (0, b"")
    head = _FRAME.pack(nonce, sequence, length, synced, size, zlib.crc32(table), 0)[:-4]
    check = zlib.crc32(head)
    return head + check.to_bytes(4, "little") + table, check


def read_header(data: memoryview) -> tuple[LogHeader, int] | None:
    """The header and its length; None if it is damaged or incomplete."""
    if len(data) < _FILE.size:
        return None
    magic, version, length, checksum = _FILE.unpack_from(data)
    body = data[_FILE.size : _FILE.size + length]
    if magic != _MAGIC or version != FORMAT or len(body) != length:
        return None
    if zlib.crc32(body, zlib.crc32(data[: _FILE.size - 4])) != checksum:
        return None
    stored = json.loads(bytes(body))
    owner = Owner(stored["store"], stored["collection"])
    rest = {name: stored[name] for name in ("generation", "id", "first", "previous", "info")}
    return LogHeader(owner, **rest), _FILE.size + length


def frame_header(data: memoryview, position: int, nonce: bytes) -> FrameHeader | None:
    """The header of a frame at `position`, if a sound one stands there; its table may be damaged."""
    if position + FRAME_BYTES > len(data):
        return None
    found, sequence, length, synced, size, table_check, check = _FRAME.unpack_from(data, position)
    if found != nonce or zlib.crc32(data[position : position + FRAME_BYTES - 4]) != check or (length and not size):
        return None
    count = 4 * max(1, -(-length // size)) if size else 0
    table = data[position + FRAME_BYTES : position + FRAME_BYTES + count]
    return FrameHeader(sequence, length, synced, size, check, table_check, table) if len(table) == count else None


def payload_of(data: memoryview, position: int, header: FrameHeader) -> memoryview:
    """The payload; shorter than the header says where the file ends before."""
    start = position + FRAME_BYTES + len(header.table)
    return data[start : start + header.length]


def frame_positions(data: memoryview, start: int, nonce: bytes) -> Iterator[int]:
    """Where sound frame headers stand from `start` on, also behind damage; what is inside a whole frame is skipped."""
    position = start
    while position < len(data):
        header = frame_header(data, position, nonce)
        if header is None:
            position = _find(data, nonce, position + 1)
            continue
        yield position
        whole = len(payload_of(data, position, header)) == header.length
        position = position + header.size_bytes if whole else _find(data, nonce, position + 1)


def _find(data: memoryview, nonce: bytes, start: int) -> int:
    """Where `nonce` comes next; the length of `data` if it does not."""
    step = 1 << 20
    for first in range(start, len(data), step):
        place = bytes(data[first : first + step + len(nonce) - 1]).find(nonce)
        if place >= 0:
            return first + place
    return len(data)


def read_frames(
    data: memoryview, path: str, *, header: LogHeader, position: int, expected: int, offset: int = 0
) -> Contents:
    """The frames from `position` on, the first with number `expected`; `data` begins at byte `offset` of the file."""
    start, frames, nonce = position, [], header.nonce
    damage = None
    while position < len(data) and damage is None:
        found = frame_header(data, position, nonce)
        payload = None if found is None else payload_of(data, position, found)
        whole = found is not None and payload is not None and len(payload) == found.length
        if found is None or payload is None or not whole or _is_unsound(found, payload):
            if _was_synced(data, position, nonce, offset):
                damage = f"{path} is damaged at byte {offset + position}, inside data that had been acknowledged"
            break
        if not found.is_mark:
            damage = _disorder(found.sequence, expected, path, offset + position)
            if damage is not None:
                break
            frames.append(Frame(found.sequence, payload, offset + position + found.size_bytes, found.check))
            expected += 1
        position += found.size_bytes
    return Contents(header, start, frames, position, len(data) - position, damage)


def _is_unsound(header: FrameHeader, payload: memoryview) -> bool:
    if zlib.crc32(header.table) != header.table_check:
        return True
    return not header.is_mark and bool(unsound_parts(payload, header.check_bytes, header.table))


def _disorder(sequence: int, expected: int, path: str, position: int) -> str | None:
    if sequence == expected:
        return None
    what = "repeats" if sequence < expected else "goes on with"
    return (
        f"{path} {what} change {sequence} at byte {position}, where change {expected} must follow: two processes wrote "
        "to it, or a part of it was replaced"
    )


def _was_synced(data: memoryview, bad: int, nonce: bytes, offset: int) -> bool:
    """Whether a later frame or mark knew the bytes at `bad` to be synced."""
    for position in frame_positions(data, bad + 1, nonce):
        header = frame_header(data, position, nonce)
        if header is not None and header.synced > offset + bad:
            return True
    return False


def read_log(data: memoryview, path: str) -> Contents:
    """Read and check a whole log."""
    found = read_header(data)
    if found is None:
        damage = None if not len(data) else f"the beginning of {path} is damaged; its {len(data)} bytes cannot be read"
        return Contents(None, 0, [], 0, len(data), damage)
    header, size = found
    return read_frames(data, path, header=header, position=size, expected=header.first)
