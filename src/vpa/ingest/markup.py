"""The main text of a page of HTML, for readers of HTML, EPUB and mail: headings, paragraphs, items, programs and rows.

Left out are scripts, navigation, headers, footers, cookie notes and what a person would not see. No link is followed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vpa.ingest.cleaning import cleaned, moment, squeezed
from vpa.ingest.contract import Part, UnreadableError
from vpa.ingest.markup_styles import Styles
from vpa.ingest.markup_walk import Block, Certainty, Walk

# The parser needs minutes for hundreds of thousands of elements inside of one another.


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DEEPEST: Final = 2_000
_TAG: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_VOID: Final = _names("area base br col embed hr img input link meta param source track wbr")
# These end where the next one begins, so that pages may leave them open.
_SELF_ENDING: Final = _names("p li dt dd tr td th thead tbody tfoot option optgroup colgroup rp rt html body")
_RAW: Final = _names("script style textarea title xmp")
# Where the sure text is less than this share of text that only its class names doubt, those are believed wrong.
_SURE: Final = 0.25
# The main element, or the only article, is preferred if it has this share of the text.
_MAIN: Final = 0.5
_AUTHOR: Final = ("author", "dc.creator", "dcterms.creator", "article:author")
_CREATED: Final = ("article:published_time", "dcterms.created", "dc.date", "dcterms.date", "dc.date.issued", "date")
_DESCRIPTION: Final = ("description", "og:description", "dc.description")


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page as parts; `metadata` has what it says of language, author, description, created and url."""

    title: str
    parts: tuple[Part, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def parts_of_html(text: str) -> Page:
    """The main text of a page; raises UnreadableError for one that is nested too deep to be parsed."""
    _check_depth(text)
    from selectolax.lexbor import LexborHTMLParser

    # A NUL would end the text for the parser.
    tree = LexborHTMLParser(text.replace("\0", ""))
    if tree.body is None:
        return Page("", ())
    walk = Walk(Styles(tree))
    parts = _chosen(walk.blocks(tree.body))
    heading = next((part.text for part in parts if part.kind == "heading" and part.level == 1), "")
    named = tree.css_first("title")
    title = squeezed(named.text()) if named is not None else ""
    return Page(title or heading, tuple(parts), _metadata(tree), tuple(sorted(walk.flags)))


def _check_depth(text: str) -> None:
    """Counts open elements without a parser. Those of one name are ended by its ends in any order."""
    if text.count("<") <= _DEEPEST:
        return
    opened: dict[str, int] = {}
    depth, place = 0, 0
    while tag := _TAG.search(text, place):
        place = tag.end()
        name = tag[2].lower()
        if name in _VOID or name in _SELF_ENDING:
            continue
        if tag[1]:
            if opened.get(name):
                opened[name] -= 1
                depth -= 1
        elif name in _RAW:
            place = max(text.find(f"</{tag[2]}", place), place)
        elif not text.endswith("/", place, text.find(">", place, place + 500)):
            opened[name] = opened.get(name, 0) + 1
            depth += 1
            if depth > _DEEPEST:
                raise UnreadableError(
                    f"nests more than {_DEEPEST} elements in one another: no program that shows pages writes such HTML"
                )


def _chosen(blocks: Sequence[Block]) -> list[Part]:
    """The parts of the main text: without what is doubtful, and of the main element where that has most of it."""
    sizes = {certainty: sum(len(b.part.text) for b in blocks if b.certainty is certainty) for certainty in Certainty}
    accepted = {Certainty.SURE}
    if sizes[Certainty.SURE] < _SURE * sizes[Certainty.NAMED]:
        accepted.add(Certainty.NAMED)
    if not any(sizes[certainty] for certainty in accepted):
        accepted = set(Certainty)
    sure = [block for block in blocks if block.certainty in accepted]
    mains = {block.main for block in sure if block.main}
    if len(mains) == 1:
        inside = [block for block in sure if block.main]
        if sum(len(b.part.text) for b in inside) >= _MAIN * sum(len(b.part.text) for b in sure):
            sure = inside
    return [block.part for block in sure]


def _metadata(tree: Any) -> dict[str, Any]:
    named: dict[str, str] = {}
    for element in tree.css("meta[content]"):
        attributes = element.attributes
        name = attributes.get("name") or attributes.get("property") or ""
        named.setdefault(name.lower(), squeezed(attributes.get("content") or ""))
    link = tree.css_first('link[rel="canonical"]')
    root = tree.root
    language = (root.attributes.get("lang") or root.attributes.get("xml:lang") or "") if root is not None else ""
    metadata = {
        "language": squeezed(language) or named.get("dc.language", ""),
        "author": _first(named, _AUTHOR),
        "description": _first(named, _DESCRIPTION),
        "created": moment(_first(named, _CREATED)),
        "url": cleaned((link.attributes.get("href") or "").strip()) if link is not None else "",
    }
    return {key: value for key, value in metadata.items() if value}


def _first(named: Mapping[str, str], names: Sequence[str]) -> str:
    return next((named[name] for name in names if named.get(name)), "")
