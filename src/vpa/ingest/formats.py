"""The table of formats: endings, media types, the reader of each and the libraries that it needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Final

from vpa.ingest.contract import Reader, UnreadableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format. `reader` is a module in `vpa.ingest.readers` with a function `read`.

    `version` rises when the reader makes other text of the same bytes, so that files are read again. `needs` are
    distributions that `extra` installs. `cut_as` is where documents may be cut ("markdown", "python"; see
    `FormatName`).
    """

    name: str
    endings: Sequence[str]
    media_type: str
    reader: str
    needs: Sequence[str] = ()
    extra: str = "ingest"
    version: int = 1
    cut_as: str = "text"

    @property
    def parser(self) -> str:
        """Reader and libraries with their versions, as the ledger keeps them."""
        return " ".join((f"{self.reader}/{self.version}", *(f"{name}/{_version(name)}" for name in self.needs)))

    def load(self) -> Reader:
        """The reader; raises UnreadableError with the pip line where a library is missing."""
        missing = [name for name in self.needs if not _version(name)]
        if missing:
            raise UnreadableError(
                f"is {self.name.upper()}, and {', '.join(missing)} is not installed: pip install 'vpa[{self.extra}]'"
            )
        reader: Reader = importlib.import_module(f"vpa.ingest.readers.{self.reader}").read
        return reader


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _code(name: str, *endings: str, media_type: str = "text/plain", cut_as: str = "") -> Format:
    return Format(name=name, endings=endings, media_type=media_type, reader="code", cut_as=cut_as or name)


_ZIPPED: Final = "application/vnd.openxmlformats-officedocument"
_OPEN: Final = "application/vnd.oasis.opendocument"

