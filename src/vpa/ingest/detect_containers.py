"""What is in a container: the documents that are ZIP files, and those that are Microsoft's compound files (OLE2)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from vpa.ingest.contract import UnreadableError

_ZIPPED: Final = frozenset({"docx", "pptx", "xlsx", "ods", "odt", "odp", "odg", "epub", "zip"})
_MIMETYPES: Final = (
    (b"application/epub+zip", "epub"),
    (b"application/vnd.oasis.opendocument.text", "odt"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "ods"),
    (b"application/vnd.oasis.opendocument.presentation", "odp"),
    (b"application/vnd.oasis.opendocument.graphics", "odg"),
)
_FOLDERS: Final = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"))
# Names of streams in a compound file, and what it is then; the first that is there decides.
_STREAMS: Final = (
    ("EncryptedPackage", "is encrypted: save it without a password"),
    ("WordDocument", "is an old Word document: save it as DOCX"),
    ("PowerPoint Document", "is an old PowerPoint presentation: save it as PPTX"),
    ("__properties_version1.0", "is an Outlook message: save it as EML"),
    ("Workbook", ""),
    ("Book", ""),
    ("VisioDocument", "is a Visio drawing: save it as PDF"),
)
_SCANNED: Final = 1 << 20


def zip_format(path: Path, beginning: bytes, named: str) -> str:
    """The format of a ZIP file, by its directory."""
    if beginning[30:38] == b"mimetype":
        for mimetype, format in _MIMETYPES:
            if mimetype in beginning[38:200]:
                return format
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        # Its own reader says what is broken.
        return named if named in _ZIPPED else "zip"
    if "[Content_Types].xml" in names:
        return next((format for folder, format in _FOLDERS if any(name.startswith(folder) for name in names)), "zip")
    if "AndroidManifest.xml" in names or "META-INF/MANIFEST.MF" in names:
        raise UnreadableError("is a Java or Android program, which no reader knows")
    if any(name.endswith(".iwa") for name in names):
        raise UnreadableError("is a document of Pages, Numbers or Keynote: export it as PDF or DOCX")
    if "META-INF/container.xml" in names:
        return "epub"
    if "content.xml" in names and named in ("odt", "ods", "odp", "odg"):
        return named
    return "zip"


def ole_format(path: Path, beginning: bytes) -> str:
    """The format of a compound file, of which only XLS is read; raises UnreadableError for others, with what to do."""
    data = _directory(path, beginning)
    for stream, refusal in _STREAMS:
        # A name of the directory is in UTF-16 and ends with NUL.
        if (stream + "\0").encode("utf-16-le") in data:
            if refusal:
                raise UnreadableError(refusal)
            return "xls"
    raise UnreadableError("is an old Office file of a kind that no reader knows: save it in a newer format")


def _directory(path: Path, beginning: bytes) -> bytes:
    """The directory's first sectors, then the beginning of the file, in which it lies mostly."""
    sector = 1 << min(int.from_bytes(beginning[30:32], "little"), 16)
    first = int.from_bytes(beginning[48:52], "little")
    try:
        with path.open("rb") as opened:
            opened.seek((first + 1) * sector)
            directory = opened.read(sector)
            opened.seek(0)
            return directory + opened.read(_SCANNED)
    except (OSError, OverflowError):
        return beginning
