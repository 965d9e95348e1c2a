"""Texts of files by other parsers than those of vpa: pdftotext, LibreOffice, openpyxl, xlrd, lxml, the stdlib.

`text_of(path)` gives None where no second parser is at hand or it fails. LibreOffice converts many files at once:
`convert(paths)` first, where it is installed; without it DOCX, ODT and the like are read from their XML.
"""

from __future__ import annotations

import bz2
import csv
import email
import email.policy
import gzip
import io
import json
import lzma
import mailbox
import re
import shutil
import subprocess
import tarfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

_WORD = re.compile(r"[^\W\d_]{3,}")
_OFFICE = (".docx", ".odt", ".rtf")
_TIMES = re.compile(r"^\s*(\d+\s*$|[\d:.,]+\s*-->.*)|<[^>]*>|^WEBVTT.*$", re.MULTILINE)
# What readers leave out of a web page on purpose.
_ASIDE = (
    "script",
    "style",
    "nav",
    "header",
    "footer",
    "noscript",
    "template",
    "select",
    "button",
    "aside",
    "form",
    "svg",
)
_NAVIGATION = " or ".join(f"contains(@class, '{name}')" for name in ("navheader", "navfooter", "navigation"))
# Values of cells that a spreadsheet program could not work out.
_ERROR = re.compile(r"#(REF|DIV/0|N/A|NAME|NULL|NUM|VALUE)[!?]?")


def words(text: str) -> Counter[str]:
    """Words of three letters and more, in lower case, with how often each occurs."""
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def recall(truth: Mapping[str, int], found: Mapping[str, int]) -> float:
    """The share of the words of `truth` that is in `found`."""
    total = sum(truth.values())
    return sum(min(count, found.get(word, 0)) for word, count in truth.items()) / total if total else 1.0


def convert(paths: Sequence[Path], place: Path) -> dict[Path, Path]:
    """Texts that LibreOffice makes of documents: one process for each 40."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    wanted = [path for path in paths if path.suffix.lower() in _OFFICE]
    if program is None:
        return {}
    made = {}
    for start in range(0, len(wanted), 40):
        batch = place / str(start)
        links = {}
        batch.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(wanted[start : start + 40]):
            link = batch / f"{number}{path.suffix.lower()}"
            link.unlink(missing_ok=True)
            link.symlink_to(path)
            links[path] = link
        profile = f"-env:UserInstallation=file://{place}/profile"
        command = [program, profile, "--headless", "--convert-to", "txt:Text (encoded):UTF8", "--outdir", batch]
        try:
            subprocess.run([*command, *links.values()], capture_output=True, timeout=240)
        except subprocess.TimeoutExpired:
            continue
        made.update(
            {path: link.with_suffix(".txt") for path, link in links.items() if link.with_suffix(".txt").exists()}
        )
    return made


def text_of(path: Path, converted: Mapping[Path, Path]) -> str | None:
    """The text of a file; None where it has none that a second parser can read."""
    if path in converted:
        return converted[path].read_text("utf-8", "replace")
    try:
        return text_of_bytes(path.name, path.read_bytes())
    except Exception:  # noqa: BLE001 - a parser may raise anything; the file has no truth then
        return None


def text_of_bytes(name: str, data: bytes) -> str | None:
    """The same, of bytes under a name."""
    suffix = PurePosixPath(name.lower()).suffix
    parser = _PARSERS.get(suffix)
    if suffix in (".gz", ".xz", ".bz2", ".zip", ".tar"):
        return "\n".join(text_of_bytes(inner, part) or "" for inner, part in members(name, data))
    return parser(data) if parser is not None else None


def members(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """What is in an archive."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                yield info.filename, archive.read(info)
    elif ".tar" in name or name.endswith(".tgz"):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                if (opened := tar.extractfile(member)) is not None:
                    yield member.name, opened.read()
    else:
        opener = {".gz": gzip, ".xz": lzma, ".bz2": bz2}[PurePosixPath(name).suffix]
        inner = PurePosixPath(name).stem
        yield inner if PurePosixPath(inner).suffix in _PARSERS else inner + ".txt", opener.decompress(data)


