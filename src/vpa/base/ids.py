"""Chunk ids, and the version stamps that order one document's versions."""

from __future__ import annotations

import threading
import uuid
from typing import Final

from vpa.base.clock import Clock
from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import ValueRuleError, check_text

# A record id may have 512 bytes; the rest is for the version and the number that a chunk id appends.
MAX_DOCUMENT_ID_BYTES: Final = 480


def new_id() -> str:
    """An id that no other record has: 32 hexadecimal digits, at random."""
    return uuid.uuid4().hex


def check_document_id(document_id: object) -> str:
    """Return a document id, or raise InvalidRecordError; shorter than a record id, because chunk ids append to it."""
    if not isinstance(document_id, str) or not document_id:
        raise InvalidRecordError(f"document_id must be a non-empty string, not {document_id!r}")
    try:
        check_text(document_id)
    except ValueRuleError as error:
        raise InvalidRecordError(f"document_id {document_id!r} {error}") from None
    if len(document_id.encode()) > MAX_DOCUMENT_ID_BYTES:
        raise InvalidRecordError(
            f"document_id {document_id[:40]!r}… is longer than {MAX_DOCUMENT_ID_BYTES} UTF-8 bytes"
        )
    return document_id


def chunk_id(document_id: str, *, version: int, index: int) -> str:
    """The record id of one chunk: readable, unique, and in chunk order within a version."""
    return f"{document_id}:{version:x}:{index:05d}"


class VersionStamps:
    """Microseconds since the epoch, never the same twice in one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """A stamp greater than every one before it."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock.now() * 1_000_000))
            return self._last
