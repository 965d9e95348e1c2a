"""Archives (zip, tar, and single files packed by gzip, xz or bzip2): each regular member is a file of its own.

Sizes that an archive names are not believed: bytes are counted while they are unpacked. Nothing is written to disk.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

from vpa.ingest.contract import EmbeddedFile, Item, SourceFile, SourceNote, SourceProblem, UnreadableError
from vpa.ingest.readers.unpacking import (
    Budget,
    CheckedTarInfo,
    CountingStream,
    MemberTooLargeError,
    TooMuchError,
    member_name,
)

# What unpacking raises where bytes are damaged, or packed in a way that Python does not know.
_DAMAGED: Final = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_OPENERS: Final[dict[bytes, Callable[[Path, Any], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_TAR_MARK: Final = (257, b"ustar")
_BLOCK: Final = 512


def read(file: SourceFile) -> Iterator[Item]:
    """An EmbeddedFile for each member; what cannot be unpacked is a problem with the member's name."""
    budget = Budget(file.limits)
    try:
        # A tar whose last member is a zip looks like one from its end.
        if _beginning(file).startswith(b"PK"):
            yield from _zip_members(file, budget)
        else:
            yield from _stream_members(file, budget)
        if not budget.members:
            yield SourceNote(file.name, "holds no files")
    except TooMuchError as error:
        yield SourceProblem(file.name, str(error))
    except _DAMAGED as error:
        # Members before the damage have been yielded.
        yield SourceProblem(
            file.name, f"is damaged, or packed in an unknown way: {str(error)[:200] or 'it ends early'}"
        )
    if budget.skipped:
        yield SourceNote(file.name, f"holds {budget.skipped} links or devices, which are not followed")


def _zip_members(file: SourceFile, budget: Budget) -> Iterator[Item]:
    with zipfile.ZipFile(file.path) as archive:
        for member in archive.infolist():
            name = member_name(member.filename)
            if member.is_dir() or not name:
                continue
            budget.count()
            # The upper half is the mode that Unix gives a file; a link has the type 0o12.
            if (member.external_attr >> 28) == 0o12:
                budget.skipped += 1
            elif member.flag_bits & 1:
                yield SourceProblem(_origin(file, name), "is encrypted: unpack the archive and add its files")
            else:
                yield _zip_member(file, archive, member, budget)


def _zip_member(file: SourceFile, archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget) -> Item:
    name = member_name(member.filename)
    try:
        with archive.open(member) as opened:
            return EmbeddedFile(name, budget.read(opened))
    except MemberTooLargeError as error:
        return SourceProblem(_origin(file, name), str(error))
    except TooMuchError:
        raise
    except _DAMAGED as error:
        return SourceProblem(_origin(file, name), f"cannot be unpacked: {str(error)[:200]}")


def _stream_members(file: SourceFile, budget: Budget) -> Iterator[Item]:
    with _unpacked(file) as opened:
        stream = CountingStream(opened, file.limits.unpacked_bytes)
        beginning = stream.peek(_BLOCK)
        place, mark = _TAR_MARK
        if beginning[place : place + len(mark)] == mark or _is_old_tar(beginning):
            yield from _tar_members(file, stream, budget)
        else:
            yield _single(file, stream, budget)


def _unpacked(file: SourceFile) -> IO[bytes]:
    beginning = _beginning(file)
    opener = next((opener for magic, opener in _OPENERS.items() if beginning.startswith(magic)), None)
    return cast(IO[bytes], opener(file.path, "rb") if opener is not None else file.path.open("rb"))


def _beginning(file: SourceFile) -> bytes:
    with file.path.open("rb") as opened:
        return opened.read(6)


def _is_old_tar(beginning: bytes) -> bool:
    """Whether the first block has the checksum of a header, as in tars older than POSIX."""
    try:
        return len(beginning) == _BLOCK and bool(tarfile.TarInfo.frombuf(beginning, "utf-8", "replace").name)
    except tarfile.HeaderError:
        return False


def _single(file: SourceFile, stream: CountingStream, budget: Budget) -> Item:
    path = PurePosixPath(file.name)
    if path.suffix.lower() not in (".gz", ".xz", ".bz2") and file.format not in ("gz", "xz", "bz2"):
        raise UnreadableError("is not an archive that can be read, or it is damaged")
    name = path.stem if path.suffix.lower() in (".gz", ".xz", ".bz2") else path.name
    budget.count()
    try:
        return EmbeddedFile(member_name(name) or file.title, budget.read(stream))
    except MemberTooLargeError as error:
        return SourceProblem(file.name, str(error))


def _tar_members(file: SourceFile, stream: CountingStream, budget: Budget) -> Iterator[Item]:
    with tarfile.open(fileobj=cast(Any, stream), mode="r|", tarinfo=CheckedTarInfo) as archive:
        while (member := archive.next()) is not None:
            # The archive would keep every header that it has read.
            archive.members = []  # type: ignore[attr-defined]
            name = member_name(member.name)
            if member.isdir() or not name:
                continue
            budget.count()
            if not member.isreg():
                budget.skipped += 1
                continue
            opened = archive.extractfile(member)
            if opened is None:
                continue
            try:
                yield EmbeddedFile(name, budget.read(opened))
            except MemberTooLargeError as error:
                yield SourceProblem(_origin(file, name), str(error))
        if getattr(archive, "is_unmarked", False) and budget.members:
            yield SourceNote(file.name, "lacks the mark of its end, so files may be missing: get it again")


def _origin(file: SourceFile, name: str) -> str:
    return f"{file.name}/{name}"
