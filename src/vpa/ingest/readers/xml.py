"""XML: texts in order, titles of sections as headings, flat records as rows; RSS and Atom as entries.

Nothing is fetched, no document type is loaded, and entities are not expanded but for short ones of plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
# Elements that only texts have, and the share of elements inside of sentences that tells one too.
_PROSE: Final = frozenset({"p", "para", "simpara", "chapter", "section", "sect1", "sec", "body", "topic", "blockquote"})
_INLINE: Final = 0.05
_MOST_ATTRIBUTES: Final = 10_000
_OF_XML: Final = ("{http://www.w3.org/XML/1998/namespace}", "{http://www.w3.org/2001/XMLSchema-instance}")
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
        unread = _unread_attributes(root)
        if not content:
            unread = 0
            content, spans = assembled(within(_attribute_parts(root), file.limits))
        if not content:
            raise EmptyFileError("holds no text")
        title = next((content[span.start : span.end] for span in spans if span.kind == "heading"), "")
        metadata = document_fields({"language": root.get("{http://www.w3.org/XML/1998/namespace}lang")})
        document = SourceDocument(
            title=title or file.title, content=content, metadata=metadata, origin=file.name, spans=spans
        )
        if unread:
            yield SourceNote(file.name, f"left out the attributes of {unread} elements of its text")
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
    yield from _parts(root, 1, Entities(root), attributed=not _is_prose(root))


def _parts(element: Any, level: int, entities: Entities, *, attributed: bool) -> Iterator[Part]:
    """`attributed` says that attributes are data, and are read with what the element holds."""
    name = local_name(element)
    attributes = list(_attributes(element)) if attributed else []
    if name in _CODE or _is_mixed(element):
        if attributes and (name in _CODE or name in _TITLES):
            yield _attribute_row(element, attributes)
            attributes = []
        yield _text_part(element, level, entities, attributes)
    elif _is_record(element) and not (attributed and _are_alike(element)):
        cells = [(local_name(child), _cell(child, entities, attributed=attributed)) for child in element]
        cells = [*attributes, *cells]
        yield Part("; ".join(f"{key}: {value}" for key, value in cells if value), "row", line_of(element))
    else:
        if attributes:
            yield _attribute_row(element, attributes)
        opened = any(local_name(child) in _TITLES for child in element)
        for child in element:
            is_title = local_name(child) in _TITLES
            yield from _parts(child, level if is_title or not opened else level + 1, entities, attributed=attributed)


def _text_part(element: Any, level: int, entities: Entities, attributes: Sequence[tuple[str, str]]) -> Part:
    name, text = local_name(element), text_of(element, entities)
    if name in _CODE:
        return Part(text.strip("\n"), "code", line_of(element))
    text = " ".join(text.split())
    if name in _TITLES and element.getparent() is not None:
        return Part(text, "heading", line_of(element), min(level, 6))
    if attributes:
        return Part("; ".join((*(f"{key}: {value}" for key, value in attributes), text)), "row", line_of(element))
    return Part(text, "text", line_of(element))


def _cell(element: Any, entities: Entities, *, attributed: bool) -> str:
    """The text of a field, with its attributes in brackets."""
    text = " ".join(text_of(element, entities).split())
    said = ", ".join(f"{key}: {value}" for key, value in _attributes(element)) if attributed else ""
    return f"{text} ({said})" if text and said else text or said


def _attribute_parts(root: Any) -> Iterator[Part]:
    """A row for each element with attributes, for files that say all by them."""
    for element in root.iter(etree.Element):
        if attributes := list(_attributes(element)):
            yield _attribute_row(element, attributes)


def _attribute_row(element: Any, attributes: Sequence[tuple[str, str]]) -> Part:
    text = "; ".join(f"{key}: {value}" for key, value in attributes)
    return Part(f"{clean(local_name(element))}: {text}", "row", line_of(element))


def _attributes(element: Any) -> Iterator[tuple[str, str]]:
    """The attributes that are the file's own, and not those of XML itself. Raises UnreadableError for more than a
    person writes: the library looks for each of them among all.
    """
    if (count := len(element.attrib)) > _MOST_ATTRIBUTES:
        raise UnreadableError(f"holds an element with {count} attributes: make elements of them")
    for key, value in element.attrib.items():
        if value.strip() and not key.startswith(_OF_XML):
            yield clean(key.rpartition("}")[2]), clean(" ".join(value.split()))


def _is_prose(root: Any) -> bool:
    """Whether a file is a text with markup, whose attributes are those of its layout, rather than data."""
    elements = inline = 0
    for element in root.iter(etree.Element):
        if local_name(element) in _PROSE:
            return True
        parent = element.getparent()
        elements += 1
        inline += parent is not None and bool((parent.text or "").strip())
    return inline >= _INLINE * elements


def _unread_attributes(root: Any) -> int:
    """How many elements have attributes that are not read: all in a prose, those inside of texts in data."""
    is_prose = _is_prose(root)
    count = 0
    for element in root.iter(etree.Element):
        parent = element.getparent()
        if is_prose or (parent is not None and (parent.text or "").strip()):
            count += any(key not in ("id", "xmlns") for key, _ in _attributes(element))
    return count


def _is_mixed(element: Any) -> bool:
    """Whether text stands directly in the element, beside its children or alone."""
    if (element.text or "").strip():
        return True
    return any((child.tail or "").strip() or not isinstance(child.tag, str) for child in element)


def _are_alike(element: Any) -> bool:
    """Whether the children are records of one kind, each with attributes of its own."""
    return len({local_name(child) for child in element}) == 1 and any(list(_attributes(child)) for child in element)


def _is_record(element: Any) -> bool:
    """Whether the children are fields: several, without children, short, and none of them a title or a paragraph."""
    children = list(element)
    if not any((child.text or "").strip() for child in children):
        return False
    return len(children) > 1 and all(
        isinstance(child.tag, str)
        and not len(child)
        and local_name(child) not in ("p", "para", "head", "heading")
        and len(child.text or "") <= _VALUE_LENGTH
        for child in children
    )
