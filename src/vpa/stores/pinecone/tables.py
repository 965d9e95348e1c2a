"""The statistics of a collection's words, for which an index's tags have no room: records by themselves."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from vpa.base.keywords import WordSnapshot
from vpa.base.records import CollectionInfo
from vpa.stores.pinecone.freshness import until

if TYPE_CHECKING:
    from vpa.stores.pinecone.store import PineconeDriver

# Where tables are: no scope has a namespace of that name.
TABLES: Final = "vpa~words"
PART: Final = "_vpa_words"
# Characters of a table in one record, whose metadata is 40 kB at most.
_PART_LENGTH: Final = 36_000
# How long a table that was written before is waited for.
_PATIENCE_S: Final = 1.0


class WordTables:
    """The tables of word statistics. In the tags stands a *mark* instead: digest and number of parts of the table.

    Parts are written before the tags that name them, and those that were named before are deleted after, so a reader
    of the tags has a whole table, of either version.
    """

    def __init__(self, driver: PineconeDriver) -> None:
        self._driver = driver
        self._read: dict[str, tuple[str, str]] = {}

    async def keep(self, info: CollectionInfo) -> CollectionInfo:
        """Write the table, unless it is there; the info as tags hold it."""
        if info.words is None or not info.words.table:
            return info
        table = info.words.table
        mark = _mark(table)
        if await self._fetched(info, mark) is None:
            await self._write(info, mark, table)
            await until(lambda: self._is_there(info, mark))
        return replace(info, words=replace(info.words, table=mark))

    async def filled(self, info: CollectionInfo) -> CollectionInfo:
        """The inverse. Where a part is missing, statistics that say that words have to be counted anew."""
        if info.words is None or not info.words.table:
            self._read.pop(info.name, None)
            return info
        mark = info.words.table
        known = self._read.get(info.name)
        if known is None or known[0] != mark:
            await until(lambda: self._is_there(info, mark), patience_s=_PATIENCE_S)
            table = await self._fetched(info, mark)
            if table is None:
                return replace(info, words=WordSnapshot(version=0))
            known = self._read[info.name] = (mark, table)
        return replace(info, words=replace(info.words, table=known[1]))

    def mark_of(self, name: str) -> str | None:
        """That of the table that was read last."""
        known = self._read.get(name)
        return None if known is None else known[0]

    async def remove(self, info: CollectionInfo, mark: str) -> None:
        """Delete the parts of a table that nothing names any more."""
        index = await self._driver.index(info)
        await self._driver.ask("delete", lambda: index.delete(ids=_ids(mark), namespace=TABLES))

    def forget(self) -> None:
        """Nothing was read."""
        self._read.clear()

    async def _write(self, info: CollectionInfo, mark: str, table: str) -> None:
        index = await self._driver.index(info)
        # Pinecone has no record without a vector, nor one of zeros.
        vector = [1.0] + [0.0] * (info.dimension - 1)
        vectors = [
            {"id": name, "values": vector, "metadata": {PART: part}}
            for name, part in zip(_ids(mark), _parts(table), strict=True)
        ]
        await self._driver.ask("upsert", lambda: index.upsert(vectors=vectors, namespace=TABLES, show_progress=False))

    async def _is_there(self, info: CollectionInfo, mark: str) -> bool:
        return await self._fetched(info, mark) is not None

    async def _fetched(self, info: CollectionInfo, mark: str) -> str | None:
        """The table of a mark, if all of it is there."""
        index, names = await self._driver.index(info), _ids(mark)
        answer = await self._driver.ask("get", lambda: index.fetch(ids=names, namespace=TABLES))
        parts = {str(one.id): str((one.metadata or {}).get(PART)) for one in answer.vectors.values()}
        table = "".join(parts.get(name, "") for name in names)
        return table if _mark(table) == mark else None


def _mark(table: str) -> str:
    return f"{blake2b(table.encode(), digest_size=12).hexdigest()}.{len(_parts(table))}"


def _parts(table: str) -> list[str]:
    return [table[start : start + _PART_LENGTH] for start in range(0, len(table), _PART_LENGTH)]


def _ids(mark: str) -> list[str]:
    digest, _, count = mark.partition(".")
    return [f"{digest}.{n}" for n in range(int(count) if count.isdecimal() else 0)]