def decoded(data: bytes) -> str:
    """Text by its mark, as UTF-8, or as KOI8-R or Windows-1252, whichever gives more letters."""
    for mark, encoding in ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        high = sum(byte >= 0xC0 for byte in data)
        return data.decode("koi8-r" if high > len(data) / 4 else "cp1252", "replace")


def pdf(data: bytes) -> str:
    """By pdftotext, without lines that stand at the top or bottom of many pages; by pypdf without it."""
    if shutil.which("pdftotext") is None:
        from pypdf import PdfReader

        pages = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    else:
        done = subprocess.run(["pdftotext", "-enc", "UTF-8", "-", "-"], input=data, capture_output=True, timeout=120)
        if done.returncode:
            raise ValueError(done.stderr[-200:])
        pages = done.stdout.decode("utf-8", "replace").split("\f")
    lines = [[line for line in page.splitlines() if line.strip()] for page in pages]
    edges = Counter(mark for page in lines for mark in {_mark(line) for line in (*page[:3], *page[-3:])})
    often = {mark for mark, count in edges.items() if count > max(3, len(pages) * 0.25)}
    return "\n".join(line for page in lines for line in page if _mark(line) not in often)


def _mark(line: str) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", " ".join(line.split()))


def xml_paragraphs(data: bytes, paragraph: str, text: Sequence[str], space: Sequence[str] = ()) -> str:
    """Texts of elements by paragraph; what older programs are to show instead is left out."""
    root = ElementTree.fromstring(data)
    for shape in [one for one in root.iter() if one.tag.endswith("}sp")]:
        # Date, footer and number of a slide.
        if any(one.get("type") in ("dt", "ftr", "sldNum") for one in shape.iter() if one.tag.endswith("}ph")):
            shape.clear()
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}Fallback", "}del", "}instrText", "}tracked-changes")):
                parent.remove(child)
    result = []
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name == paragraph:
            result.append("\n")
        elif name in text:
            result.append(element.text or "")
        elif name in space:
            result.append(" ")
    return "".join(result)


def docx(data: bytes) -> str:
    """Body and notes, from the XML."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [
            name for name in archive.namelist() if re.fullmatch(r"word/(document|footnotes|endnotes)\d*\.xml", name)
        ]
        return "\n".join(xml_paragraphs(archive.read(name), "p", ("t",), ("tab", "br", "cr")) for name in names)


def pptx(data: bytes) -> str:
    """Slides and notes, from the XML."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"ppt/(slides|notesSlides)/\w+\.xml", name)]
        return "\n".join(xml_paragraphs(archive.read(name), "p", ("t",), ("br",)) for name in names)


def open_document(data: bytes) -> str:
    """Paragraphs and headings of content.xml."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = ElementTree.fromstring(archive.read("content.xml"))
    return "\n".join(
        "".join(element.itertext()) for element in root.iter() if element.tag.rpartition("}")[2] in ("p", "h")
    )


def xlsx(data: bytes) -> str:
    """Cells, by openpyxl."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    cells = (cell for sheet in book.worksheets for row in sheet.iter_rows(values_only=True) for cell in row)
    return "\n".join(cell for cell in cells if isinstance(cell, str) and not _ERROR.fullmatch(cell))


def xls(data: bytes) -> str | None:
    """Cells, by xlrd where it is installed."""
    try:
        import xlrd
    except ImportError:
        return None
    book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO())
    cells = (cell for sheet in book.sheets() for n in range(sheet.nrows) for cell in sheet.row_values(n))
    return "\n".join(cell for cell in cells if isinstance(cell, str))


def html(data: bytes) -> str:
    """The article or the main part where there is one, else the body; without what stands aside."""
    import lxml.html

    declared = re.search(rb"charset=[\"']?([\w-]+)", data[:2000])
    encoding = declared[1].decode() if declared else None
    text = data.decode(encoding, "replace") if encoding else decoded(data)
    root = lxml.html.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    main = max(root.xpath("//article|//main|//*[@role='main']"), key=lambda one: len(one.text_content()), default=None)
    body = main if main is not None else root.find("body") if root.find("body") is not None else root
    for element in list(body.iter(*_ASIDE)):
        if element is not body and element.getparent() is not None:
            element.drop_tree()
    for element in body.xpath(f".//*[{_NAVIGATION}]"):
        if element.getparent() is not None:
            element.drop_tree()
    for element in body.xpath(".//*[@hidden or contains(translate(@style, ' ', ''), 'display:none')]"):
        if element.getparent() is not None:
            element.drop_tree()
    return _spaced(body)


