"""Removes what is known of a source, or of documents that a filter matches: records, cached vectors, ledger entries.

The vectors go before the records: they are found by the text of the records, so after an interruption the same call
finds what is left. What only a running system holds, histories and remembered answers, is removed by its verb.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

from vpa.base.clock import Clock
from vpa.base.errors import InvalidFilterError, InvalidQueryError, VectorDatabaseError
from vpa.base.providers import VectorDatabaseProvider
from vpa.base.records import EmbeddingIdentity, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.embeddings.batched import BatchedEmbedder
from vpa.filters import F, Filter, FilterLike, NormalFilter, normal
from vpa.filters.ast import ALWAYS, Eq, Field
from vpa.kit.locks import KeyedLocks
from vpa.kit.shelf.contract import ShelfError
from vpa.kit.threads import Workers
from vpa.rag.chunking.window import possible_prefixes
from vpa.rag.chunks import embedded_text, first_chunks, of_documents, of_files
from vpa.rag.intake.ledger import Ledger
from vpa.rag.intake.lock import alone
from vpa.rag.intake.report import ForgetReport
from vpa.rag.intake.sight import name_of, root_of
from vpa.rag.reading import read_pages, read_summaries
from vpa.rag.tokens.source import Tokens
from vpa.stores.config import VectorDatabaseConfig

_TOGETHER: Final = 100  # Documents removed in one call: their ids stand in one filter.
_LISTED: Final = 1_000  # Ids of documents in the report.
_USER: Final = "user_id"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be forgotten. `node` is None where only the history of `users` is meant; `source` is named where all
    of it goes, so that files go too that no document came from.
    """

    node: NormalFilter | None
    source: str | None
    users: frozenset[str]


def selected(*, source: str | None, metadata: FilterLike, user_id: str | None) -> Selection:
    """Check what a caller asked for; raises InvalidQueryError, InvalidFilterError."""
    if source is None and metadata is None and user_id is None:
        raise InvalidQueryError("forget needs a source=, a filter metadata=, or a user_id=")
    for name, value in (("source", source), ("user_id", user_id)):
        if value is not None and (not isinstance(value, str) or not value.strip("/")):
            raise InvalidQueryError(f"{name} of forget is a text that is not empty, not {shown(value)}")
    parts: list[Filter] = []
    users = set() if user_id is None else {user_id}
    if metadata is not None:
        node = normal(metadata)
        if node is ALWAYS:
            raise InvalidFilterError(
                "the filter of forget matches every document; drop the collection if that is meant"
            )
        if isinstance(node, Eq) and node.field == Field(_USER):
            users.add(str(node.value))
        parts.append(node)
    if source is not None:
        source = source.rstrip("/")
        parts.append(of_source(source))
    if not parts:
        return Selection(None, None, frozenset(users))
    whole = source if metadata is None else None
    return Selection(normal(parts[0] if len(parts) == 1 else parts[0] & parts[1]), whole, frozenset(users))


def of_source(name: str) -> Filter:
    """The chunks from a file, from what lies in it where it is an archive, or from all files below a folder."""
    below = f"{name}/"
    by_file = (F.system("file") == name) | F.system("file").starts_with(below)
    return by_file | (F("source") == name) | F("source").starts_with(below)


