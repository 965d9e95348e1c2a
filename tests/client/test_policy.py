"""The deadline of a call: it ends what waits, leaves alone what does not, and hands on what happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from vpa.base.errors import OperationTimeoutError
from vpa.client.policy.pipeline import Call, Deadline
from vpa.stores.requests import Delete

CALL = Call(Delete(ids=["a"]), "mock")


class Calls:
    """Work of different kinds, and what became of it."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def at_once(self) -> str:
        return "done"

    async def fails_at_once(self) -> str:
        raise ValueError("no")

    async def waits_twice(self) -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "done"

    async def fails_later(self) -> str:
        await asyncio.sleep(0)
        raise TimeoutError("its own")

    async def never_ends(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"

    async def tidies_up(self) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            self.cancelled += 1
        return "done"

    async def goes_on(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
        return "done anyway"


def run(work: Callable[[], Awaitable[Any]], *, seconds: float = 0.02) -> Any:
    return asyncio.run(Deadline(seconds)(CALL, work))


def test_an_answer_is_handed_on() -> None:
    calls = Calls()
    assert run(calls.at_once) == run(calls.waits_twice, seconds=5) == "done"
    assert run(lambda: asyncio.sleep(0.001, "a future will do"), seconds=5) == "a future will do"


def test_errors_are_handed_on() -> None:
    with pytest.raises(ValueError, match="no"):
        run(Calls().fails_at_once)
    with pytest.raises(TimeoutError, match="its own"):
        run(Calls().fails_later, seconds=5)


@pytest.mark.parametrize("kind", ["never_ends", "tidies_up"])
def test_what_waits_too_long_is_ended(kind: str) -> None:
    calls = Calls()
    told: list[bool] = []
    with pytest.raises(OperationTimeoutError, match=r"delete did not finish within .* whether it was done is unknown"):
        asyncio.run(Deadline(0.02, expired=lambda: told.append(True))(CALL, getattr(calls, kind)))
    assert calls.cancelled == 1
    assert told == [True]


@pytest.mark.parametrize("kind", ["never_ends", "tidies_up"])
def test_a_caller_that_gives_up_is_no_deadline(kind: str) -> None:
    calls = Calls()

    async def scenario() -> None:
        task = asyncio.create_task(Deadline(60)(CALL, getattr(calls, kind)))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert calls.cancelled == 1


def test_a_cancellation_may_be_taken_as_a_message() -> None:
    async def scenario() -> Any:
        task = asyncio.create_task(Deadline(60)(CALL, Calls().goes_on))
        await asyncio.sleep(0.001)
        task.cancel()
        return await task

    assert asyncio.run(scenario()) == "done anyway"


def test_no_coroutine_is_left_behind(recwarn: pytest.WarningsRecorder) -> None:
    run(Calls().at_once)
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]
