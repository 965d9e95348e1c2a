"""A pool of connections that know vectors, and the extension they need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple, get_args
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg
from pgvector.asyncpg import register_vector

from vpa.base.errors import ClosedError, ConfigurationError, OperationTimeoutError
from vpa.base.providers import PROVIDERS, VectorDatabaseProvider
from vpa.stores.config import VectorDatabaseConfig

# One number for all of vpa: PostgreSQL takes `IF NOT EXISTS` less seriously when two sessions do it at once.
DDL_LOCK: Final = 0x76706100
_RELEASE_S: Final = 2.0
# Candidates of a search by index that no recall was promised for: pgvector's own 40 finds too few.
DEFAULT_EFFORT: Final = 200
_OPTIONS: Final = ("index", "schema", "statement_cache")


Setting = Literal["hnsw.ef_search", "ivfflat.probes"]


class Effort(NamedTuple):
    """How many candidates, or lists, a search by index looks at."""

    setting: Setting
    value: int
    # Whether PostgreSQL may not look at every row instead, which is exact, and another plan tomorrow.
    by_index_only: bool = False


class Target:
    """What the settings say about the server, with the password apart."""

    def __init__(self, config: VectorDatabaseConfig) -> None:
        parts = urlsplit(config.url or _dsn(config))
        if parts.scheme not in ("postgresql", "postgres"):
            raise ConfigurationError("the URL of pgvector is postgresql://user@host:5432/database (VPA_VECTOR_DB_URL)")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.options = {name: query.pop(name) for name in _OPTIONS if name in query} | dict(config.options)
        strange = sorted(set(self.options) - set(_OPTIONS))
        if strange:
            raise ConfigurationError(f"pgvector has no option {strange[0]!r}; there are: {', '.join(_OPTIONS)}")
        if self.options.get("index", "none") not in ("none", "hnsw"):
            raise ConfigurationError(f"index={self.options['index']!r}: use none (exact) or hnsw")
        in_url = unquote(parts.password) if parts.password else None
        if in_url and config.api_key and in_url != config.api_key:
            raise ConfigurationError("the password is in the URL and in api_key, and they differ; give one of them")
        self.password = config.api_key or in_url
        place = parts.netloc.rpartition("@")[2]
        self.place = place or query.get("host", "the default socket")
        user = f"{quote(unquote(parts.username), safe='')}@" if parts.username else ""
        self.dsn = urlunsplit(("postgresql", user + place, parts.path, urlencode(query), ""))
        self.tls = query.get("sslmode", "prefer") in ("require", "verify-ca", "verify-full")
        if config.encrypt_in_transit and not self.tls:
            if "sslmode" in query:
                raise ConfigurationError(f"encrypt_in_transit is on, but the URL says sslmode={query['sslmode']}")
            self.dsn = urlunsplit(
                ("postgresql", user + place, parts.path, urlencode({**query, "sslmode": "verify-full"}), "")
            )
            self.tls = True


def _dsn(config: VectorDatabaseConfig) -> str:
    if config.host is None:
        raise ConfigurationError(
            "pgvector needs a server: postgresql://user@host:5432/database, or VPA_VECTOR_DB_URL, or VPA_VECTOR_DB_HOST"
        )
    return f"postgresql://{config.host}:{config.port or PROVIDERS[VectorDatabaseProvider.PGVECTOR].port}"


class Connection:
    """Opens the pool, and lends connections from it."""

    def __init__(self, config: VectorDatabaseConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._pool: asyncpg.Pool[Any] | None = None
        self.facts: dict[str, Any] = {}
        # What a connection was last set to, by its process in the server.
        self._efforts: dict[tuple[int, Setting], int] = {}
        self._by_index_only: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether `open` succeeded and `close` was not called."""
        return self._pool is not None

    def _arguments(self) -> dict[str, Any]:
        cache = self._target.options.get("statement_cache")
        arguments: dict[str, Any] = {"password": self._target.password, "timeout": self._config.timeout_seconds}
        if cache is not None:
            arguments["statement_cache_size"] = int(cache)
        return arguments

    async def open(self) -> None:
        """Connect once by hand, make the extension and our table if they are missing, then open the pool."""
        try:
            first = await asyncpg.connect(self._target.dsn, **self._arguments())
        except TimeoutError as error:
            raise OperationTimeoutError(
                "PostgreSQL did not answer in time: check that pgvector listens at this host and port, or raise "
                "timeout_seconds"
            ) from error
        try:
            self.facts = await self._prepare(first)
            await first.close(timeout=_RELEASE_S)
        except BaseException:
            first.terminate()
            raise
        self._pool = await asyncpg.create_pool(
            self._target.dsn,
            # With a floor, the pool goes on connecting in the background, and logs it, while the server is away.
            min_size=0,
            max_size=self._config.connection_pool_size,
            init=self._initialise,
            # By default a released connection forgets its settings; ours are for its whole life.
            reset=_leave_as_it_is,
            **self._arguments(),
        )

    async def _prepare(self, first: Any) -> dict[str, Any]:
        async with first.transaction():
            await first.execute("SELECT pg_advisory_xact_lock($1)", DDL_LOCK)
            installed = await first.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            if installed is None:
                await self._make_extension(first)
                installed = await first.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            # Whoever may only read can open what is there: even "if not exists" asks for the right to create.
            if not await first.fetchval("SELECT to_regclass($1::text) IS NOT NULL", self.relation("vpa_collections")):
                await self._make_registry(first)
        return {"server_version": str(first.get_server_version().major), "pgvector_version": installed}

    async def _make_registry(self, first: Any) -> None:
        if self.schema is not None:
            await first.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.schema)}")
        columns = '(name text COLLATE "C" PRIMARY KEY, info text NOT NULL)'
        await first.execute(f"CREATE TABLE IF NOT EXISTS {self.relation('vpa_collections')} {columns}")

    async def _make_extension(self, first: Any) -> None:
        try:
            await first.execute("CREATE EXTENSION vector")
        except asyncpg.PostgresError as error:
            raise ConfigurationError(
                "the database has no extension `vector`, and this user cannot make it; have an administrator run "
                f"CREATE EXTENSION vector; ({error})"
            ) from error

    async def _initialise(self, connection: Any) -> None:
        try:
            self._by_index_only.discard(connection.get_server_pid())
            for setting in get_args(Setting):
                self._efforts.pop((connection.get_server_pid(), setting), None)
            await self._teach(connection)
        except BaseException:
            # The pool would close it politely, and wait for an answer without end.
            connection.terminate()
            raise

    async def _teach(self, connection: Any) -> None:
        await register_vector(connection)
        # relaxed_order goes on until there are enough; strict_order throws rows away (pgvector 0.8).
        await connection.execute(
            f"SET hnsw.iterative_scan = 'relaxed_order'; SET hnsw.ef_search = {DEFAULT_EFFORT}; "
            # A plan that suits every filter suits those that keep half of the rows badly.
            "SET plan_cache_mode = 'force_custom_plan'; "
            "SET hnsw.max_scan_tuples = 200000; SET hnsw.scan_mem_multiplier = 4; "
            "SET ivfflat.iterative_scan = 'relaxed_order'; SET ivfflat.probes = 40; "
            f"SET statement_timeout = {self._statement_timeout_ms}"
        )

    @property
    def timeout_s(self) -> float:
        """What a request may take."""
        return self._config.timeout_seconds

    @property
    def _statement_timeout_ms(self) -> int:
        return max(1, int(self._config.timeout_seconds * 1000))

    def relation(self, name: str) -> str:
        """A table's quoted name, with its schema."""
        schema = self.schema
        return quoted(name) if schema is None else f"{quoted(schema)}.{quoted(name)}"

    @property
    def schema(self) -> str | None:
        """Where the tables are; None: where PostgreSQL looks first."""
        return self._target.options.get("schema")

    async def close(self) -> None:
        """Close the pool, not waiting for long. May be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()
            await pool.close()

    @asynccontextmanager
    async def borrow(self, effort: Effort | None = None) -> AsyncIterator[Any]:
        """A connection for one statement, set to look at so many candidates of an index.

        Whoever is cancelled leaves it in an unknown state, so it is given up.
        """
        if self._pool is None:
            raise ClosedError("the pgvector store is not open")
        pool = self._pool
        connection = await pool.acquire(timeout=self._config.timeout_seconds)
        try:
            await self._set_plans(connection, by_index_only=effort is not None and effort.by_index_only)
            await self._set_effort(connection, effort)
            yield connection
        except asyncio.CancelledError:
            # A polite end would wait for an answer that does not come; statement_timeout ends the statement there.
            connection.terminate()
            raise
        finally:
            await pool.release(connection, timeout=_RELEASE_S)

    async def _set_plans(self, connection: Any, *, by_index_only: bool) -> None:
        known = self._by_index_only
        pid = connection.get_server_pid()
        if by_index_only == (pid in known):
            return
        plans = "off" if by_index_only else "on"
        await connection.execute(
            f"SET enable_seqscan = {plans}; SET enable_bitmapscan = {plans}; SET enable_sort = {plans}"
        )
        known ^= {pid}

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Any]:
        """A connection that is none of the pool's, for what takes long."""
        connection = await asyncpg.connect(self._target.dsn, **self._arguments())
        try:
            yield connection
            await connection.close(timeout=_RELEASE_S)
        finally:
            connection.terminate()

    async def _set_effort(self, connection: Any, effort: Effort | None) -> None:
        if effort is None:
            return
        key = (connection.get_server_pid(), effort.setting)
        if self._efforts.get(key) != effort.value:
            # Not known while it is under way: whoever is cancelled gives the connection up.
            await connection.execute(f"SET {effort.setting} = {effort.value}")
            self._efforts[key] = effort.value

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection in a transaction: all or nothing."""
        async with self.borrow() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except asyncio.CancelledError:
                raise
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            await transaction.commit()


async def _leave_as_it_is(connection: Any) -> None:
    del connection


def quoted(name: str) -> str:
    """An identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'
