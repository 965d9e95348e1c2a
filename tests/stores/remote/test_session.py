"""A client that ends its calls by itself is no caller who gave up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vpa.base import errors
from vpa.kit.tasks import together
from vpa.stores.remote.parts import write_parts
from vpa.stores.remote.session import Session


class _Open:
    is_open = True

    async def open(self) -> None: ...

    async def close(self) -> None: ...


def _session() -> Session:
    return Session(_Open(), provider="some", translate=lambda error: None, address="host:1")


async def _ended() -> Any:
    raise asyncio.CancelledError


async def test_calls_that_the_client_ended_are_lost_connections() -> None:
    with pytest.raises(errors.ConnectionFailedError, match="host:1"):
        await _session().ask("search", _ended)
    with pytest.raises(errors.ConnectionFailedError):
        await together([_session().ask("search", _ended), asyncio.sleep(5)])


async def test_a_batch_says_of_what_was_ended_that_it_is_unknown() -> None:
    session = _session()

    async def write(part: list[str]) -> list[str]:
        if part[0] == "b":
            await session.ask("upsert", _ended)
        return part

    with pytest.raises(errors.PartialWriteError) as raised:
        await write_parts([["a"], ["b", "c"]], write, ids=lambda part: part, at_once=2)
    assert (list(raised.value.written), list(raised.value.unknown)) == (["a"], ["b", "c"])


async def test_a_caller_who_gives_up_is_cancelled() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(30)

    task = asyncio.create_task(_session().ask("search", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Before it began, too.
    early = asyncio.create_task(_session().ask("search", work))
    early.cancel()
    with pytest.raises(asyncio.CancelledError):
        await early
