"""What an ingest of files is asked for, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from vpa.ingest.finding import Search


@dataclass(frozen=True, slots=True)
class FileRemark:
    """What is to be said of a file, or of a line of it (`origin` is `name` or `name:line`). `is_known`: an earlier run
    said it, and the file was not tried again.
    """

    origin: str
    message: str
    is_known: bool = False

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@dataclass(slots=True)
class FilesReport:
    """What `ingest` did, or with `dry_run` would do.

    `files`: read or looked at; of them `unchanged` were not read again, `moved` only got another name, `removed` are
    gone and their documents with them. `documents` and `chunks` were written; of the chunks `reused` were embedded
    before, and `cached` had their vectors from the cache of embeddings. `failed`: what could not be read, each with
    what to do; what was read of such a file before stays. `notes`: what to know of files that were read. `skipped`:
    files of kinds that no reader knows. `characters`: of a dry run, those that would be embedded. `seconds`: how long
    it took.
    """

    files: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    documents: int = 0
    chunks: int = 0
    reused: int = 0
    cached: int = 0
    recut: int = 0
    shortened_titles: int = 0
    characters: int = 0
    seconds: float = 0.0
    is_dry_run: bool = False
    failed: list[FileRemark] = field(default_factory=list)
    notes: list[FileRemark] = field(default_factory=list)
    skipped: list[FileRemark] = field(default_factory=list)
    removed_files: list[str] = field(default_factory=list)
    quality: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object: the numbers, and lists of `{"origin": …, "message": …}`."""
        return asdict(self)

    @property
    def is_complete(self) -> bool:
        """Whether everything could be read."""
        return not self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """What `forget` removed, or with `dry_run` would remove.

    `documents` with all their `chunks`, of all versions; `records`: what matched and belongs to no document. `files`:
    entries of the ledger of ingested files. `cached_answers`: remembered results of searches. `embeddings`: vectors in
    the cache of embeddings, in memory and on disk each; `token_vectors`: of chunks, those for `rerank="light"`.
    `searches`: entries of search histories. `document_ids`: of the documents, in order, at most 1,000. `notes`: what
    could not be removed, or is removed later, and by what.
    """

    documents: int = 0
    chunks: int = 0
    records: int = 0
    files: int = 0
    cached_answers: int = 0
    embeddings: int = 0
    token_vectors: int = 0
    searches: int = 0
    document_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_dry_run: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing matched."""
        return not (self.documents or self.records or self.files or self.searches)

    def to_json(self) -> dict[str, Any]:
        """A JSON object: the numbers, and lists of texts."""
        return {**asdict(self), "document_ids": list(self.document_ids), "notes": list(self.notes)}


FilesProgress: TypeAlias = Callable[[FilesReport], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """Which files, and how. `only_failed` takes those that failed before; `again` reads what is unchanged too;
    `remove_gone` removes what is gone; `metadata` is added to that of each document.
    """

    paths: Sequence[str]
    search: Search
    remove_gone: bool = False
    only_failed: bool = False
    again: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    progress: FilesProgress | None = None
