"""Texts of XML elements, with the entities that a document declares for itself."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from vpa.ingest.contract import UnreadableError
from vpa.ingest.encoding import clean

# All that references to entities may stand for; a document names a product or a sign by them.
_EXPANDED: Final = 4 << 20


def declared_entities(root: Any) -> Iterator[tuple[str, str]]:
    """Name and text of each entity that the document of an element declares."""
    declared = root.getroottree().docinfo.internalDTD
    for declaration in declared.iterentities() if declared is not None else ():
        # One of another file has no content: that file is not read.
        yield declaration.name, declaration.content or ""


class Entities:
    """Texts of the entities that a document declares, and of those of HTML; expanded within a budget."""

    def __init__(self, root: Any) -> None:
        self._texts = {name: html.unescape(content) for name, content in declared_entities(root)}
        self._left = _EXPANDED

    def text(self, reference: str) -> str:
        """What a reference such as `&nbsp;` stands for; itself where that is not known."""
        text = self._texts.get(reference.strip("&;"), html.unescape(reference))
        self._left -= len(text)
        if self._left < 0:
            raise UnreadableError(f"expands its entities to more than {_EXPANDED} characters, as files do that harm")
        return text


def element_text(element: Any) -> str:
    """The text of an element and all below it, on one line."""
    return " ".join(text_of(element, Entities(element)).split())


def text_of(element: Any, entities: Entities) -> str:
    """The text of an element and all below it, as it stands."""
    pieces: list[str] = []
    for event, here in etree.iterwalk(element, events=("start", "end")):
        if event == "start":
            pieces.append((here.text or "") if isinstance(here.tag, str) else entities.text(here.text or ""))
        elif here is not element:
            pieces.append(here.tail or "")
    return clean("".join(pieces))


def local_name(element: Any) -> str:
    """The lower-case name of an element without its namespace; empty for an entity."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def line_of(element: Any) -> dict[str, int]:
    """The line of the file on which an element begins, where libxml2 knows it."""
    return {"line": element.sourceline} if element.sourceline else {}