def _spaced(body: Any) -> str:
    """Text with a space at the borders of blocks."""
    inline = {"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd"}
    inline |= {"mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr"}
    parts = []
    from lxml import etree

    for event, element in etree.iterwalk(body, events=("start", "end", "comment", "pi")):
        if event in ("comment", "pi"):
            parts.append(element.tail or "")
            continue
        if element.tag not in inline:
            parts.append("\n")
        parts.append((element.text if event == "start" else element.tail if element is not body else "") or "")
    return "".join(parts)


def epub(data: bytes) -> str:
    """The chapters of the spine."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        place = next(one for one in container.iter() if one.tag.endswith("}rootfile")).attrib["full-path"]
        package = ElementTree.fromstring(archive.read(place))
        items = {one.attrib["id"]: one.attrib["href"] for one in package.iter() if one.tag.endswith("}item")}
        names = [items[one.attrib["idref"]] for one in package.iter() if one.tag.endswith("}itemref")]
        folder = PurePosixPath(place).parent
        return "\n".join(html(archive.read(str(folder / name))) for name in names)


def message(data: bytes) -> str:
    """Subject, body and attachments that a second parser reads."""
    made = email.message_from_bytes(data, policy=email.policy.default)
    parts = [str(made.get("subject", ""))]
    body = made.get_body(preferencelist=("plain", "html"))
    if body is not None:
        raw = body.get_payload(decode=True) or b""
        parts.append(html(raw) if body.get_content_type() == "text/html" else str(body.get_content()))
    for part in made.iter_attachments():
        raw, name = part.get_payload(decode=True), part.get_filename() or ""
        if isinstance(raw, bytes):
            parts.append(text_of_bytes(name, raw) or "")
    return "\n".join(parts)


def messages(data: bytes) -> str:
    """Of a mailbox."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return "\n".join(message(bytes(one)) for one in mailbox.mbox(file.name))


def table(data: bytes) -> str:
    """Cells; all of the text where it is no table."""
    text = decoded(data)
    try:
        return "\n".join(
            cell for row in csv.reader(io.StringIO(text), csv.Sniffer().sniff(text[:4000])) for cell in row
        )
    except csv.Error:
        return text


def values(data: bytes) -> str:
    """Texts of more than one word in JSON, or in lines of it."""
    text = decoded(data)
    try:
        rows = [json.loads(text)]
    except json.JSONDecodeError:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return "\n".join(one for one in _texts(rows) if len(one.split()) > 1)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for key, one in value.items() if key not in ("id", "_id") for text in _texts(one))
    elif isinstance(value, Sequence):
        yield from (text for one in value for text in _texts(one))


def xml(data: bytes) -> str:
    """All text between tags."""
    return "\n".join(ElementTree.fromstring(data).itertext())


def subtitles(data: bytes) -> str:
    """Cues without numbers, times and tags."""
    return _TIMES.sub("", decoded(data))


def notebook(data: bytes) -> str:
    """The sources of cells."""
    return "\n".join("".join(cell["source"]) for cell in json.loads(data)["cells"])


_PARSERS: dict[str, Callable[[bytes], str | None]] = {
    **dict.fromkeys((".txt", ".md", ".rst", ".py", ".yaml"), decoded),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html),
    **dict.fromkeys((".odt", ".ods", ".odp"), open_document),
    **dict.fromkeys((".csv", ".tsv"), table),
    **dict.fromkeys((".json", ".jsonl"), values),
    **dict.fromkeys((".srt", ".vtt"), subtitles),
    ".pdf": pdf,
    ".docx": docx,
    ".pptx": pptx,
    ".xlsx": xlsx,
    ".xls": xls,
    ".epub": epub,
    ".eml": message,
    ".mbox": messages,
    ".xml": xml,
    ".ipynb": notebook,
}
