"""A walk over the elements of a page, which makes blocks of text of them. It does not recurse: pages nest deep."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from vpa.ingest.cleaning import cleaned, squeezed
from vpa.ingest.contract import Part
from vpa.ingest.markup_styles import Sight, Styles
from vpa.ingest.tables import table_parts


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER: Final = _names(
    "script style template noscript head iframe object embed canvas audio video map svg math button select option input"
    " textarea datalist dialog menu rp -comment"
)
_BLOCKS: Final = _names(
    "address article aside blockquote body center dd details dir div dl dt fieldset figcaption figure footer form h1 h2"
    " h3 h4 h5 h6 header hr legend li main nav ol p section summary table tbody td tfoot th thead tr ul caption"
    " pre xmp listing"
)
_PREFORMATTED: Final = ("pre", "xmp", "listing")
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_FURNITURE: Final = frozenset({"nav", "footer", "header", "aside"})
_FURNITURE_ROLES: Final = _names("navigation banner contentinfo search menu menubar dialog alertdialog toolbar")
_FURNITURE_NAMES: Final = re.compile(
    r"(?:^|[\s_-])(?:cookies?|consent|gdpr|breadcrumbs?|navbar|navigation|nav|navheader|navfooter|menu|sidebar\w*"
    r"|sphinxsidebar\w*|related|share|sharing|social|advert\w*|ads|pagination|pager|skip(?:-?link|-to-\w+)|newsletter"
    r"|popup|modal|footer|linenos|headerlink|anchor-?link|permalink|noprint|print-?only)(?:$|[\s_-])",
    re.IGNORECASE,
)
# A section's id is made of its heading, such as "related-work".
_SECTION_NAMES: Final = re.compile(r"(?:^|\s)(?:(?:sub)*section|sect\d|level\d|chapter|appendix)", re.IGNORECASE)
_NOTE_NAMES: Final = re.compile(
    r"note|warning|caution|tip|important|hint|admonition|callout|footnote|example", re.IGNORECASE
)
_WHITES: Final = re.compile(r"\s+")
_AROUND_BREAK: Final = re.compile(r" *\n[ \n]*")
# Text that is hidden, but has fewer letters, is an icon.
_FEWEST: Final = 3
# Cells of layout tables hold more text than this.
_LONGEST_CELL: Final = 300
_MOST_SPANNED: Final = 100


class Certainty(enum.Enum):
    """Whether a text is the page's own: not if its class or id says otherwise, and less if its element does."""

    SURE = enum.auto()
    NAMED = enum.auto()
    FURNITURE = enum.auto()


class Block(NamedTuple):
    """A part, and where it stands: `main` tells the main elements or articles of a page apart, 0 for none."""

    part: Part
    certainty: Certainty
    main: int


