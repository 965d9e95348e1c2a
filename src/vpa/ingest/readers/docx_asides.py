"""What stands beside the text of a Word document: footnotes, endnotes, comments, headers, footers, charts, diagrams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import Part
from vpa.ingest.documents import comment_text
from vpa.ingest.readers.office_graphics import graphic_parts
from vpa.ingest.zipped import xml_tree

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_KINDS: Final = ("footnote", "endnote", "comment")
_OFF: Final = frozenset({"0", "false", "off"})


class Asides:
    """Gives each aside after the paragraph that it hangs on; `text` reads a paragraph as people see it."""

    def __init__(self, opened: Any, text: Callable[[Any], str]) -> None:
        self._part = opened.part
        self._text = text
        self._notes = {(kind, note.get(f"{_W}id")): note for kind in _KINDS for note in self._tree_of(kind)}

    def _tree_of(self, kind: str) -> Iterator[Any]:
        for relation in self._part.rels.values():
            if not relation.is_external and relation.reltype.endswith(f"/{kind}s"):
                yield from xml_tree(relation.target_part.blob).iterchildren(f"{_W}{kind}")

    def of_block(self, block: Any) -> Iterator[Part]:
        """The notes, comments and graphics of a paragraph or a table, each once."""
        for reference in block.iter(*(f"{_W}{kind}Reference" for kind in _KINDS)):
            kind = reference.tag.removeprefix(_W).removesuffix("Reference")
            note = self._notes.pop((kind, reference.get(f"{_W}id")), None)
            if note is not None:
                yield self._part_of(note)
        yield from graphic_parts(block, lambda name: self._part.related_parts[name].blob)

    def rest(self) -> Iterator[Part]:
        """Notes to which nothing refers, without the lines that only separate them."""
        for note in self._notes.values():
            if note.get(f"{_W}type", "normal") == "normal":
                yield self._part_of(note)

    def _part_of(self, note: Any) -> Part:
        text = squeezed(" ".join(map(self._text, note.iter(f"{_W}p"))))
        is_comment = note.tag == f"{_W}comment"
        return Part(comment_text(text, author=note.get(f"{_W}author")) if is_comment else text)

    def edges(self) -> Iterator[Part]:
        """Headers and footers that a page shows, each distinct one once; numbers of pages alone say nothing."""
        seen: set[str] = set()
        for section in self._part.element.iter(f"{_W}sectPr"):
            for reference in section.iterchildren(f"{_W}headerReference", f"{_W}footerReference"):
                part = self._part.related_parts.get(reference.get(f"{_R}id"))
                if part is None or not self._is_shown(section, reference.get(f"{_W}type")):
                    continue
                lines = (self._text(paragraph).strip() for paragraph in _paragraphs(part.element))
                text = "\n".join(filter(None, lines))
                if any(map(str.isalpha, text)) and text not in seen:
                    seen.add(text)
                    yield Part(text)

    def _is_shown(self, section: Any, kind: str | None) -> bool:
        if kind == "first":
            return _is_on(section.find(f"{_W}titlePg"))
        if kind == "even":
            return _is_on(self._part.settings.element.find(f"{_W}evenAndOddHeaders"))
        return True


def _paragraphs(root: Any) -> Iterator[Any]:
    """All paragraphs, of what is written twice for programs old and new only the first."""
    for paragraph in root.iter(f"{_W}p"):
        if next(paragraph.iterancestors(f"{_MC}Fallback"), None) is None:
            yield paragraph


def _is_on(element: Any) -> bool:
    return element is not None and element.get(f"{_W}val", "1") not in _OFF
