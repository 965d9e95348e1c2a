"""One file on its way: what was known of it, what its reading yielded, and when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from vpa.ingest.contract import SourceDocument, Span
from vpa.ingest.finding import FoundFile
from vpa.ingest.frames import Frame, document_of
from vpa.ingest.pool import Job
from vpa.ingest.quality.tally import QualityTally
from vpa.rag.documents import FileDocument
from vpa.rag.intake.ledger import Entry
from vpa.rag.intake.naming import document_id

# Between the place of a problem and what it is.
WHERE: Final = "\t"
_PLACES: Final = 20  # So many names stand in one filter.
# Fields of metadata that say where a document is from.
FACTS: Final = frozenset({"source", "media_type", "size", "modified", "content_hash", "language", "quality"})
_REASON: Final = 500
# A title stands with each chunk.
_TITLE: Final = 500


@dataclass(slots=True)
class OpenFile:
    """A file that is being read and written. `is_current`: it was read before, by the readers of today. `reading` tells
    the documents of this reading from those of others.
    """

    file: FoundFile
    name: str
    known: Entry | None
    is_current: bool
    reading: str
    moved: Entry | None = None
    documents: int = 0
    chunks: int = 0
    waiting: int = 0
    digest: str = ""
    parser: str = ""
    has_ended: bool = False
    is_known: bool = False
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    mendable: str = ""
    ids: set[str] = field(default_factory=set)

    @property
    def job(self) -> Job:
        """What the reading process is asked."""
        known = self.known
        # What failed, or was read by another version, is read again though its bytes are the same.
        digest, parser = (known.digest, known.parser) if known is not None and self.is_current else ("", "")
        return Job(self.file.path, self.name, self.file.size, digest, parser)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is on the way any more."""
        return self.has_ended and not self.waiting

    def entry(self, documents: int) -> Entry:
        """What the ledger is to know; `documents`: how many of it are stored now."""
        state = "skipped" if self.skipped else "failed" if self.problems else "read"
        old = self.known
        if self.is_known and old is not None:
            file = self.file
            return replace(old, name=self.name, size=file.size, mtime_ns=file.mtime_ns, ctime_ns=file.ctime_ns)
        return Entry(
            name=self.name,
            size=self.file.size,
            mtime_ns=self.file.mtime_ns,
            ctime_ns=self.file.ctime_ns,
            digest=self.digest,
            parser=self.parser,
            documents=documents,
            chunks=self.chunks,
            state=state,
            reason=self.skipped or self._reason() or self.mendable,
            problems=len(self.problems),
        )

    def doubtful_places(self) -> list[str] | None:
        """Names of what in the file could not be read, and may hold documents that were read before; None where that
        may be anywhere.
        """
        places: set[str] = set()
        is_line = False
        for problem in self.problems:
            where = problem.partition(WHERE)[0]
            inner, _, line = where.rpartition(":")
            if inner.startswith("/") or where.startswith("/"):
                places.add(self.name + (inner if line.isdecimal() and inner else where))
            elif line.isdecimal():
                is_line = True
            else:
                return None
        # Lines have no names. Where no more of them are bad than before, none became so.
        if is_line and (self.known is None or self.known.problems < len(self.problems)):
            return None
        return sorted(places) if len(places) <= _PLACES else None

    def _reason(self) -> str:
        more = len(self.problems) - 1
        first = self.problems[0][:_REASON] if self.problems else ""
        return f"{first} (and {more} more)" if more > 0 else first

    def document(self, frame: Frame, tally: QualityTally, extra: Mapping[str, Any]) -> FileDocument:
        """A document as it is added, with metadata of the caller; raises what a wrong frame makes it raise."""
        source, facts = document_of(frame), frame["facts"]
        inner = str(frame["inner"])
        own_id = source.document_id or document_id(self.name, inner=inner, key=source.key)
        flags = sorted({*source.flags, *facts.get("flags", ())})
        doubts = tally.add(own_id, flags=flags, facts=facts)
        return FileDocument(
            document_id=own_id,
            title=source.title[:_TITLE],
            content=source.content,
            metadata=self._metadata(source, frame, doubts, extra),
            format=source.format,
            spans=source.spans or self._line_of(source),
            file=self.name,
            reading=self.reading,
            old_id=self._old_id(source, inner=inner),
            old_file=self.moved.name if self.moved else "",
        )

    def own_id(self, document: FileDocument) -> str:
        """An id for a document whose own is taken: that of the file, with the document's own as the key."""
        source = str(document.metadata["source"])
        inner = source.removeprefix(self.name).lstrip("/")
        start = f"{source}#"
        key = document.document_id
        return key if key.startswith(start) else document_id(self.name, inner=inner, key=key)

    def _line_of(self, source: SourceDocument) -> tuple[Span, ...]:
        """Of a line of JSON that is a document the place is the line."""
        line = source.origin.removeprefix(f"{self.name}:")
        if source.format != "text" or not line.isdecimal() or not source.content:
            return ()
        return (Span(0, len(source.content), "text", {"line": int(line)}),)

    def _old_id(self, source: SourceDocument, *, inner: str) -> str:
        if self.moved is None:
            return ""
        return source.document_id or document_id(self.moved.name, inner=inner, key=source.key)

    def _metadata(
        self, source: SourceDocument, frame: Frame, doubts: Sequence[str], extra: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What the file says of itself, and what is known of it. Where they use one word, the file's own is kept under
        another: what a text says does not tell where it is from.
        """
        facts = {**extra} | self._facts(
            inner=str(frame["inner"]), media_type=str(frame["media_type"]), language=frame["facts"].get("language")
        )
        if doubts:
            facts["quality"] = sorted(set(doubts))
        own = {key: value for key, value in source.metadata.items() if key not in facts}
        aside = {
            f"{key}_in_file": value for key, value in source.metadata.items() if key in facts and value != facts[key]
        }
        return {**facts, **own, **aside}

    def _facts(self, *, inner: str, media_type: str, language: object) -> dict[str, Any]:
        """What is known of the file."""
        facts = {
            "source": f"{self.name}/{inner}" if inner else self.name,
            "media_type": media_type,
            "size": self.file.size,
            "modified": datetime.fromtimestamp(self.file.mtime_ns // 1_000_000_000, UTC),
            "content_hash": self.digest,
            "language": language,
        }
        return {key: value for key, value in facts.items() if value is not None}
