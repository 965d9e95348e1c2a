"""XML: texts in order, titles of sections as headings, flat records as rows; RSS and Atom as entries.

Nothing is fetched, no document type is loaded, and entities are not expanded but for short ones of plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from vpa.ingest.bounded import read_bytes, within
from vpa.ingest.contract import (
    EmptyFileError,
    Item,
    Part,
    SourceDocument,
    SourceFile,
    SourceNote,
    UnreadableError,
    assembled,
)
from vpa.ingest.encoding import clean, decode
from vpa.ingest.fields import document_fields
from vpa.ingest.readers.feeds import feed_document
from vpa.ingest.xml_text import Entities, declared_entities, line_of, local_name, text_of

_TITLES: Final = frozenset({"title", "head", "heading", "h1", "h2", "h3", "h4", "h5", "h6"})
_CODE: Final = frozenset({"programlisting", "screen", "literallayout", "codeblock", "pre", "synopsis"})
_DECLARATION: Final = 200
_DECLARED: Final = re.compile(r"\A\ufeff?(\s*<\?xml[^>]*?)\s+encoding\s*=\s*(\"[^\"]*\"|'[^']*')")
# A record has short values; longer texts are paragraphs.
_VALUE_LENGTH: Final = 200


def read(file: SourceFile) -> Iterator[Item]:
    """One document with the first title as its title."""
    root, notes = _parsed(file)
    yield from notes
    document = feed_document(root, file)
    if document is None:
        content, spans = assembled(within(xml_parts(root), file.limits))
        if not content:
            content, spans = assembled(within(_attribute_parts(root), file.limits))
        if not content:
            raise UnreadableError("holds no text")
        title = next((content[span.start : span.end] for span in spans if span.kind == "heading"), "")
        metadata = document_fields({"language": root.get("{http://www.w3.org/XML/1998/namespace}lang")})
        document = SourceDocument(
            title=title or file.title, content=content, metadata=metadata, origin=file.name, spans=spans
        )
    yield document


def _parsed(file: SourceFile) -> tuple[Any, tuple[SourceNote, ...]]:
    data = read_bytes(file)
    if not data.strip():
        raise EmptyFileError()
    notes: tuple[SourceNote, ...] = ()
    try:
        root = _root(data)
    except etree.XMLSyntaxError as error:
        # Files whose bytes are not in the encoding that they name are common.
        if "ncoding" not in str(error) and "UTF-8" not in str(error):
            raise UnreadableError(_reason(error)) from None
        decoded = decode(data)
        notes = (SourceNote(file.name, f"is not in the encoding that it names; read as {decoded.encoding.upper()}"),)
        try:
            root = _root((_DECLARED.sub(r"\1", decoded.text[:_DECLARATION]) + decoded.text[_DECLARATION:]).encode())
        except etree.XMLSyntaxError as again:
            raise UnreadableError(_reason(again)) from None
    _refuse_bombs(root)
    return root, notes


def _reason(error: etree.XMLSyntaxError) -> str:
    said = str(error)
    if "XML_PARSE_HUGE" in said or "amplification" in said:
        return (
            f"is made to harm, or larger in one place than any reader should take: {said.partition(', use')[0][:200]}"
        )
    return f"is not well-formed XML: {said.removesuffix(' (<string>, line 1)')[:200]}"


def _root(data: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )
    root = etree.fromstring(data, parser)
    if root is None:
        raise UnreadableError("holds no XML element")
    return root


def _refuse_bombs(root: Any) -> None:
    for name, content in declared_entities(root):
        if "&" in content and not re.fullmatch(r"(?:[^&]|&#\w+;|&(?:amp|lt|gt|quot|apos);)*", content):
            raise UnreadableError(f"declares entity {name[:40]!r} by others, as files do that fill the memory")


def xml_parts(root: Any) -> Iterator[Part]:
    """The texts of an element in order. libxml2 refuses trees deeper than 256, so recursion ends."""
    yield from _parts(root, 1, Entities(root))


def _parts(element: Any, level: int, entities: Entities) -> Iterator[Part]:
    name = local_name(element)
    if name in _CODE:
        yield Part(text_of(element, entities).strip("\n"), "code", line_of(element))
    elif _is_mixed(element):
        is_title = name in _TITLES and element.getparent() is not None
        text = " ".join(text_of(element, entities).split())
        yield Part(text, "heading" if is_title else "text", line_of(element), min(level, 6) if is_title else 0)
    elif _is_record(element):
        cells = ((local_name(child), " ".join(text_of(child, entities).split())) for child in element)
        yield Part("; ".join(f"{key}: {value}" for key, value in cells if value), "row", line_of(element))
    else:
        opened = any(local_name(child) in _TITLES for child in element)
        for child in element:
            is_title = local_name(child) in _TITLES
            yield from _parts(child, level if is_title or not opened else level + 1, entities)


def _attribute_parts(root: Any) -> Iterator[Part]:
    """A row for each element with attributes, for files that say all by them."""
    for element in root.iter(etree.Element):
        cells = (f"{key.rpartition('}')[2]}: {value}" for key, value in element.attrib.items() if value.strip())
        if text := "; ".join(cells):
            yield Part(clean(f"{local_name(element)}: {' '.join(text.split())}"), "row", line_of(element))


def _is_mixed(element: Any) -> bool:
    """Whether text stands directly in the element, beside its children or alone."""
    if (element.text or "").strip():
        return True
    return any((child.tail or "").strip() or not isinstance(child.tag, str) for child in element)


def _is_record(element: Any) -> bool:
    """Whether the children are fields: several, without children, short, and none of them a title or a paragraph."""
    children = list(element)
    return len(children) > 1 and all(
        isinstance(child.tag, str)
        and not len(child)
        and local_name(child) not in ("p", "para", "head", "heading")
        and len(child.text or "") <= _VALUE_LENGTH
        for child in children
    )
