"""Keyword search in PostgreSQL: ranked by the database, exactly, by the formula itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, Match
from vpa.filters.ast import NEVER
from vpa.kit.tasks import both
from vpa.stores.answers import Candidates
from vpa.stores.layout.ranked import WordTerms
from vpa.stores.layout.words import others_have_looked
from vpa.stores.layout.wordsearch import WordRanking, by_both, by_words, nearness
from vpa.stores.pgvector import tables
from vpa.stores.pgvector.catalog import Catalog
from vpa.stores.pgvector.convert import VECTOR, json_of, vectors_of
from vpa.stores.pgvector.database import Database
from vpa.stores.pgvector.filters import Statement
from vpa.stores.pgvector.reads import Reads
from vpa.stores.pgvector.words import WORDS, ranking, worder
from vpa.stores.requests import SearchWords

# Rows whose words are written in one statement, where an index is made of records that are there.
_STEP: Final = 1_000


class Words:
    """The verbs about words."""

    def __init__(self, database: Database, catalog: Catalog, reads: Reads) -> None:
        self._database = database
        self._catalog = catalog
        self._reads = reads

    async def search(self, info: CollectionInfo, request: SearchWords) -> Candidates:
        """Ranked by the database; where there is a vector, the nearest beside them."""
        terms = WordTerms(info, request)
        if request.filter is NEVER or not terms.query.weights:
            nothing = WordRanking([], exact=True, candidates=0, requests=0)
            if request.filter is NEVER or request.vector is None:
                return by_words(request, nothing, terms)
            [near] = await self._reads.search(info, nearness(request))
            return by_both(info, request, nothing, terms, near=near)
        if request.vector is None:
            return by_words(request, await self._ranked(info, request, terms), terms)
        ranked, nearest = await both(self._ranked(info, request, terms), self._reads.search(info, nearness(request)))
        return by_both(info, request, ranked, terms, near=nearest[0])

    async def _ranked(self, info: CollectionInfo, request: SearchWords, terms: WordTerms) -> WordRanking:
        statement = Statement()
        wants_vectors = request.include_vectors or request.vector is not None
        sql = ranking(
            self._database.table(info.name),
            statement,
            columns=f"id, text, metadata, system, {VECTOR}" if wants_vectors else "id, text, metadata, system",
            where=statement.where(request.filter, request.scope),
            query=terms.query,
            limit=request.top_k,
        )
        rows = await self._database.fetch("search_words", sql, statement.parameters)
        matches = _matches(info, rows, with_vectors=wants_vectors)
        return WordRanking(matches, exact=True, candidates=len(rows), requests=1)

    async def make(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        """Note the index, so that whoever writes from now on writes words, then write those of what is there."""
        info = await self._begin(name, keywords)
        await others_have_looked()
        # What was written meanwhile may have the words of the analyser before.
        await self._forget(name)
        await self._fill(info)
        return info

    async def _forget(self, name: str) -> None:
        table = self._database.table(name)

        async def forget(lent: Any) -> None:
            await lent.execute("SET LOCAL statement_timeout = 0")
            await lent.execute(f"UPDATE {table} SET {WORDS} = NULL WHERE {WORDS} IS NOT NULL")

        await self._database.in_transaction("set_keywords", forget)

    async def _begin(self, name: str, keywords: KeywordIndex) -> CollectionInfo:
        table = self._database.table(name)

        async def add(lent: Any) -> None:
            await lent.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {WORDS} jsonb")

        return await self._catalog.set_keywords(name, keywords, add)

    async def _fill(self, info: CollectionInfo) -> None:
        """Take the words of the rows that have none yet, a part at a time, then index them."""
        spell = worder(info.keywords)
        assert spell is not None
        table = self._database.table(info.name)

        async def fill(lent: Any) -> int:
            rows = await lent.fetch(
                f"SELECT tenant, namespace, id, text, system FROM {table} WHERE {WORDS} IS NULL "
                f"ORDER BY tenant, namespace, id LIMIT {_STEP} FOR UPDATE"
            )
            words = [spell(row["text"], system) for row, system in zip(rows, json_of(rows, "system"), strict=True)]
            await lent.execute(
                f"UPDATE {table} AS t SET {WORDS} = given.w::jsonb "
                "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given(tenant, namespace, id, w) "
                "WHERE t.tenant = given.tenant AND t.namespace = given.namespace AND t.id = given.id",
                *([row[column] for row in rows] for column in ("tenant", "namespace", "id")),
                words,
            )
            return len(rows)

        while await self._database.in_transaction("set_keywords", fill) == _STEP:
            pass

        async def index(lent: Any) -> None:
            await lent.execute("SET LOCAL statement_timeout = 0")
            await tables.mend_indexes(lent, table, info)

        await self._database.in_transaction("set_keywords", index)


def _matches(info: CollectionInfo, rows: Sequence[Any], *, with_vectors: bool) -> list[Match]:
    vectors = vectors_of(rows, info.dimension) if with_vectors else None
    pairs = zip(rows, json_of(rows, "metadata"), json_of(rows, "system"), strict=True)
    return [
        Match(
            row["id"],
            row["d"],
            -row["d"],
            row["text"],
            metadata,
            None if vectors is None else vectors[position],
            system,
        )
        for position, (row, metadata, system) in enumerate(pairs)
    ]
