"""Answers that a server with Nagle's algorithm on writes in two parts are acknowledged at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from vpa.stores.remote import bodies
from vpa.stores.remote.bodies import BoundedTransport

BODY = b"x" * 1000


def _serve(listener: socket.socket) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    with connection:
        while connection.recv(65_536):
            # Two small writes without TCP_NODELAY: the second waits for the acknowledgement of the first.
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY))
            connection.sendall(BODY)


@pytest.fixture
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join(5)


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="an option of Linux")
async def test_every_answer_on_a_kept_connection_is_acknowledged_at_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    acknowledge = bodies.acknowledge

    def noted(response: httpx.Response) -> None:
        acknowledge(response)
        connection = response.extensions["network_stream"].get_extra_info("socket")
        asked.append((connection.getpeername(), connection.getsockname(), connection.family))

    monkeypatch.setattr(bodies, "acknowledge", noted)
    async with httpx.AsyncClient(transport=BoundedTransport(trust_env=False)) as client:
        for _ in range(5):
            answer = await client.get(address)
            assert (answer.status_code, answer.content) == (200, BODY)
    assert len(asked) == 5
    assert len(set(asked)) == 1


async def test_an_answer_without_a_socket_is_left_alone() -> None:
    bodies.acknowledge(httpx.Response(200))
