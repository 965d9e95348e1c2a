"""What adapters of other people's stores share: one way to send a request, and one to turn its errors into ours."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

from vpa.base.errors import (
    CircuitOpenError,
    ConnectionFailedError,
    OperationTimeoutError,
    PartialWriteError,
    ProviderError,
    VectorDatabaseError,
)
from vpa.observe.redact import HIDDEN, redact_text
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore
from vpa.stores.remote.fence import SETTLING_S, Fence, given_up
from vpa.stores.remote.renewable import Renewable

T = TypeVar("T")
S = TypeVar("S")
_LONGEST_MESSAGE: Final = 500
# After one of these nobody knows whether the store did the work.
_UNKNOWN: Final = (ConnectionFailedError, OperationTimeoutError)


class Sender(Protocol):
    """Sends one request: waits its turn, tries again what may pass, stops when the store is down."""

    async def __call__(self, verb: str, work: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T: ...


async def _straight(verb: str, work: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T:
    del verb, idempotent
    return await work()


def cancellations() -> int:
    """How often the task at work was cancelled: clients (pymilvus, while it connects) swallow that, and work goes on."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class RemoteStore(VectorStore):
    """A store that is reached through a client library. Each request goes through `ask`."""

    client_version: ClassVar[str] = ""

    def __init__(self, config: VectorDatabaseConfig) -> None:
        self.config = config
        self.sender: Sender = _straight
        self.renewable: Renewable[Any] | None = None
        self.fence = Fence(settling_s=min(SETTLING_S, config.timeout_seconds))

    @abstractmethod
    def translate(self, error: Exception) -> VectorDatabaseError:
        """The error of ours that stands for one of the client's; ProviderError where nothing else fits."""

    def stalled(self) -> None:
        """A call ran out of time: if its connection carries all calls, the next one gets a new connection."""
        if self.renewable is not None:
            self.renewable.suspect()

    async def ask(self, verb: str, work: Callable[[], Awaitable[T]], *, idempotent: bool = True) -> T:
        """Send one request, its errors translated and free of secrets."""

        async def translated() -> T:
            cancelled = cancellations()
            try:
                if self.renewable is not None:
                    await self.renewable.renew()
                result = await work()
            except asyncio.CancelledError:
                given_up()
                raise
            except VectorDatabaseError as error:
                if isinstance(error, _UNKNOWN):
                    given_up()
                raise
            except Exception as error:
                if cancellations() > cancelled:
                    given_up()
                    raise asyncio.CancelledError from error
                found = self.translate(error)
                if isinstance(found, _UNKNOWN):
                    given_up()
                if isinstance(found, OperationTimeoutError):
                    self.stalled()
                found.message = self.scrub(found.message)
                found.args = (found.message,)
                raise found from error
            if cancellations() > cancelled:
                raise asyncio.CancelledError
            return result

        return await self.sender(verb, translated, idempotent=idempotent)

    def scrub(self, message: str) -> str:
        """`message` without the API key or password, and not endless."""
        text = redact_text(message)
        if self.config.api_key:
            text = text.replace(self.config.api_key, HIDDEN)
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}… ({len(text)} characters)"

    def unexpected(self, error: Exception) -> ProviderError:
        """An answer that no row of a table knows."""
        return ProviderError(f"{self.provider} answered with {type(error).__name__}: {error}")

    async def write_parts(self, parts: Iterable[S], write: Callable[[S], Awaitable[Sequence[str]]], ids: Callable[[S], Sequence[str]], *, at_once: int) -> int:  # fmt: skip
        """Write part by part, some at once; returns how many records were written.

        `write` returns the ids it wrote. Raises PartialWriteError, id by id, or the cause where nothing was written.
        """
        outcome = _Outcome()
        waiting = iter(parts)

        async def worker() -> None:
            for part in waiting:
                if outcome.hopeless is not None:
                    outcome.failed |= dict.fromkeys(ids(part), f"not sent: {outcome.hopeless}")
                    continue
                try:
                    outcome.written += await write(part)
                except PartialWriteError as error:
                    outcome.add_partial(error)
                except VectorDatabaseError as error:
                    outcome.add_failure(error, ids(part))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
        return outcome.result()


class _Outcome:
    """What became of each part of a batch."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.failed: dict[str, str] = {}
        self.unknown: list[str] = []
        self.cause: VectorDatabaseError | None = None
        self.hopeless: VectorDatabaseError | None = None

    def add_partial(self, error: PartialWriteError) -> None:
        self.cause = self.cause or error
        self.written += error.written
        self.failed |= error.failed
        self.unknown += error.unknown

    def add_failure(self, error: VectorDatabaseError, ids: Sequence[str]) -> None:
        self.cause = self.cause or error
        if isinstance(error, _UNKNOWN):
            self.unknown += ids
        else:
            self.failed |= dict.fromkeys(ids, error.message)
        if isinstance(error, CircuitOpenError) or not error.retryable:
            self.hopeless = error

    def result(self) -> int:
        if self.cause is None:
            return len(self.written)
        if not self.written and not isinstance(self.cause, PartialWriteError):
            raise self.cause
        raise PartialWriteError(
            f"{len(self.written)} records were written, {len(self.failed)} were not, of {len(self.unknown)} it is unknown; "
            f"upsert those again (their ids are in .failed and .unknown); the first cause: {self.cause.message}",
            written=self.written,
            failed=self.failed,
            unknown=self.unknown,
        ) from self.cause
