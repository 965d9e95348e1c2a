"""Chunks as records, and documents rebuilt from them. The names of the system fields are known only here."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from vpa.base.arrays import FloatMatrix
from vpa.base.ids import chunk_id
from vpa.base.records import Match, Record, RecordBatch
from vpa.filters import F, Filter
from vpa.ingest.places import place_text
from vpa.kit.steps import rest
from vpa.rag.chunking.splitter import Chunk
from vpa.rag.documents import Document, DocumentSummary, FileDocument, NewDocument, SearchResult, file_of

# Chunks whose fields take about two milliseconds to write.
_RESTS_EVERY: Final = 256


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document, cut and stamped, not yet embedded. `prefix` stands before each chunk in what is embedded."""

    document: NewDocument
    chunks: Sequence[Chunk]
    version: int
    prefix: str
    recut: int = 0
    title_was_cut: bool = False

    def texts_to_embed(self) -> list[str]:
        """The title, where there is one, and the chunk."""
        return [chunk.embedded(self.prefix) for chunk in self.chunks]

    def summary(self) -> DocumentSummary:
        """What the caller is told."""
        return DocumentSummary(
            document_id=self.document.document_id,
            title=self.document.title,
            metadata=dict(self.document.metadata),
            chunk_count=len(self.chunks),
            length=len(self.document.content),
            version=self.version,
            format=self.document.format,
            file=file_of(self.document),
        )


def to_batch(documents: Iterable[PreparedDocument], vectors: FloatMatrix) -> RecordBatch:
    """One record per chunk; `vectors` has a row for each, in order."""
    ids: list[str] = []
    texts: list[str | None] = []
    metadata: list[Any] = []
    system: list[dict[str, str | int]] = []
    for prepared in documents:
        document = prepared.document
        for index, chunk in enumerate(prepared.chunks):
            ids.append(chunk_id(document.document_id, version=prepared.version, index=index))
            texts.append(chunk.text)
            metadata.append(document.metadata)
            system.append(_system(prepared, index))
            if index % _RESTS_EVERY == _RESTS_EVERY - 1:
                rest()
    return RecordBatch(ids=ids, vectors=vectors, texts=texts, metadata=metadata, system=system)


def _system(prepared: PreparedDocument, index: int) -> dict[str, str | int]:
    document, chunks = prepared.document, prepared.chunks
    fields: dict[str, str | int] = {
        "document_id": document.document_id,
        "version": prepared.version,
        "index": index,
        "count": len(chunks),
        "start": chunks[index].start,
        "end": chunks[index].end,
        "title": document.title,
        "length": len(document.content),
        "format": document.format,
    }
    if file := file_of(document):
        fields["file"] = file
        fields["reading"] = document.reading if isinstance(document, FileDocument) else ""
    if chunks[index].at:
        fields["at"] = json.dumps(chunks[index].at, ensure_ascii=False, separators=(",", ":"))
    if chunks[index].context:
        fields["context"] = chunks[index].context
    # Blanks that no chunk holds, so that the document is rebuilt as it was.
    before = document.content[chunks[index - 1].end if index else 0 : chunks[index].start]
    after = document.content[chunks[index].end :] if index == len(chunks) - 1 else ""
    return fields | {name: pack(blanks) for name, blanks in (("before", before), ("after", after)) if blanks}


def embedded_text(record: Record, prefix: str) -> str:
    """What a stored chunk was embedded from, under a title's prefix."""
    context = str(record.system.get("context") or "")
    return Chunk(record.text or "", 0, 0, context=context).embedded(prefix)


def pack(blanks: str) -> str:
    """Blanks as a short text: a run of a million packs into a kilobyte."""
    return base64.b64encode(zlib.compress(blanks.encode())).decode()


def unpack(packed: object, *, length: int) -> str:
    """The inverse; never more than `length` characters."""
    if not packed:
        return ""
    # No blank takes more than three bytes.
    return zlib.decompressobj().decompress(base64.b64decode(str(packed)), 3 * length).decode()


def of_documents(document_ids: Sequence[str]) -> Filter:
    """The chunks of these documents, all versions."""
    return F.system("document_id").is_in(document_ids)


def of_files(names: Sequence[str]) -> Filter:
    """The chunks of all documents that were read from these files."""
    return F.system("file").is_in(names)


def first_chunks() -> Filter:
    """One chunk of each document."""
    return F.system("index") == 0


def newest(summaries: Iterable[DocumentSummary]) -> list[DocumentSummary]:
    """The newest version of each document, in id order."""
    result: dict[str, DocumentSummary] = {}
    for summary in summaries:
        known = result.get(summary.document_id)
        if known is None or known.version < summary.version:
            result[summary.document_id] = summary
    return [result[document_id] for document_id in sorted(result)]


def newest_matches(matches: Iterable[Match]) -> list[Match]:
    """Without the matches of a document of which a newer version is among them."""
    found = list(matches)
    versions: dict[Any, Any] = {}
    for match in found:
        name = match.system.get("document_id")
        versions[name] = max(versions.get(name, 0), match.system.get("version", 0))
    return [match for match in found if match.system.get("version", 0) == versions[match.system.get("document_id")]]


def to_summary(record: Record) -> DocumentSummary:
    """The document that a chunk belongs to."""
    return DocumentSummary(
        document_id=str(record.system["document_id"]),
        title=str(record.system["title"]),
        metadata=dict(record.metadata),
        chunk_count=_number(record, "count"),
        length=_number(record, "length"),
        version=_number(record, "version"),
        format=str(record.system["format"]),
        file=str(record.system.get("file") or ""),
    )


Part: TypeAlias = "tuple[int, int, int, int, str, str, str]"


def to_part(record: Record) -> Part:
    """What a chunk adds to its document: version, index, start, end, text, packed blanks before and after it."""
    numbers = (_number(record, name) for name in ("version", "index", "start", "end"))
    blanks = (str(record.system.get(name) or "") for name in ("before", "after"))
    return (*numbers, record.text or "", *blanks)  # type: ignore[return-value]


def to_document(summary: DocumentSummary, parts: Iterable[Part]) -> Document:
    """Rebuild a document from the parts of the version that `summary` is of; those of others are left out."""
    contents: list[str] = []
    length = 0
    for _, _, start, end, text, before, after in sorted(part for part in parts if part[0] == summary.version):
        # A chunk begins in the one before it, at its end, or after the blanks between them.
        blanks = (unpack(packed, length=summary.length) for packed in (before, after))
        contents += [next(blanks), text[max(0, length - start) :], next(blanks)]
        length = max(length, end)
    fields = {name: getattr(summary, name) for name in DocumentSummary.__slots__}
    return Document(**fields, content="".join(contents))


def to_result(match: Match) -> SearchResult:
    """A match as the user sees it."""
    system: Any = match.system
    location = json.loads(system["at"]) if system.get("at") else {}
    return SearchResult(
        document_id=str(system.get("document_id", match.id)),
        title=str(system.get("title", "")),
        content=match.text or "",
        score=match.score,
        metadata=match.metadata,
        start=int(system.get("start", 0)),
        end=int(system.get("end", len(match.text or ""))),
        chunk_id=match.id,
        chunk_index=int(system.get("index", 0)),
        chunk_count=int(system.get("count", 1)),
        version=int(system.get("version", 0)),
        place=place_text(location),
        location=location,
    )


def _number(record: Record, name: str) -> int:
    return int(record.system[name] or 0)
