"""Statements and transactions, each a request of the session; and the names of tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from vpa.stores.pgvector.connection import Connection
from vpa.stores.remote.session import Session

T = TypeVar("T")


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
        return self._connection.relation(f"vpa_{name}")

    async def fetch(self, verb: str, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """The rows of one statement."""

        async def run() -> list[Any]:
            async with self._connection.borrow() as lent:
                rows: list[Any] = await lent.fetch(sql, *parameters)
                return rows

        return await self._session.ask(verb, run)

    async def in_transaction(self, verb: str, work: Callable[[Any], Awaitable[T]], *, idempotent: bool = True) -> T:
        """Do `work` with one connection: all of it or nothing."""

        async def run() -> T:
            async with self._connection.transaction() as lent:
                return await work(lent)

        return await self._session.ask(verb, run, idempotent=idempotent)
