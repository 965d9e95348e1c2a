"""A client whose connection went mute is replaced once, and nothing is left open."""

from __future__ import annotations

import asyncio

import pytest

from vpa.base.errors import ClosedError
from vpa.stores.remote.renewable import Renewable


class Clients:
    """Makes numbered clients and notes which were closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.broken = False

    async def make(self) -> int:
        await asyncio.sleep(0)
        if self.broken:
            raise OSError("nobody there")
        self.made += 1
        return self.made

    async def close(self, client: int) -> None:
        self.closed.append(client)


@pytest.fixture
def clients() -> Clients:
    return Clients()


async def _suspect(clients: Clients) -> Renewable[int]:
    held = Renewable("test", clients.make, clients.close, patience_s=0.0)
    await held.open()
    held.suspect()
    return held


async def test_many_calls_at_once_make_one_new_client_and_the_old_one_stays_for_those_still_on_it(
    clients: Clients,
) -> None:
    held = await _suspect(clients)
    await asyncio.gather(*(held.renew() for _ in range(10)))
    assert (held.client, clients.made, clients.closed) == (2, 2, [])
    held.suspect()
    await held.renew()
    assert (held.client, clients.closed) == (3, [1])
    await held.close()
    await held.close()
    assert clients.closed == [1, 2, 3]
    with pytest.raises(ClosedError, match="test"):
        _ = held.client


async def test_a_young_connection_is_not_to_blame(clients: Clients) -> None:
    held = Renewable("test", clients.make, clients.close, patience_s=60.0)
    held.suspect()
    await held.open()
    held.suspect()
    await held.renew()
    assert held.client == 1


async def test_where_none_can_be_made_the_old_one_stays_and_the_next_call_tries_again(clients: Clients) -> None:
    held = await _suspect(clients)
    clients.broken = True
    with pytest.raises(OSError, match="nobody"):
        await held.renew()
    assert held.client == 1
    clients.broken = False
    await held.renew()
    assert held.client == 2
    await held.close()
    assert sorted(clients.closed) == [1, 2]


async def test_a_client_made_while_closing_is_closed_too(clients: Clients) -> None:
    held = await _suspect(clients)
    renewal = asyncio.create_task(held.renew())
    await asyncio.sleep(0)
    await held.close()
    await renewal
    assert sorted(clients.closed) == [1, 2]
    assert not held.is_open
