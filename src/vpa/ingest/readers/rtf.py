"""Rich text (RTF): paragraphs, and the title and the author that the file names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from vpa.ingest.cleaning import cleaned, moment, squeezed
from vpa.ingest.contract import EmptyFileError, Item, Part, SourceFile, UnreadableError
from vpa.ingest.documents import damage_named, document

_BLANK_LINES: Final = re.compile(r"\n\s*\n|\n(?=\S)")
_INFO: Final = re.compile(r"\{\\info\b(.{0,8000})", re.DOTALL)
_CREATED: Final = re.compile(r"\\creatim\\yr(\d+)\\mo(\d+)\\dy(\d+)(?:\\hr(\d+))?(?:\\min(\d+))?")
# Hidden text: "\v" switches it on until "\v0", "\plain" or the end of the group.
_HIDDEN: Final = re.compile(r"\\v(?![a-z0-9])[^{}]*?(?=\\v0\b|\\plain\b|[{}])|\{\\v(?![a-z0-9])[^{}]*\}")
# The length is missing; the bytes follow as digits.
_BINARY_WITHOUT_LENGTH: Final = re.compile(r"\\bin(?![a-z0-9-])")
_GROUPS: Final = 2000


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    data = _bytes(file)
    with damage_named("an RTF file"):
        text = data.decode("latin-1")
        flags = ["hidden_text"] if _HIDDEN.search(text) else []
        text = _BINARY_WITHOUT_LENGTH.sub("", _HIDDEN.sub("", text))
        facts = _facts(text)
        yield from document(file, _paragraphs(_plain(text)), title=facts.pop("title"), metadata=facts, flags=flags)


def _bytes(file: SourceFile) -> bytes:
    try:
        data = file.path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise EmptyFileError()
    if not data.lstrip()[:5] == b"{\\rtf":
        raise UnreadableError("is not RTF, whatever its ending says: give it the right ending")
    if not data.rstrip(b"\0 \r\n\t").endswith(b"}"):
        raise UnreadableError("is damaged: its end is missing; get it again, or open it and save it again")
    return data


def _plain(text: str) -> str:
    from striprtf import striprtf

    untyped: Any = striprtf
    return cleaned(untyped.rtf_to_text(text, errors="replace"))


def _paragraphs(text: str) -> Iterator[Part]:
    """A paragraph is a line; a row of a table is one with "|" between its cells."""
    for line in _BLANK_LINES.split(text):
        if line.count("|") > 1 and line.rstrip().endswith("|"):
            yield Part("; ".join(cell for cell in map(squeezed, line.split("|")) if cell), "row")
        else:
            yield Part(line.strip())


def _facts(text: str) -> dict[str, Any]:
    info = _INFO.search(text)
    if info is None:
        return {"title": ""}
    created = _CREATED.search(info[1])
    return {
        "title": _named(info[1], "title"),
        "author": _named(info[1], "author"),
        "created": moment("{}-{:0>2}-{:0>2}T{:0>2}:{:0>2}".format(*(number or "0" for number in created.groups())))
        if created
        else None,
    }


def _named(info: str, word: str) -> str:
    """The text of one group of the information, its escapes resolved."""
    group = re.search(rf"\{{\\{word}\b((?:[^{{}}\\]|\\.)*)\}}", info)
    return squeezed(_plain(f"{{\\rtf1\\ansi {group[1]}}}")) if group else ""
