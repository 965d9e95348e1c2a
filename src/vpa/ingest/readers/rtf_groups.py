"""The groups of an RTF file: follows its control words to the text that people see, and to what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Final

from vpa.ingest.contract import Part
from vpa.ingest.documents import comment_text
from vpa.ingest.readers.rtf_controls import (
    CLOSED,
    HEADERS,
    KNOWN,
    PAGES,
    PARAGRAPH_ENDS,
    TOKEN,
    WRITTEN,
    codec_of_charset,
    codec_of_page,
)
from vpa.ingest.readers.rtf_stories import Story, text_of

_TIME: Final = frozenset({"yr", "mo", "dy", "hr", "min"})
_NAMED: Final = frozenset({"title", "author"})
# Text boxes of programs new and old.
_BOXES: Final = frozenset({"shptxt", "dptxbxtext"})
# Groups that have no text themselves, but in parts of them.
_SILENT: Final = frozenset({"fonttbl", "info", "creatim", "shpinst", "do"})
# Stories inside of stories, such as boxes in boxes; deeper ones are text of the one around them.
_DEEPEST: Final = 8
_OUTLINE_LEVELS: Final = 9


@dataclass(slots=True)
class RichText:
    """What is in a file: `facts` holds title, author and the numbers of its time, `encoding` that of the bytes."""

    parts: list[Part] = field(default_factory=list)
    edges: list[Part] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    encoding: str = "cp1252"


@dataclass(slots=True)
class _Group:
    """What holds inside of one pair of braces. `story` is None where text is not of a document."""

    story: Story | None
    codec: str
    name: str = ""
    around: Story | None = None
    is_starred: bool = False
    is_hidden: bool = False
    is_deleted: bool = False
    in_table: bool = False
    level: int = 0
    skips: int = 1
    depth: int = 0
    end: Callable[[], object] | None = None


def rich_text(data: bytes) -> RichText:
    """The text of a file; broken groups are read as far as they go."""
    return _Reading(data).read()


class _Reading:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._result = RichText()
        self._body = Story()
        self._codec = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = self._default_font = 0
        self._group = _Group(self._body, self._codec)
        self._outer: list[_Group] = []
        self._bytes = bytearray()
        self._to_skip = 0
        self._author = ""
        self._continued: list[bool] = []
        self._goes_on = False
        self._is_header = False

    def read(self) -> RichText:
        place = 0
        while token := TOKEN.match(self._data, place):
            place = token.end()
            word, number, escaped, sign, brace, text = token.groups()
            if text is not None:
                self._add_bytes(text)
            elif escaped is not None:
                self._add_bytes(bytes.fromhex(escaped.decode()))
            elif brace is not None:
                self._open() if brace == b"{" else self._close()
            elif word == b"bin":
                place += max(int(number or 0), 0)
            elif word is not None or sign is not None:
                name = (word or sign or b"").decode("latin-1")
                if self._control(name, int(number) if number else None):
                    place = self._end_of_group(place)
        self._write_bytes()
        while self._outer:
            self._close()
        self._result.parts = self._body.end()
        self._result.encoding = self._codec
        return self._result

    def _end_of_group(self, place: int) -> int:
        """Where the group ends whose content nobody sees: at its closing brace."""
        depth = 0
        while token := TOKEN.match(self._data, place):
            if token[1] == b"bin":
                place = token.end() + max(int(token[2] or 0), 0)
                continue
            if token[5] == b"}" and not depth:
                return place
            depth += {b"{": 1, b"}": -1}.get(token[5], 0)
            place = token.end()
        return place

    def _open(self) -> None:
        self._write_bytes()
        self._to_skip = 0
        self._outer.append(self._group)
        self._group = copy(self._group)
        self._group.name, self._group.end, self._group.is_starred = "", None, False

    def _close(self) -> None:
        self._write_bytes()
        self._to_skip = 0
        if not self._outer:
            return
        if self._group.end is not None:
            self._group.end()
        self._group = self._outer.pop()

    def _add_bytes(self, data: bytes) -> None:
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._bytes += data[skipped:]

    def _write_bytes(self) -> None:
        if self._bytes:
            text = self._bytes.decode(self._group.codec, "replace")
            self._bytes.clear()
            self._write(text)

    def _write(self, text: str) -> None:
        group = self._group
        if group.story is None or group.is_deleted:
            return
        if not group.is_hidden:
            group.story.write(text)
        elif text.strip():
            self._result.flags.add("hidden_text")

    def _control(self, name: str, number: int | None) -> bool:
        """Follows a control; True where the rest of its group is passed over."""
        if name == "u" and number is not None:
            self._write_bytes()
            self._write(chr(number & 0xFFFF))
            self._to_skip = self._group.skips
            return False
        if self._to_skip and name in WRITTEN:
            self._to_skip -= 1
            return False
        self._to_skip = 0
        self._write_bytes()
        if name == "*":
            self._group.is_starred = True
        elif name in WRITTEN:
            self._write(WRITTEN[name])
        elif action := _ACTIONS.get(name):
            action(self, number)
        elif name in PARAGRAPH_ENDS:
            if self._group.story is not None:
                self._group.story.end_paragraph(in_table=self._group.in_table, level=self._group.level)
        elif name in _TIME:
            if self._group.name == "creatim":
                self._result.facts[name] = str(number or 0)
        elif not self._format(name, number):
            return self._enter(name)
        return False

    def _format(self, name: str, number: int | None) -> bool:
        """Follows a control that changes how text is read; False for others."""
        group, is_on = self._group, number != 0
        if name == "v":
            group.is_hidden = is_on
        elif name == "deleted":
            group.is_deleted = is_on
        elif name == "plain":
            group.is_hidden = group.is_deleted = False
            group.codec = self._fonts.get(self._default_font, self._codec)
        elif name == "deff":
            self._default_font = number or 0
        elif name == "pard":
            group.in_table, group.level = False, 0
        elif name == "intbl":
            group.in_table = is_on
        elif name == "outlinelevel":
            group.level = number + 1 if number is not None and 0 <= number < _OUTLINE_LEVELS else 0
        elif name == "uc":
            group.skips = max(number or 0, 0)
        elif name == "f":
            self._font = number or 0
            group.codec = self._fonts.get(self._font, self._codec)
        elif name in PAGES or name == "ansicpg":
            self._codec = PAGES.get(name) or codec_of_page(number or 0, instead=self._codec)
            group.codec = self._codec
        elif name == "fcharset":
            self._fonts[self._font] = codec_of_charset(number or 0, instead=self._codec)
        else:
            return False
        return True

    def _enter(self, name: str) -> bool:
        """Begins a group of another kind; True where it is passed over."""
        group = self._group
        is_known = name in KNOWN or name in HEADERS
        if name in CLOSED or (group.is_starred and not is_known):
            return True
        group.is_starred = False
        if name in _SILENT:
            group.name, group.around, group.story = name, group.around or group.story, None
        elif name == "upr":
            # The same text twice, the second time in Unicode.
            group.around, group.story = group.story, None
        elif name == "ud":
            group.story = group.around
        elif name in _NAMED and group.story is None:
            self._begin(lambda parts: self._result.facts.setdefault(name, text_of(parts)))
        elif name == "atnauthor":
            self._begin(self._take_author)
        elif name == "annotation":
            author, around = self._author, group.around or group.story
            self._begin(lambda parts: _add(around, [Part(comment_text(text_of(parts), author=author))]))
        elif name == "footnote" or name in _BOXES:
            around = group.around or group.story or self._body
            self._begin(lambda parts: _add(around, parts))
        elif name in HEADERS:
            self._begin(self._take_edge)
        return False

    def _begin(self, take: Callable[[list[Part]], object]) -> None:
        """Begins a story of its own; `take` gets its parts when the group ends."""
        group = self._group
        if group.depth >= _DEEPEST:
            return
        story = Story()
        group.depth += 1
        group.story, group.around, group.in_table, group.level = story, None, False, 0
        group.end = lambda: take(story.end())

    def _take_author(self, parts: list[Part]) -> None:
        self._author = text_of(parts)

    def _take_edge(self, parts: list[Part]) -> None:
        """A header or a footer; numbers of pages alone say nothing."""
        text = "\n".join(part.text for part in parts if part.text)
        if any(map(str.isalpha, text)) and all(text != edge.text for edge in self._result.edges):
            self._result.edges.append(Part(text))

    def _begin_row(self, number: int | None) -> None:
        self._continued, self._goes_on, self._is_header = [], False, False
        if self._group.story is not None and not self._group.in_table:
            self._group.story.begin_table()

    def _mark_header(self, number: int | None) -> None:
        self._is_header = True

    def _mark_continued(self, number: int | None) -> None:
        self._goes_on = True

    def _define_cell(self, number: int | None) -> None:
        self._continued.append(self._goes_on)
        self._goes_on = False

    def _end_cell(self, number: int | None) -> None:
        if self._group.story is not None:
            self._group.story.end_cell()

    def _end_row(self, number: int | None) -> None:
        if self._group.story is not None:
            self._group.story.end_row(continued=self._continued, is_header=self._is_header)

    def _end_inner_cell(self, number: int | None) -> None:
        """A table inside of a cell is text of the cell."""
        if self._group.story is not None:
            self._group.story.write("\n")


def _add(story: Story | None, parts: list[Part]) -> None:
    if story is not None:
        story.add_aside(parts)


_ACTIONS: Final[Mapping[str, Callable[[_Reading, int | None], None]]] = {
    "trowd": _Reading._begin_row,
    "trhdr": _Reading._mark_header,
    "clvmrg": _Reading._mark_continued,
    "cellx": _Reading._define_cell,
    "cell": _Reading._end_cell,
    "row": _Reading._end_row,
    "nestcell": _Reading._end_inner_cell,
    "nestrow": _Reading._end_inner_cell,
}