@dataclass(slots=True)
class _Gone:
    """What was removed so far."""

    documents: list[str] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    records: int = 0
    entries: int = 0
    embeddings: int = 0
    token_vectors: int = 0
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Forgetting:
    """One call of `forget`, in one collection and scope.

    `identity`: the model of the collection's vectors, None where it is not known. `store`: where the collection lies.
    """

    collection: Collection
    scope: Scope
    embedder: BatchedEmbedder
    tokens: Tokens
    identity: EmbeddingIdentity | None
    workers: Workers
    turns: KeyedLocks
    clock: Clock
    store: VectorDatabaseConfig
    dry_run: bool = False
    _gone: _Gone = field(default_factory=_Gone)

    async def run(self, selection: Selection) -> ForgetReport:
        """Remove what matches; raises StorageLockedError while an ingest writes here."""
        gone, node = self._gone, selection.node
        if node is not None:
            ledger = Ledger(self.collection, self.scope)
            async with nullcontext() if self.dry_run else alone(ledger, self.clock):
                await ledger.load()
                selection, node = await self._meant(selection, node, ledger)
                await self._documents(node)
                await self._records(node)
                await self._entries(ledger, selection)
            if not self.dry_run:
                await self._rewrite(any_matched=bool(gone.documents or gone.records or gone.entries))
        gone.documents.sort()
        return ForgetReport(
            documents=len(gone.documents),
            chunks=gone.chunks,
            records=gone.records,
            files=gone.entries,
            embeddings=gone.embeddings,
            token_vectors=gone.token_vectors,
            document_ids=tuple(gone.documents[:_LISTED]),
            notes=tuple(gone.notes),
            is_dry_run=self.dry_run,
        )

    async def _meant(self, selection: Selection, node: NormalFilter, ledger: Ledger) -> tuple[Selection, NormalFilter]:
        """The same; or by the name of a file, where a path of one was named and nothing is called like it."""
        source = selection.source
        name = None if source is None else name_of(source, ledger)
        if name is None or await self.collection.count(filter=node, scope=self.scope):
            return selection, node
        below = f"{source}/"
        if any(entry == source or entry.startswith(below) for entry in ledger.entries):
            return selection, node
        node = normal(of_source(name))
        return replace(selection, source=name, node=node), node

    # Records

    async def _documents(self, node: NormalFilter) -> None:
        """Documents of which any chunk matches, whole, each in its turn among updates of it."""
        listed = sorted(await self._names(node))
        for start in range(0, len(listed), _TOGETHER):
            names = listed[start : start + _TOGETHER]
            async with self.turns.held([(self.scope, name) for name in names]):
                present = await self._names(normal(node & of_documents(names)))
                if not present:
                    continue
                chosen = of_documents(sorted(present))
                chunks = await self._forget_vectors(chosen)
                if not self.dry_run:
                    chunks = await self.collection.delete(filter=chosen, scope=self.scope)
                self._gone.chunks += chunks
                self._gone.documents += present
                self._gone.files.update(filter(None, present.values()))

    async def _names(self, node: NormalFilter) -> dict[str, str]:
        """The file of each document that has a matching chunk, in whatever version."""
        names: dict[str, str] = {}
        async for page in read_pages(self.collection, node, scope=self.scope):
            names |= await self.workers.run(_files_by_document, page)
        return names

    async def _records(self, node: NormalFilter) -> None:
        """Records that match and were not added as documents."""
        others = normal(node & F.system("document_id").missing())
        count = await self._forget_vectors(others)
        if count and not self.dry_run:
            count = await self.collection.delete(filter=others, scope=self.scope)
        self._gone.records += count

    async def _forget_vectors(self, filter: Filter) -> int:
        """Discard what caches hold of the records that `filter` selects; returns how many records there are."""
        count = 0
        async for page in read_pages(self.collection, filter, scope=self.scope):
            count += len(page)
            if self.identity is None:
                self._gone.notes["the model of the collection is not known, so caches of embeddings were left"] = None
                continue
            texts, chunks = await self.workers.run(_texts, page)
            try:
                self._gone.embeddings += await self.embedder.discard(self.identity, texts, dry_run=self.dry_run)
                self._gone.token_vectors += await self.tokens.discard(self.identity, chunks, dry_run=self.dry_run)
            except ShelfError as error:
                self._gone.notes[f"{error}; delete that file to be sure: it is a cache"] = None
        return count

    # Files

    async def _entries(self, ledger: Ledger, selection: Selection) -> None:
        """Entries of files of which no document is left."""
        names = self._gone.files.keys() & ledger.entries.keys()
        if selection.source is not None:
            below = f"{selection.source}/"
            names |= {name for name in ledger.entries if name == selection.source or name.startswith(below)}
        gone = names - await self._files_with_documents(sorted(names))
        roots = {root_of(name, ledger) for name in gone}
        self._gone.entries = len(gone)
        if self.dry_run or not names:
            return
        for name in names - gone:
            # Else they would be missed, and read again.
            entry = ledger.entries[name]
            ledger.put(replace(entry, documents=max(0, entry.documents - self._gone.files[name])))
        for name in gone:
            ledger.remove(name)
        for root in roots - {root_of(name, ledger) for name in ledger.entries}:
            if root is not None:
                ledger.remove_root(root)
        await ledger.save()

    async def _files_with_documents(self, names: Sequence[str]) -> set[str]:
        files: set[str] = set()
        would_go = frozenset(self._gone.documents) if self.dry_run else frozenset()
        for start in range(0, len(names), _TOGETHER):
            node = normal(first_chunks() & of_files(names[start : start + _TOGETHER]))
            summaries = await read_summaries(self.collection, node, limit=None, scope=self.scope, workers=self.workers)
            files.update(summary.file for summary in summaries if summary.document_id not in would_go)
        return files

    # Bytes

    async def _rewrite(self, *, any_matched: bool) -> None:
        """Let the store write its files anew, without the records that were removed."""
        is_embedded = self.store.provider == VectorDatabaseProvider.MOCK
        # The embedded store's also where nothing matched: an earlier call may have been interrupted before this.
        if not is_embedded:
            if not any_matched:
                return
            self._gone.notes["the store's own files and logs may hold the records until it rewrites them"] = None
        # On disk the engine keeps the generation before the newest: rewriting twice makes both without the records.
        times = 2 if is_embedded and self.store.path is not None else 1
        try:
            for _ in range(times):
                await self.collection.optimize()
        except VectorDatabaseError as error:
            self._gone.notes[
                "no search finds the records, but the store's files still hold them, as they could not be rewritten "
                f"({error.message}); call collection.optimize() twice"
            ] = None


def _files_by_document(page: RecordBatch) -> dict[str, str]:
    return {
        str(record.system["document_id"]): str(record.system.get("file") or "")
        for record in page
        if record.system.get("document_id")
    }


def _texts(page: RecordBatch) -> tuple[list[str], list[tuple[str, str]]]:
    """What the records were embedded from, as far as that can be told without a tokenizer; their titles and texts."""
    texts: dict[str, None] = {}
    chunks: list[tuple[str, str]] = []
    for record in page:
        chunks.append((_title(record), record.text or ""))
        texts.update(dict.fromkeys(_embedded_texts(record)))
    return list(texts), chunks


def _embedded_texts(record: Record) -> Iterable[str]:
    for prefix in possible_prefixes(_title(record), alone=not record.text):
        yield embedded_text(record, prefix)


def _title(record: Record) -> str:
    return str(record.system.get("title") or "")
