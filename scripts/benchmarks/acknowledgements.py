"""Answers in two writes from a server that leaves Nagle's algorithm on: httpx's own transport and ours, then every
store behind a proxy that does so, and behind one that adds a millisecond.

The first server imitates Qdrant's, which can be had from no package: one kept connection, an answer of 1 kB.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpx
import numpy as np
from common import machine
from running import running

from vpa.base.records import Record
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.bodies import BoundedTransport

REQUESTS = 100


def serve(listener: socket.socket) -> None:
    """Answer two connections, one after the other."""
    body = b"x" * 1000
    for _ in range(2):
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65_536):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                connection.sendall(body)


async def median_ms(address: str, transport: httpx.AsyncBaseTransport) -> float:
    """The median time of a request, in milliseconds."""
    times = []
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        for _ in range(REQUESTS):
            started = time.perf_counter()
            await client.get(address)
            times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1000


async def search_ms(config: VectorDatabaseConfig) -> float:
    """The median time of a search among 100 records of 384 dimensions, in milliseconds."""
    vectors = np.random.default_rng(1).standard_normal((100, 384)).astype(np.float32)
    async with VectorDatabaseManager(config) as db:
        docs = await db.create_collection("acknowledged", dimension=384)
        await docs.upsert([Record(str(row), vector=vector) for row, vector in enumerate(vectors)])
        times = []
        for vector in vectors:
            started = time.perf_counter()
            await docs.search(vector=vector, top_k=10)
            times.append(time.perf_counter() - started)
        await db.drop_collection("acknowledged")
    return float(np.median(times)) * 1000


async def stores() -> None:
    """A line for each store that is reached over a network."""
    from deployments import PROVIDERS
    from faults.behind import behind

    with running() as started:
        for provider, form in PROVIDERS.items():
            if provider == "mock":
                continue
            figures = []
            for nagle, delay_s in ((False, 0.0), (True, 0.0), (False, 0.001)):
                with behind(started.config(form)) as (config, proxy):
                    proxy.nagle, proxy.delay_s = nagle, delay_s
                    figures.append(await search_ms(config))
            print(f"{form}: search {figures[0]:.2f} ms, Nagle {figures[1]:.2f}, a millisecond more {figures[2]:.2f}")


async def main() -> None:
    """Print both medians and their ratio, then the stores."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        plain = await median_ms(address, httpx.AsyncHTTPTransport(trust_env=False))
        ours = await median_ms(address, BoundedTransport(trust_env=False))
    print(f"httpx {plain:.2f} ms, ours {ours:.2f} ms, {ours / plain:.2f} x ({machine()})")
    await stores()


if __name__ == "__main__":
    asyncio.run(main())
