"""Answers in two small writes from a server that leaves Nagle's algorithm on: httpx's own transport, and ours.

The server imitates Qdrant's, which can be had from no package: one kept connection on loopback, an answer of 1 kB.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import httpx
import numpy as np
from common import machine

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


async def main() -> None:
    """Print both medians and their ratio."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        plain = await median_ms(address, httpx.AsyncHTTPTransport(trust_env=False))
        ours = await median_ms(address, BoundedTransport(trust_env=False))
    print(f"httpx {plain:.2f} ms, ours {ours:.2f} ms, {ours / plain:.2f} x ({machine()})")


if __name__ == "__main__":
    asyncio.run(main())