FORMATS: Final[Mapping[str, Format]] = {
    one.name: one
    for one in (
        Format(name="text", endings=(".txt", ".text", ".log"), media_type="text/plain", reader="text", version=2),
        Format(
            name="markdown",
            endings=(".md", ".markdown"),
            media_type="text/markdown",
            reader="markdown",
            cut_as="markdown",
        ),
        Format(name="rst", endings=(".rst",), media_type="text/x-rst", reader="rst", cut_as="rst"),
        Format(
            name="html",
            endings=(".html", ".htm", ".xhtml"),
            media_type="text/html",
            reader="html",
            needs=("selectolax",),
            version=2,
        ),
        Format(
            name="pdf", endings=(".pdf",), media_type="application/pdf", reader="pdf", needs=("pypdfium2",), version=2
        ),
        Format(
            name="docx",
            endings=(".docx", ".docm", ".dotx", ".dotm"),
            media_type=f"{_ZIPPED}.wordprocessingml.document",
            reader="docx",
            needs=("python-docx",),
            version=2,
        ),
        Format(
            name="pptx",
            endings=(".pptx", ".pptm", ".potx", ".potm", ".ppsx", ".ppsm"),
            media_type=f"{_ZIPPED}.presentationml.presentation",
            reader="pptx",
            needs=("python-pptx",),
            version=2,
        ),
        Format(
            name="xlsx",
            endings=(".xlsx", ".xlsm", ".xlsb", ".xltx", ".xltm"),
            media_type=f"{_ZIPPED}.spreadsheetml.sheet",
            reader="sheets",
            needs=("python-calamine",),
            version=2,
        ),
        Format(
            name="xls",
            endings=(".xls",),
            media_type="application/vnd.ms-excel",
            reader="sheets",
            needs=("python-calamine",),
            version=2,
        ),
        Format(
            name="ods",
            endings=(".ods", ".ots"),
            media_type=f"{_OPEN}.spreadsheet",
            reader="sheets",
            needs=("python-calamine",),
            version=2,
        ),
        Format(
            name="fods",
            endings=(".fods",),
            media_type=f"{_OPEN}.spreadsheet-flat-xml",
            reader="sheets",
            needs=("python-calamine", "lxml"),
        ),
        *(
            Format(name=name, endings=endings, media_type=f"{_OPEN}.{kind}", reader="odt", needs=("lxml",), version=2)
            for name, endings, kind in (
                ("odt", (".odt", ".ott"), "text"),
                ("odp", (".odp", ".otp"), "presentation"),
                ("odg", (".odg", ".otg"), "graphics"),
                ("fodt", (".fodt",), "text-flat-xml"),
                ("fodp", (".fodp",), "presentation-flat-xml"),
                ("fodg", (".fodg",), "graphics-flat-xml"),
            )
        ),
        Format(
            name="epub",
            endings=(".epub",),
            media_type="application/epub+zip",
            reader="epub",
            needs=("lxml", "selectolax"),
            version=2,
        ),
        Format(name="rtf", endings=(".rtf",), media_type="application/rtf", reader="rtf", version=2),
        Format(name="csv", endings=(".csv",), media_type="text/csv", reader="delimited", version=2),
        Format(
            name="tsv", endings=(".tsv", ".tab"), media_type="text/tab-separated-values", reader="delimited", version=2
        ),
        Format(name="json", endings=(".json",), media_type="application/json", reader="json", version=2),
        Format(
            name="jsonl", endings=(".jsonl", ".ndjson"), media_type="application/x-ndjson", reader="jsonl", version=2
        ),
        Format(
            name="notebook", endings=(".ipynb",), media_type="application/x-ipynb+json", reader="notebook", version=2
        ),
        Format(name="xml", endings=(".xml",), media_type="application/xml", reader="xml", needs=("lxml",), version=2),
        Format(name="eml", endings=(".eml",), media_type="message/rfc822", reader="eml", version=2),
        Format(name="mbox", endings=(".mbox", ".mbx"), media_type="application/mbox", reader="mbox", version=2),
        Format(name="srt", endings=(".srt",), media_type="application/x-subrip", reader="subtitles", version=2),
        Format(name="vtt", endings=(".vtt",), media_type="text/vtt", reader="subtitles", version=2),
        Format(
            name="image",
            endings=(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"),
            media_type="image/*",
            reader="image",
        ),
        Format(name="zip", endings=(".zip",), media_type="application/zip", reader="archive"),
        Format(
            name="tar",
            endings=(".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"),
            media_type="application/x-tar",
            reader="archive",
        ),
        Format(name="gz", endings=(".gz",), media_type="application/gzip", reader="archive"),
        Format(name="xz", endings=(".xz",), media_type="application/x-xz", reader="archive"),
        Format(name="bz2", endings=(".bz2",), media_type="application/x-bzip2", reader="archive"),
        _code("python", ".py", ".pyi", media_type="text/x-python"),
        _code("js", ".js", ".mjs", ".cjs", ".jsx", media_type="text/javascript"),
        _code("ts", ".ts", ".tsx", media_type="text/x-typescript"),
        _code("c", ".c", ".h", media_type="text/x-c"),
        _code("cpp", ".cpp", ".cc", ".cxx", ".hpp", ".hh", media_type="text/x-c++"),
        _code("csharp", ".cs"),
        _code("java", ".java", media_type="text/x-java"),
        _code("kotlin", ".kt", ".kts"),
        _code("scala", ".scala"),
        _code("swift", ".swift"),
        _code("go", ".go"),
        _code("rust", ".rs"),
        _code("ruby", ".rb"),
        _code("php", ".php"),
        _code("perl", ".pl", ".pm"),
        _code("lua", ".lua"),
        _code("haskell", ".hs"),
        _code("elixir", ".ex", ".exs"),
        _code("powershell", ".ps1"),
        _code("proto", ".proto"),
        _code("r", ".r"),
        _code("latex", ".tex", media_type="text/x-tex"),
        _code("sql", ".sql", cut_as="text"),
        _code("shell", ".sh", ".bash", ".zsh", media_type="text/x-shellscript", cut_as="text"),
        _code("css", ".css", ".scss", ".less", media_type="text/css", cut_as="text"),
        _code("yaml", ".yaml", ".yml", media_type="application/yaml", cut_as="text"),
        _code("toml", ".toml", media_type="application/toml", cut_as="text"),
        _code("ini", ".ini", ".cfg", ".conf", ".properties", cut_as="text"),
    )
}
_BY_ENDING: Final = {ending: one.name for one in FORMATS.values() for ending in one.endings}


def format_of_name(name: str) -> str:
    """The name of the format that a file's ending says; empty where no reader knows it."""
    suffixes = PurePath(name.lower()).suffixes
    return _BY_ENDING.get("".join(suffixes[-2:])) or _BY_ENDING.get(suffixes[-1], "") if suffixes else ""


def known_endings() -> list[str]:
    """Every ending that a reader knows, sorted."""
    return sorted(_BY_ENDING)