class Walk:
    """Makes blocks of an element's text. `flags` says whether there was hidden text."""

    def __init__(self, styles: Styles) -> None:
        self.flags: set[str] = set()
        self._styles = styles
        self._blocks: list[Block] = []
        self._texts: list[str] = []
        self._certainty = [Certainty.SURE]
        self._main = 0
        self._mains = 0
        self._level = 0

    def blocks(self, root: Any) -> list[Block]:
        """The blocks of an element and of all in it, in order."""
        stack: list[tuple[Any, Any]] = [(root, None)]
        while stack:
            node, left = stack.pop()
            if left is not None:
                self._leave(left)
                continue
            tag = node.tag
            if tag == "-text":
                self._texts.append(_WHITES.sub(" ", node.text_content or ""))
            elif tag not in _NEVER and isinstance(tag, str) and self._enters(node, tag):
                stack.append((node, self._opened(node, tag)))
                stack.extend((child, None) for child in reversed(list(node.iter(include_text=True))))
        self._flush()
        return self._blocks

    def _enters(self, node: Any, tag: str) -> bool:
        """Whether the children of an element are walked over; what has its own way to be read is read here."""
        if tag == "br":
            self._texts.append("\n")
        elif tag == "img":
            self._texts.append(f" {squeezed(node.attributes.get('alt') or '')} ")
        elif self._is_hidden(node):
            pass
        elif tag in _PREFORMATTED:
            self._flush()
            self._preformatted(node)
        elif tag == "table" and _is_data(node):
            self._flush()
            self._certainty.append(self._certainty_of(tag, node.attributes) or self._certainty[-1])
            rows = list(self._rows(node))
            for part in table_parts((row for row, _ in rows), header=bool(rows) and rows[0][1]):
                self._add(part)
            self._certainty.pop()
        else:
            # A link to a heading itself, inside of it.
            return tag in _BLOCKS or self._certainty_of(tag, node.attributes) is None
        return False

    def _is_hidden(self, node: Any) -> bool:
        """Whether people do not see an element; hidden text is flagged, and also what is doubtful."""
        sight = self._styles.sight(node)
        if sight is not Sight.SHOWN and len(squeezed(node.text())) >= _FEWEST:
            self.flags.add("hidden_text")
        return sight is Sight.HIDDEN

    def _opened(self, node: Any, tag: str) -> tuple[str, bool, bool]:
        """Takes note of an element whose children come next: its name, and what is to be undone after them."""
        if tag in _BLOCKS:
            self._flush()
        self._level = _HEADINGS.get(tag, self._level)
        attributes = node.attributes
        is_main = not self._main and (tag in ("main", "article") or attributes.get("role") == "main")
        if is_main:
            self._mains += 1
            self._main = self._mains
        certainty = self._certainty_of(tag, attributes)
        doubted = certainty is not None
        if certainty is not None:
            self._certainty.append(certainty)
        return tag, is_main, doubted

    def _leave(self, left: tuple[str, bool, bool]) -> None:
        tag, is_main, doubted = left
        if tag in _BLOCKS:
            self._flush()
        if tag in _HEADINGS:
            self._level = 0
        if is_main:
            self._main = 0
        if doubted:
            self._certainty.pop()

    def _certainty_of(self, tag: str, attributes: Mapping[str, str | None]) -> Certainty | None:
        """What an element says against its text; None where nothing new."""
        if self._certainty[-1] is Certainty.FURNITURE or tag in ("body", "main", "article") or tag in _HEADINGS:
            return None
        classes = attributes.get("class") or ""
        is_section = tag == "section" or _SECTION_NAMES.search(classes) is not None
        names = f"{classes} {'' if is_section else attributes.get('id') or ''}"
        noted = _NOTE_NAMES.search(names) is not None
        if tag in _FURNITURE and not (noted or (self._main and tag in ("header", "aside"))):
            return Certainty.FURNITURE
        if attributes.get("role") in _FURNITURE_ROLES:
            return Certainty.FURNITURE
        if names != " " and not noted and _FURNITURE_NAMES.search(names):
            return Certainty.NAMED
        return None

    def _flush(self) -> None:
        if not self._texts:
            return
        text = cleaned("".join(self._texts))
        self._texts.clear()
        text = _AROUND_BREAK.sub("\n", re.sub("[ \t\xa0]+", " ", text)).strip()
        if not text:
            return
        if self._level:
            self._add(Part(squeezed(text), "heading", level=self._level))
        else:
            self._add(Part(text))

    def _add(self, part: Part) -> None:
        self._blocks.append(Block(part, self._certainty[-1], self._main))

    def _preformatted(self, node: Any) -> None:
        text = cleaned(node.text()).strip("\n").rstrip()
        if text:
            self._add(Part(text, "code"))

    def _rows(self, table: Any) -> Iterator[tuple[list[str], bool]]:
        """The rows of a table, each with whether it is a header. A cell that spans several is in each of them."""
        carried: dict[int, tuple[int, str]] = {}
        caption = table.css_first("caption")
        if caption is not None and (text := self._text(caption)):
            self._add(Part(text))
        for row in table.css("tr"):
            cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
            texts: list[str] = []
            for cell in cells:
                self._carry(texts, carried)
                wide, high = _spanned(cell, "colspan"), _spanned(cell, "rowspan")
                text = self._text(cell)
                for _ in range(wide):
                    if high > 1:
                        carried[len(texts)] = (high, text)
                    texts.append(text)
            self._carry(texts, carried)
            carried = {place: (left - 1, text) for place, (left, text) in carried.items() if left > 1}
            yield texts, bool(cells) and all(cell.tag == "th" for cell in cells)

    def _carry(self, texts: list[str], carried: Mapping[int, tuple[int, str]]) -> None:
        while len(texts) in carried:
            texts.append(carried[len(texts)][1])

    def _text(self, element: Any) -> str:
        """The text of an element that holds no table, on one line."""
        walk = Walk(self._styles)
        blocks = walk.blocks(element)
        self.flags |= walk.flags
        return " ".join(squeezed(block.part.text) for block in blocks if block.certainty is Certainty.SURE)


def _spanned(cell: Any, name: str) -> int:
    value = (cell.attributes.get(name) or "").strip()
    return min(int(value), _MOST_SPANNED) or 1 if value.isdecimal() and len(value) < 10 else 1


def _is_data(table: Any) -> bool:
    """Whether a table holds data, and does not only put text side by side."""
    if table.attributes.get("role") in ("presentation", "none") or table.css_first("table table") is not None:
        return False
    if table.css_first("pre, h1, h2, h3, h4, h5, h6") is not None:
        return False
    if table.css_first("th") is not None:
        return True
    rows = [[cell for cell in row.iter() if cell.tag == "td"] for row in table.css("tr")]
    if len(rows) < 2 or max(map(len, rows)) < 2 or table.css_first("ul, ol, dl, div div, blockquote") is not None:
        return False
    return all(len(cell.text()) <= _LONGEST_CELL for row in rows for cell in row)
