"""ZIP files that hold one document (DOCX, PPTX, XLSX, ODT, EPUB): opened only where they are whole and not too big."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from vpa.ingest.contract import EmptyFileError, SourceFile, UnreadableError

# A tree of XML takes about eight times the memory of its text.
_TREE: Final = 8
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_MB: Final = 1 << 20
# Where entities are declared; in UTF-16 of either order a NUL stands between two signs.
_PROLOG: Final = 1 << 14
_DECLARATIONS: Final = (b"<!ENTITY", b"\0".join((b"<", b"!", b"E", b"N", b"T", b"I", b"T", b"Y")))
_XML: Final = (".xml", ".rels", ".opf", ".ncx", ".xhtml", ".html", ".htm")
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, KeyError, RuntimeError)


@contextmanager
def opened_zip(file: SourceFile, *, what: str) -> Iterator[zipfile.ZipFile]:
    """A ZIP file whose members are within the limits; raises UnreadableError. `what` is the format, "a DOCX file"."""
    check_beginning(file, what=what)
    try:
        archive = zipfile.ZipFile(file.path)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise UnreadableError(f"is damaged ({error}): get it again, or save it again in its own program") from error
    with archive:
        _check_sizes(archive.infolist(), file)
        if file.format != "epub":
            _check_entities(archive)
        yield archive


def check_beginning(file: SourceFile, *, what: str) -> None:
    """Tells an empty file, and one that is not a ZIP file; Office encrypts into OLE files."""
    try:
        with file.path.open("rb") as stream:
            beginning = stream.read(8)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if not beginning:
        raise EmptyFileError()
    if beginning == _OLE:
        raise UnreadableError(
            f"is encrypted, or of the format before {what}: remove the password, or save it as {what} first"
        )
    if not beginning.startswith(b"PK"):
        raise UnreadableError(f"is not {what}, whatever its ending says: give it the right ending")


def _check_sizes(members: list[zipfile.ZipInfo], file: SourceFile) -> None:
    limits = file.limits
    if len(members) > limits.members:
        raise UnreadableError(f"holds {len(members)} members, more than VPA_INGEST_MEMBERS={limits.members} allows")
    size = sum(member.file_size for member in members)
    if size > limits.unpacked_bytes:
        raise UnreadableError(
            f"unpacks to {megabytes(size)}, more than VPA_INGEST_UNPACKED_MB={limits.unpacked_bytes / _MB:g} allows"
        )
    most = limits.memory_bytes // _TREE
    for member in members:
        if member.file_size > most and member.filename.lower().endswith(_XML):
            raise UnreadableError(
                f"holds {member.filename[:80]!r} of {megabytes(member.file_size)}, more than the {megabytes(most)} "
                f"that VPA_INGEST_MEMORY_MB={limits.memory_bytes / _MB:g} allows: split the file, or raise it"
            )


def megabytes(size: int) -> str:
    """A size in words: "3 MB", "0.5 MB"."""
    return f"{size / _MB:.0f} MB" if size >= 10 * _MB else f"{size / _MB:.1g} MB"


def _check_entities(archive: zipfile.ZipFile) -> None:
    """Refuses entities, which no program writes into the XML of documents; each may stand for a million others."""
    for name in archive.namelist():
        if not name.lower().endswith((".xml", ".rels")):
            continue
        try:
            with archive.open(name) as stream:
                beginning = stream.read(_PROLOG)
        except (*_DAMAGE, OSError):
            # Its own reader says what is broken, if it needs it.
            continue
        refuse_entities(beginning, name)


def refuse_entities(data: bytes, name: str) -> None:
    """Raises UnreadableError where the beginning of an XML file, which is called `name`, declares entities."""
    if any(declaration in data[:_PROLOG] for declaration in _DECLARATIONS):
        raise UnreadableError(
            f"declares entities in {name[:80]!r}, as files do that fill the memory: it is not read; if you trust it, "
            "save it again in its own program"
        )


def member_bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes; raises UnreadableError where it is missing, damaged or encrypted."""
    try:
        return archive.read(name)
    except KeyError as error:
        raise UnreadableError(f"is damaged: it lacks {name!r}") from error
    except _DAMAGE as error:
        if "encrypted" in str(error):
            raise UnreadableError("is encrypted: remove the password first") from error
        raise UnreadableError(f"is damaged: {name!r} cannot be unpacked ({error})") from error


def xml_tree(data: bytes) -> Any:
    """The root of a tree; entities are not resolved and nothing is fetched. Raises UnreadableError."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableError(f"is damaged: {str(error)[:200]}") from error
