"""Statements and transactions, each a request of the session; and the names of tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from string import ascii_letters, digits
from typing import Any, Final, TypeVar

from vpa.stores.layout.tokens import native_name
from vpa.stores.pgvector.connection import Connection, Effort
from vpa.stores.remote.session import Session

T = TypeVar("T")

_NAME: Final = f"{ascii_letters}{digits}_-"
_LETTERS: Final = frozenset(_NAME)
_LONGEST: Final = 45


class Database:
    """What the verbs need of PostgreSQL."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._connection = connection

    @property
    def registry(self) -> str:
        """The table of collections, quoted."""
        return self._connection.relation("vpa_collections")

    @property
    def facts(self) -> dict[str, Any]:
        """Versions, as they were when the connection was opened."""
        return self._connection.facts

    def table(self, name: str) -> str:
        """The table of a collection, quoted."""
        return self._connection.relation(_table(name))

    def partitions(self, name: str, count: int) -> list[str]:
        """The tables of a collection's partitions, quoted; `#` is in no collection's name."""
        return [self._connection.relation(f"{_table(name)}#{position}") for position in range(count)]

    def place(self, name: str) -> dict[str, str | None]:
        """The same for COPY, which takes table and schema apart."""
        return {"table_name": _table(name), "schema_name": self._connection.schema}

    async def fetch(self, verb: str, sql: str, parameters: Sequence[Any], *, effort: Effort | None = None) -> list[Any]:
        """The rows of one statement; `effort` is how far a search by index looks."""

        async def run() -> list[Any]:
            async with self._connection.borrow(effort) as lent:
                rows: list[Any] = await lent.fetch(sql, *parameters)
                return rows

        return await self._session.ask(verb, run)

    @property
    def patience_s(self) -> float:
        """How long a caller is kept waiting for what goes on without it: half of what a request may take."""
        return self._connection.timeout_s / 2

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Any]:
        """A connection for a statement that may take long, in no transaction: it is done whatever becomes of us."""
        async with self._connection.apart() as lent:
            yield lent

    async def ask(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, with its errors in the library's words."""
        return await self._session.ask(verb, work)

    async def in_transaction(self, verb: str, work: Callable[[Any], Awaitable[T]], *, idempotent: bool = True) -> T:
        """Do `work` with one connection: all of it or nothing."""

        async def run() -> T:
            async with self._connection.transaction() as lent:
                return await work(lent)

        return await self._session.ask(verb, run, idempotent=idempotent)


def _table(name: str) -> str:
    """Its name for people too; PostgreSQL cuts names at 63 bytes, and an index or a partition adds some.

    `$` before the hash is in no name that stands for itself, so that no two collections have one table.
    """
    if len(name) <= _LONGEST and not set(name) - _LETTERS:
        return f"vpa_{name}"
    return f"vpa_{native_name(name, allowed=_NAME, separator='_', mark='$', longest=0)}"
