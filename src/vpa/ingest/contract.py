"""What a reader of a file format gets and yields. A reader knows one format: no process, no store, no other reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

# "heading" opens a section; "row" and "code" are not cut where they fit into a chunk; "turn" is what somebody said.
Kind: TypeAlias = Literal["text", "heading", "row", "code", "turn"]
# Where a person opens what a run of text says. Keys, and the types of their values: page, slide, row, line, message and
# cell (int, from 1; a row as the spreadsheet program numbers it, a line of a notebook in its cell), sheet, speaker,
# when (str), seconds (float).
Location: TypeAlias = Mapping[str, Any]
# A chunk never holds text of two values of these.
WALLS: Final = ("slide", "sheet", "message")
_NOWHERE: Final[Location] = MappingProxyType({})


class Part(NamedTuple):
    """A run of text that belongs together, such as a paragraph, a row or a slide's note.

    `level` is that of a heading, from 1. `joined` says that it goes on in the line of the part before it, with nothing
    between the two; "\\n" stands between two rows, and "\\n\\n" between others. `context` is not part of the text, but
    embedded with it, such as the question that a turn answers.
    """

    text: str
    kind: Kind = "text"
    at: Location = _NOWHERE
    level: int = 0
    joined: bool = False
    context: str = ""


class Span(NamedTuple):
    """Where a part stands in the content: `content[start:end]`, in code points. The rest is as in `Part`."""

    start: int
    end: int
    kind: Kind
    at: Location
    level: int = 0
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDocument:
    """A document as a file has it; `origin` is `path` or `path:line`.

    `key` tells the documents of one file apart ("" where it is one), unless they have ids of their own
    (`document_id`). `spans` are in order and do not overlap; without any the content is plain text of `format`.
    `metadata` holds what the file itself says: author, created (an aware datetime), language, and fields of its own.
    `flags` are doubts about the text, such as "hidden_text".
    """

    title: str
    content: str
    key: str = ""
    document_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    format: str = "text"
    origin: str = ""
    spans: Sequence[Span] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """Why something in a file could not be read, and what to do; `origin` is `path` or `path:line`."""

    origin: str
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@dataclass(frozen=True, slots=True)
class SourceNote:
    """What a person should know of a file that was read all the same, such as bytes that were broken. `is_mendable`:
    with what the message asks for more of the file can be read.
    """

    origin: str
    message: str
    is_mendable: bool = False

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@dataclass(frozen=True, slots=True)
class SourceSkipped:
    """A file of a kind that no reader knows, and which kind that is."""

    origin: str
    message: str


@dataclass(frozen=True, slots=True)
class EmbeddedFile:
    """A file inside another one: an attachment, or a member of an archive. It is read as a file of its own.

    `name` comes from outside: it is shown and decides about the format, and is never used as a path. `place` is where
    the file is in the outer one, if that is no folder: "message 3". `metadata` is what its documents have from there.
    """

    name: str
    data: bytes
    place: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


Item: TypeAlias = SourceDocument | SourceProblem | SourceNote | EmbeddedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one file may cost. Times in seconds of the clock, sizes in bytes.

    `text_bytes`: of all documents of a file, as UTF-8. `unpacked_bytes` and `members` are of one archive with all that
    is in it, `depth` how deep files may lie in others.
    """

    seconds: float = 120.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 30
    text_bytes: int = 64 << 20
    unpacked_bytes: int = 1 << 30
    members: int = 10_000
    depth: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to read: `path` is where its bytes are, `name` what to call it in messages and what its ending is.

    `format` is the name that `vpa.ingest.formats` gives it, `title` what to call a document that has no title of its
    own. `ocr_languages` is what tesseract is asked for, "eng+deu".
    """

    path: Path
    name: str
    format: str
    title: str
    limits: Limits = field(default_factory=Limits)
    ocr_languages: str = "eng"


class Reader(Protocol):
    """Turns the bytes of one file format into documents. Runs in a process of its own, under limits.

    Yields a SourceProblem for what cannot be read, and goes on with the rest where it can; raises UnreadableError where
    nothing can be read. It never executes or fetches what a file names.
    """

    def __call__(self, file: SourceFile) -> Iterator[Item]:
        """Read a file."""
        ...


class UnreadableError(Exception):
    """A file cannot be read: what is wrong with it, and what to do. The text follows the file's name and a colon."""


class EmptyFileError(UnreadableError):
    """A file has no text: there is nothing to find in it, and nothing wrong with it in a folder of others."""

    def __init__(self, message: str = "is empty") -> None:
        super().__init__(message)


class UnknownKindError(UnreadableError):
    """A file is of a kind that no reader knows, such as music: in a folder it is passed over, and counted."""


def assembled(parts: Iterable[Part]) -> tuple[str, tuple[Span, ...]]:
    """The content that parts make, and where each stands in it. Blank parts are left out."""
    texts: list[str] = []
    spans: list[Span] = []
    length = 0
    before: Part | None = None
    for part in parts:
        if not part.text.strip():
            continue
        gap = "" if before is None else _gap(before, part)
        texts += (gap, part.text)
        start = length + len(gap)
        length = start + len(part.text)
        spans.append(Span(start, length, part.kind, dict(part.at), part.level, part.context))
        before = part
    return "".join(texts), tuple(spans)


def _gap(before: Part, part: Part) -> str:
    if part.joined:
        return ""
    return "\n" if before.kind == part.kind == "row" else "\n\n"
