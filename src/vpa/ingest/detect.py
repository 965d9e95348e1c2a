"""Which format a file has: by its first bytes, and by its name where these are text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from vpa.ingest.contract import EmptyFileError, UnknownKindError, UnreadableError
from vpa.ingest.detect_containers import ole_format, zip_format
from vpa.ingest.detect_text import LOOKED_AT, text_format, whole_characters
from vpa.ingest.encoding import decode, looks_binary
from vpa.ingest.formats import FORMATS, format_of_name

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC: Final = (
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"\x1f\x8b", "gz"),
    (b"\xfd7zXZ\0", "xz"),
    (b"{\\rtf1", "rtf"),
    (b"{\\rtf\\", "rtf"),
)
_FOREIGN: Final[Sequence[tuple[bytes, str]]] = (
    (b"\x7fELF", "a program"),
    (b"\xca\xfe\xba\xbe", "compiled Java, or a program"),
    (b"\xfe\xed\xfa\xce", "a program"),
    (b"\xfe\xed\xfa\xcf", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xce\xfa\xed\xfe", "a program"),
    (b"\0asm", "a WebAssembly program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"FLV\x01", "a video"),
    (b"\0\1\0\0\0", "a font"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\0\0\1\0", "an icon"),
)
# Magic numbers of letters begin texts too: "OTTO GmbH", "ID3 tags are …". They count where the rest is binary.
_LETTERS: Final[Sequence[tuple[bytes, str]]] = (
    (b"ID3", "sound"),
    (b"fLaC", "sound"),
    (b"OggS", "sound or video"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"OTTO", "a font"),
    (b"ttcf", "a font"),
    (b"PAR1", "a Parquet table"),
    (b"8BPS", "a Photoshop picture: save it as PNG"),
    (b"AT&TFORM", "a DjVu document: convert it to PDF"),
    (b"MSCF", "a cabinet archive: unpack it"),
    (b"ITSF", "compiled HTML help"),
    (b"MZ", "a program"),
    (b"RIFF", "sound or video"),
)
_POSTSCRIPT: Final = re.compile(rb"%!PS(?:-Adobe-\d|[ \t]*[\r\n]|\Z)")
# A text may speak of PDF's first line; that line has nothing more.
_PDF: Final = re.compile(rb"\s*%PDF-\d\.\d[ \t]*(?:[\r\n]|\Z)")
# Formats whose text could be that of many others: their names decide.
_BINARY: Final = frozenset(
    "pdf docx pptx xlsx xls ods odt odp epub image zip tar gz xz bz2 rtf".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Detected:
    """A name in `FORMATS`, and what disagrees: "is PDF by its content, not TXT as its name says"."""

    format: str
    note: str = ""


def detect(path: Path, name: str) -> Detected:
    """The format of a file; `name` is what it is called, `path` where its bytes are.

    Raises UnreadableError for an empty file and for one that no reader knows, with what it is and what to do.
    """
    try:
        with path.open("rb") as opened:
            beginning = opened.read(LOOKED_AT)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if not beginning:
        raise EmptyFileError()
    named = format_of_name(name)
    by_content = _by_magic(path, beginning, named)
    if not by_content and looks_binary(beginning):
        if named in ("mbox", "eml"):
            return Detected(named)
        if named:
            raise UnreadableError(f"is damaged, or not {_shown(named)} as its name says, but a binary file")
        raise UnknownKindError(_unknown(name))
    if not by_content and named in _BINARY and not _is_clean_text(beginning):
        raise UnreadableError(f"is damaged, or not {_shown(named)} as its name says")
    format = by_content or text_format(beginning, named="" if named in _BINARY else named)
    return Detected(format, _note(format, named))


def _by_magic(path: Path, beginning: bytes, named: str) -> str:
    """The format that magic numbers name; empty where there are none. Raises UnreadableError for foreign kinds."""
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return zip_format(path, beginning, named)
    if beginning.startswith(_OLE):
        return ole_format(path, beginning)
    is_binary = looks_binary(beginning)
    if b"%PDF-" in beginning[:1024] and (
        named == "pdf"
        or _PDF.match(beginning)
        or (is_binary and (not named or beginning.lstrip().startswith(b"%PDF-")))
    ):
        return "pdf"
    for magic, format in _MAGIC:
        if beginning.startswith(magic):
            return "tar" if format in ("gz", "xz") and named == "tar" else format
    if beginning[:3] == b"BZh" and beginning[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "tar" if named == "tar" else "bz2"
    if is_binary and beginning[257:262] == b"ustar":
        return "tar"
    if is_binary and (beginning.startswith((b"GIF87a", b"GIF89a", b"BM")) or beginning[8:12] == b"WEBP"):
        return "image"
    if kind := _foreign(beginning, is_binary=is_binary):
        raise UnknownKindError(f"is {kind}" if ": " in kind else f"is {kind}, which no reader knows")
    return ""


def _foreign(beginning: bytes, *, is_binary: bool) -> str:
    """What a file is that no reader knows; empty where nothing says so."""
    for magics in (_FOREIGN, _LETTERS) if is_binary else (_FOREIGN,):
        for magic, kind in magics:
            if beginning.startswith(magic):
                return kind
    if _POSTSCRIPT.match(beginning):
        return "PostScript: convert it to PDF"
    if is_binary and beginning[4:8] == b"ftyp":
        return "a video, sound or picture of a telephone (MP4, HEIC)"
    if is_binary and beginning[2:4] == b"\r\n":
        return "compiled Python"
    if len(beginning) > 3 and beginning[0] == 0xFF and beginning[1] & 0xE6 == 0xE2 and beginning[1] != 0xFE:
        return "sound"
    return ""


def _is_clean_text(beginning: bytes) -> bool:
    """Whether bytes under the name of a binary format are no damaged file of it: UTF-8, or another with a mark."""
    decoded = decode(whole_characters(beginning))
    return not decoded.broken and decoded.encoding.startswith(("utf", "ascii"))


def _unknown(name: str) -> str:
    ending = PurePosixPath(name).suffix
    return f"is of a kind that no reader knows{f' ({ending})' if ending else ''}: convert it to PDF, DOCX or text"


def _note(format: str, named: str) -> str:
    if not named or format == named or {format, named} <= {"gz", "xz", "bz2", "tar"}:
        return ""
    return f"is {_shown(format)} by its content, not {_shown(named)} as its name says"


def _shown(format: str) -> str:
    return {"image": "a picture", "text": "plain text"}.get(format, FORMATS[format].name.upper())
