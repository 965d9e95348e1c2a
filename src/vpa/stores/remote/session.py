"""The way to one store: opens and closes its connection, sends each request, and turns the client's errors into
ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from vpa.base.errors import ConnectionFailedError, OperationTimeoutError, ProviderError, VectorDatabaseError
from vpa.observe.redact import redact_secret, redact_text
from vpa.stores.contract import Sender
from vpa.stores.remote.fence import given_up
from vpa.stores.requests import NativeRequest

T = TypeVar("T")
_LONGEST_MESSAGE: Final = 500  # Characters of a server's message: some quote the whole request.
# After one of these it is not known whether the store did the work, or will do it.
_UNANSWERED: Final = (ConnectionFailedError, OperationTimeoutError)


class Connection(Protocol):
    """What a client library needs to be opened and closed."""

    @property
    def is_open(self) -> bool:
        """Whether `open` succeeded and `close` was not called since."""

    async def open(self) -> None:
        """Make the client; it may ask the server for its version, and nothing else."""

    async def close(self) -> None:
        """Release everything. May be called twice."""


class Renewed(Protocol):
    """A connection that carries all calls, as `Renewable` holds it."""

    def suspect(self) -> None:
        """A call ran out of time."""

    async def renew(self) -> None:
        """Before each request: replace what is suspect."""


async def _straight(request: NativeRequest, work: Callable[[], Awaitable[T]]) -> T:
    del request
    return await work()


def cancellations() -> int:
    """How often the task at work was cancelled: clients (pymilvus, while it connects) swallow that, and work goes
    on.
    """
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class Session:
    """Every request of a driver goes through `ask`, and from there through the policy that the manager attached."""

    def __init__(
        self,
        connection: Connection,
        *,
        provider: str,
        translate: Callable[[Exception], VectorDatabaseError | None],
        secret: str | None = None,
        renewable: Renewed | None = None,
        retries: bool = True,
        address: str | None = None,
    ) -> None:
        """`translate`: the error of ours for one of the client's, None where nothing fits.

        `secret` never appears in a message. `renewable`: the client, where it sends all its calls over one connection.
        `retries` False: the client itself sends again what may pass. `address`: where the store is, for the message
        of one that cannot be reached.
        """
        self.provider = provider
        self._connection = connection
        self._translate = translate
        self._secret = secret
        self._renewable = renewable
        self._retries = retries
        self._address = address
        self._send: Sender = _straight

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._connection.is_open

    async def open(self) -> None:
        """Connect, through the policy; asks the store nothing yet."""
        await self.ask("connect", self._connection.open)

    async def close(self) -> None:
        """Close the connection. May be called twice."""
        await self._connection.close()

    def send_through(self, sender: Sender) -> Callable[[], None]:
        """Use `sender` from now on; returns what to call when a verb ran out of time."""
        self._send = sender
        return self.expired

    def expired(self) -> None:
        """A call ran out of time: if its connection carries all calls, the next one gets a new connection."""
        if self._renewable is not None:
            self._renewable.suspect()

    async def ask(self, verb: str, work: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T:
        """Send one request, its errors translated and free of secrets."""
        return await self._send(NativeRequest(verb, idempotent and self._retries), lambda: self._translated(work))

    async def _translated(self, work: Callable[[], Awaitable[T]]) -> T:
        cancelled = cancellations()
        try:
            if self._renewable is not None:
                await self._renewable.renew()
            result = await work()
        except asyncio.CancelledError as error:
            given_up()
            if cancellations():
                raise
            # Nobody cancelled the caller: the client ended its calls, with a connection that was closed under them.
            # As it is, a group of tasks would pass over it as over one that was given up.
            raise self._lost() from error
        except VectorDatabaseError as error:
            if isinstance(error, _UNANSWERED):
                given_up()
            raise
        except Exception as error:
            if cancellations() > cancelled:
                given_up()
                raise asyncio.CancelledError from error
            ours = self._ours(error)
            if isinstance(ours, _UNANSWERED):
                given_up()
            raise ours from error
        if cancellations() > cancelled:
            raise asyncio.CancelledError
        return result

    def _lost(self) -> VectorDatabaseError:
        where = "" if self._address is None else f"{self._address}: "
        return ConnectionFailedError(f"{where}the connection was closed while the request was under way")

    def _ours(self, error: Exception) -> VectorDatabaseError:
        ours = self._translate(error)
        if ours is None:
            ours = ProviderError(f"{self.provider} answered with {type(error).__name__}: {error}")
        if isinstance(ours, OperationTimeoutError):
            self.expired()
        if isinstance(ours, ConnectionFailedError) and self._address and self._address not in ours.message:
            ours.message = f"{self._address}: {ours.message}"
        ours.message = self._scrubbed(ours.message)
        ours.args = (ours.message,)
        return ours

    def _scrubbed(self, message: str) -> str:
        text = redact_text(message)
        if self._secret:
            text = redact_secret(text, self._secret)
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}… ({len(text)} characters)"
