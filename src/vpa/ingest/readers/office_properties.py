"""What office files say of themselves: title, author, time and language, under the names that metadata has."""

from __future__ import annotations

from typing import Any, Final

from vpa.ingest.cleaning import moment, squeezed

# What programs write where a person named nobody.
_PROGRAMS: Final = frozenset(
    {"openpyxl", "python-docx", "xlsxwriter", "anonymous", "(anonymous)", "unknown", "(unspecified)"}
)


def own_author(author: str) -> str:
    """The author in the properties, on one line; empty where a program made it up."""
    author = squeezed(author)
    return "" if author.casefold() in _PROGRAMS else author


def open_properties(root: Any) -> dict[str, Any]:
    """Those of an OpenDocument file (meta.xml), which may be missing."""
    texts = _texts(root)
    return {
        "title": texts.get("title", ""),
        "author": own_author(texts.get("initial-creator") or texts.get("creator", "")),
        "created": moment(texts.get("creation-date") or texts.get("date", "")),
        "language": texts.get("language", ""),
    }


def core_properties(root: Any) -> dict[str, Any]:
    """Those of a file of Microsoft Office (docProps/core.xml), which may be missing."""
    texts = _texts(root)
    return {
        "title": texts.get("title", ""),
        "author": own_author(texts.get("creator", "")),
        "created": moment(texts.get("created", "")),
        "language": texts.get("language", ""),
    }


def _texts(root: Any) -> dict[str, str]:
    texts: dict[str, str] = {}
    for element in root.iter("{*}*") if root is not None else ():
        texts.setdefault(element.tag.rpartition("}")[2], squeezed(element.text or ""))
    return texts
