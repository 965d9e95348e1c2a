"""The values of the RAG layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from vpa.base.errors import InvalidRecordError
from vpa.base.ids import check_document_id
from vpa.base.metadata import ValueRuleError, canonical_metadata, check_text
from vpa.base.showing import shown
from vpa.ingest.contract import Span
from vpa.retrieval.why import Why

# What `format` may say; any other text is cut as plain text.
FormatName: TypeAlias = Literal[
    "text",
    "markdown",
    "md",
    "html",
    "htm",
    "latex",
    "rst",
    "python",
    "py",
    "js",
    "javascript",
    "ts",
    "typescript",
    "c",
    "cpp",
    "csharp",
    "java",
    "kotlin",
    "scala",
    "swift",
    "go",
    "rust",
    "ruby",
    "php",
    "perl",
    "lua",
    "haskell",
    "elixir",
    "cobol",
    "powershell",
    "visualbasic6",
    "proto",
    "sol",
    "r",
]


# What ingest notes of each file in the metadata of its documents; of little use to people who look at an answer.
FILE_FACTS: Final = frozenset({"source", "media_type", "size", "modified", "content_hash", "language"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document to add. `format` is "text", "markdown" or a language such as "python": where it may be cut.

    `spans` say which runs of the content belong together and where a person finds them (`vpa.ingest.contract.Span`);
    without any they are made from the format.
    """

    document_id: str
    title: str = ""
    content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    format: str = "text"
    spans: Sequence[Span] = ()

    def checked(self) -> NewDocument:
        """The same with canonical metadata; raises InvalidRecordError."""
        check_document_id(self.document_id)
        if not isinstance(self.format, str):
            raise InvalidRecordError(
                f"format of document {self.document_id!r} must be a string such as 'markdown', not {shown(self.format)}"
            )
        for name in ("title", "content"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidRecordError(
                    f"{name} of document {self.document_id!r} must be a string, not {type(value).__name__}"
                )
            try:
                check_text(value)
            except ValueRuleError as error:
                raise InvalidRecordError(f"{name} of document {self.document_id!r} {error}") from None
        if not self.title.strip() and not self.content.strip():
            raise InvalidRecordError(
                f"document {self.document_id!r} has neither title nor content; there is nothing to find"
            )
        return replace(self, metadata=canonical_metadata(self.metadata))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDocument(NewDocument):
    """A document that was read from a file. `file` is the name that the ledger of ingested files knows it by; `reading`
    tells the reading that made it from others of that file. `old_id` is the document's id, and `old_file` the file's
    name, before the file moved; "" if it has not moved.
    """

    file: str
    reading: str = ""
    old_id: str = ""
    old_file: str = ""


def file_of(document: NewDocument) -> str:
    """The file that a document was read from; empty for others."""
    return document.file if isinstance(document, FileDocument) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSummary:
    """A stored document without its content. `length` is in code points; `version` rises with each update; `file` is
    the file that it was read from, "" where it was added by a program.
    """

    document_id: str
    title: str
    metadata: dict[str, Any]
    chunk_count: int
    length: int
    version: int
    format: str = "text"
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(DocumentSummary):
    """A stored document, rebuilt from its chunks."""

    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """A chunk that answers a query. `document.content[start:end] == content`, in code points.

    `score` orders the results, higher is better; after fusion, boosts or a reranker it says no more than that.
    `similarity` is what the collection's metric says of the two vectors, the one absolute scale, which
    `score_threshold` is on; None in keyword searches. `why` says where the score comes from.
    `place` says where in its file a person finds it: "page 12", "Sheet ‘2023’, row 88", "Methods › Sampling"; ""
    where that is not known. `location` says the same to programs: `{"page": 12, "page_end": 13}`; its keys are page,
    slide, sheet, row, line, message, speaker, when, seconds and section (headings, the outermost first).
    """

    document_id: str
    title: str
    content: str
    score: float
    metadata: dict[str, Any]
    start: int
    end: int
    chunk_id: str
    chunk_index: int
    chunk_count: int
    version: int
    similarity: float | None = None
    why: Why | None = None
    place: str = ""
    location: dict[str, Any] = field(default_factory=dict)

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back."""
        return {**asdict(self), "why": None if self.why is None else self.why.to_json()}

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> SearchResult:
        """Read what `to_json` wrote."""
        why = description.get("why")
        return cls(**{**description, "why": None if why is None else Why.from_json(why)})


@dataclass(slots=True)
class IngestReport:
    """What `add_documents` did. `failed` maps document ids to reasons.

    `reused`: chunks whose text was stored already, so that they were not embedded again. `cached`: chunks whose vectors
    came from the cache of embeddings (docs/rag.md). `recut`: chunks that were cut
    again, as the model would not have read them to their end. `shortened_titles`: titles of which only the beginning is
    embedded with each chunk, for the same reason.
    """

    documents: int = 0
    chunks: int = 0
    reused: int = 0
    cached: int = 0
    recut: int = 0
    shortened_titles: int = 0
    failed: dict[str, str] = field(default_factory=dict)
