"""Unpacking within limits: counts the bytes that come out, whatever the archive says of them."""

from __future__ import annotations

import tarfile
from typing import IO, Any, Final

from vpa.ingest.contract import Limits
from vpa.ingest.encoding import clean

# A member is in memory while it is handed over.
_MEMBER_BYTES: Final = 256 << 20
_BLOCK: Final = 1 << 16
_HEADER_BYTES: Final = 1 << 20
_HEADERS: Final = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class TooMuchError(Exception):
    """An archive holds more than its limits; says what and how much."""


class MemberTooLargeError(Exception):
    """One member of an archive is too large to be read; says how large it may be."""


class Budget:
    """What is left of the limits of one archive."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.unpacked_bytes
        self.members = 0
        self.skipped = 0

    def count(self) -> None:
        """One more member; raises TooMuchError for one too many."""
        if self.members == self._limits.members:
            raise TooMuchError(
                f"holds more than {self.members} files; the rest was left out: unpack it, or raise VPA_INGEST_MEMBERS"
            )
        self.members += 1

    def read(self, opened: IO[bytes] | CountingStream) -> bytes:
        """All bytes of a member. Raises MemberTooLargeError, and TooMuchError where nothing is left for others."""
        limit = min(_MEMBER_BYTES, self._limits.file_bytes)
        pieces: list[bytes] = []
        size = 0
        while block := opened.read(_BLOCK):
            size += len(block)
            self._left -= len(block)
            if self._left < 0:
                raise too_much(self._limits.unpacked_bytes)
            if size > limit:
                raise MemberTooLargeError(f"unpacks to more than {limit >> 20} MB: unpack the archive and split it")
            pieces.append(block)
        return b"".join(pieces)


class CountingStream:
    """Reads a stream that is being unpacked, and raises TooMuchError once more than a limit has come out."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._left = limit
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The first bytes, which stay to be read."""
        self._ahead = self._stream.read(size)
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, less at the end of what was peeked at."""
        block = self._ahead[:size] if self._ahead else self._stream.read(size)
        self._ahead = self._ahead[size:] if self._ahead else b""
        self._left -= len(block)
        if self._left < -_BLOCK:
            raise too_much(self._limit)
        return block


class CheckedTarInfo(tarfile.TarInfo):
    """Refuses headers of members that tarfile would read into memory whole, such as a name of gigabytes, and ends that
    tarfile takes for the end of the archive. One without its mark at the end is `is_unmarked`.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: Any) -> Any:
        """The next member."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.TruncatedHeaderError:  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends in the middle of a header: get it again") from None
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            tarfile_.is_unmarked = True
            raise

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Any:
        """The member of a header block."""
        member = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        if member.type in _HEADERS and member.size > _HEADER_BYTES:
            raise TooMuchError(f"has a header of {member.size} bytes, as archives do that were made to harm")
        return member


def too_much(unpacked_bytes: int) -> TooMuchError:
    """The error for an archive whose members together are too large."""
    size = f"{unpacked_bytes >> 20} MB" if unpacked_bytes >= 1 << 20 else f"{unpacked_bytes} bytes"
    return TooMuchError(f"unpacks to more than {size}: unpack it, or raise VPA_INGEST_UNPACKED_MB")


def member_name(name: str) -> str:
    """A member's name for showing: no drive, no leading "/", no "..". Empty for what systems add for themselves."""
    parts = [
        "".join(character for character in clean(part) if character.isprintable())
        for part in name.replace("\\", "/").split("/")
    ]
    parts = [part for part in parts if part not in ("", ".", "..") and not (len(part) == 2 and part[1] == ":")]
    if not parts or parts[0] == "__MACOSX" or parts[-1] == ".DS_Store":
        return ""
    return "/".join(parts)
