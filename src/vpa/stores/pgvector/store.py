"""The adapter of PostgreSQL with pgvector. A collection is a table; a verb that writes is one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from vpa.base.calibration import Calibration
from vpa.base.capabilities import Capabilities
from vpa.base.keywords import KeywordIndex, WordSnapshot
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Matches, Record, RecordBatch
from vpa.base.scope import Scope
from vpa.filters import NormalFilter
from vpa.stores.answers import Candidates
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import Sender, VectorStore
from vpa.stores.options import PgvectorOptions
from vpa.stores.pgvector import errors, tables
from vpa.stores.pgvector.catalog import Catalog
from vpa.stores.pgvector.connection import Connection, Target
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.filters import Statement
from vpa.stores.pgvector.reads import Reads
from vpa.stores.pgvector.wordsearch import Words
from vpa.stores.pgvector.writes import Writes
from vpa.stores.remote.session import Session
from vpa.stores.requests import Count, Delete, Get, Scan, Search, SearchWords, UpdateMetadata, Upsert


class PgvectorStore(VectorStore):
    """PostgreSQL 13 or later with pgvector 0.8 or later."""

    provider = "pgvector"
    words_by = "the formula, in the database"
    client_version = f"asyncpg {version('asyncpg')}, pgvector {version('pgvector')}"
    options_type = PgvectorOptions
    tested_clients = MappingProxyType({"asyncpg": ("0.30.0", "0.32.0"), "pgvector": ("0.3.6", "0.5.1")})

    def __init__(self, session: Session, connection: Connection, *, hnsw: bool) -> None:
        self._session = session
        self._database = Database(session, connection)
        self._catalog = Catalog(self._database, hnsw=hnsw)
        self._reads = Reads(self._database, self._catalog)
        self._words = Words(self._database, self._catalog, self._reads)
        self._writes = Writes(self._database, self._catalog)
        self.capabilities = Capabilities(
            durable=True,
            atomic_conflict=True,
            atomic_replace=True,
            atomic_update=True,
            approximate=hnsw,
            keywords=True,
            encrypts_in_transit=True,
        )

    def send_through(self, sender: Sender) -> Callable[[], None] | None:
        """Each statement or transaction on its own."""
        return self._session.send_through(sender)

    # Lifecycle

    async def open(self) -> None:
        """Connect; makes the extension and the table of collections where they are missing."""
        self._catalog.builds.open()
        if not self._session.is_open:
            await self._session.open()

    async def close(self) -> None:
        """Close the pool; may be called twice."""
        await self._catalog.builds.close()
        await self._session.close()

    async def ping(self) -> dict[str, Any]:
        """The versions of PostgreSQL and of the extension, and how many collections there are."""
        rows = await self._database.fetch("ping", "SELECT count(*) AS n FROM " + self._database.registry, [])
        return {**self._database.facts, "collections": rows[0]["n"]}

    def concerns(self, facts: Mapping[str, Any]) -> list[str]:
        """pgvector before 0.8 has no iterative scans; before 0.8.6 it has faults that were mended there."""
        installed = str(facts.get("pgvector_version") or "0")
        numbers = tuple(int(part) for part in installed.split(".") if part.isdigit())
        if numbers < (0, 8):
            return [
                f"pgvector {installed} has no iterative index scans: filtered searches by index would return too few; "
                "upgrade to 0.8.6"
            ]
        return (
            [f"pgvector {installed} is older than 0.8.6, which mends faults of it; upgrade the extension"]
            if numbers < (0, 8, 6)
            else []
        )

    # Collections

    async def create_collection(self, info: CollectionInfo) -> None:
        """A table with its indexes and the row about it, in one transaction."""
        await self._catalog.create(info)

    async def describe_collection(self, name: str) -> CollectionInfo | None:
        """From the table of collections."""
        return await self._catalog.describe(name)

    async def list_collections(self) -> list[str]:
        """Sorted by code point."""
        return await self._catalog.names()

    async def drop_collection(self, name: str) -> None:
        """The table and the row about it."""
        await self._catalog.drop(name)

    async def set_embedding(self, name: str, embedding: EmbeddingIdentity) -> CollectionInfo:
        """Into the row about it."""
        return await self._catalog.set_embedding(name, embedding)

    async def set_calibration(self, name: str, calibration: Calibration) -> CollectionInfo:
        """Into the row about it."""
        return await self._catalog.set_calibration(name, calibration)

    def is_approximate(self, info: CollectionInfo) -> bool:
        """Where it has an index."""
        return self._catalog.is_indexed(info.name)

    def efforts(self, info: CollectionInfo) -> Sequence[int]:
        """Candidates in the graph (`hnsw.ef_search`), or lists (`ivfflat.probes`), where there is an index."""
        owes = self._catalog.owed(info) is not None
        return self._catalog.searched(info).efforts if owes or self.is_approximate(info) else ()

    async def optimize(self, info: CollectionInfo) -> None:
        """Build the index after loading, which is faster than with every row, and write the log from now on."""
        await self._catalog.optimize(info)

    async def indexed(self, info: CollectionInfo) -> None:
        """Wait for an index that was left out while records were loaded."""
        await self._catalog.indexed(info)

    async def scopes(self, info: CollectionInfo, *, limit: int) -> list[Scope]:
        """From the key's index, of which each scope is passed over at once."""
        return await self._reads.scopes(info, limit=limit)

    async def sample(self, info: CollectionInfo, *, count: int, scope: Scope) -> list[Record]:
        """From pages of the table that PostgreSQL draws."""
        drawn = await self._reads.sample(info, count=count, scope=scope)
        # Of a small scope in a large table nearly nothing is drawn.
        return drawn if len(drawn) == count else await super().sample(info, count=count, scope=scope)

    # Records

    async def upsert(self, info: CollectionInfo, request: Upsert) -> int:
        """One transaction, `replacing` included."""
        return await self._writes.upsert(info, request)

    async def delete(self, info: CollectionInfo, request: Delete) -> int:
        """By ids or by condition."""
        return await self._writes.delete(info, request)

    async def update_metadata(self, info: CollectionInfo, request: UpdateMetadata) -> int:
        """Reads the rows and locks them, merges, writes: one transaction."""
        return await self._writes.update_metadata(info, request)

    async def get(self, info: CollectionInfo, request: Get) -> list[Record]:
        """In the order asked."""
        return await self._reads.get(info, request)

    async def count(self, info: CollectionInfo, request: Count) -> int:
        """As PostgreSQL counts: exact, and a pass over the scope."""
        return await self._reads.count(info, request)

    async def search(self, info: CollectionInfo, request: Search) -> list[Matches]:
        """With an index by it, else exact; ties in id order."""
        return await self._reads.search(info, request)

    async def search_words(self, info: CollectionInfo, request: SearchWords) -> Candidates:
        """Exactly, by the database; with a vector, the nearest beside them."""
        return await self._words.search(info, request)

    async def set_keywords(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """A column of words, filled from the texts, and an index of it."""
        return await self._words.make(name, keywords)

    async def set_words(self, name: str, words: WordSnapshot) -> CollectionInfo:
        """Into the row about it."""
        return await self._catalog.set_words(name, words)

    def scan(self, info: CollectionInfo, request: Scan) -> AsyncIterator[RecordBatch]:
        """In the order of scope and id."""
        return self._reads.scan(info, request)

    def native_form(self, node: NormalFilter) -> Any:
        """SQL and its parameters."""
        statement = Statement()
        where = statement.where(node, None)
        return {"where": where, "parameters": statement.parameters}

    async def statistics(self, info: CollectionInfo) -> dict[str, Any]:
        """The planner's estimate of rows, bytes with indexes, whether an index serves searches, and the settings."""
        rows = await self._database.fetch("statistics", tables.STATISTICS, [self._database.table(info.name)])
        return {
            "records_estimate": int(rows[0]["rows"]),
            "size_bytes": int(rows[0]["bytes"] or 0),
            "indexed": self._catalog.is_indexed(info.name),
            "index_error": self._catalog.builds.error(info.name),
            "settings": await self._catalog.settings(info),
        }


def create_store(config: VectorDatabaseConfig) -> PgvectorStore:
    """The factory that the registry calls."""
    target = Target(config)
    connection = Connection(config, target)
    session = Session(
        connection,
        provider=PgvectorStore.provider,
        translate=errors.translate,
        secret=target.password,
        address=target.place,
    )
    return PgvectorStore(session, connection, hnsw=target.options.get("index") == "hnsw")
