"""A TCP proxy that breaks things: refuses, resets in the middle, stalls, garbles, drips, or answers 429 and 503 itself.

It also delivers late: what was sent while `hold_s` was set reaches the server that much later, though the client has
gone. `nagle` imitates a server that leaves Nagle's algorithm on and writes each answer in two parts: the second waits
for the acknowledgement of the first. `delay_s` is a network's way, added to each answer.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FAULTS = ("refuse", "reset", "stall", "garble", "drip")
HTTP_FAULTS = ("429", "503")
Address = tuple[str, int] | str


class FaultProxy:
    """`fault` breaks every answer from now on ("mute": for as long as the connection lives); `share` breaks that share
    of answers, with one of `faults` each.
    """

    def __init__(self, target: Address, *, seed: int = 0) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._open: set[socket.socket] = set()
        self.fault: str | None = None
        self.share = 0.0
        self.faults: tuple[str, ...] = FAULTS
        self.retry_after: str | None = None
        self.broken = 0
        self.requests = 0
        self.hold_s = 0.0
        # How many pieces of requests wait to be delivered, and how many did so.
        self.held = self.held_in_all = 0
        self.nagle = False
        self.delay_s = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stand_before(self, port: int) -> int:
        """Pass on to that port of this machine from now on; returns the own one."""
        self._target = ("127.0.0.1", port)
        return self.port

    def close(self) -> None:
        """Stop, and drop every connection."""
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """End those of now."""
        _end(*self._open)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(not self.nagle))
            if self.fault == "refuse":
                self.broken += 1
                _reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if isinstance(self._target, str):
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
            else:
                server = socket.create_connection(self._target)
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            _reset(client)
            return
        self._open |= {client, server}
        threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
        self._answers(client, server)
        self._open -= {client, server}

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        last_due = 0.0
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                self.requests += 1
                if self.hold_s or time.monotonic() < last_due:
                    # What follows on this connection stays behind it.
                    last_due = max(last_due, time.monotonic() + self.hold_s)
                    self._deliver_late(server, data, last_due)
                    continue
                fault = self.fault
                if fault in HTTP_FAULTS:
                    self.broken += 1
                    self._answer_with(client, fault or "", data)
                    continue
                server.sendall(data)
        if time.monotonic() < last_due:
            # The client has gone, its request has not: the server is to read it, and to answer nobody.
            time.sleep(last_due - time.monotonic() + 1.0)
        _end(client, server)

    def _deliver_late(self, server: socket.socket, data: bytes, due: float) -> None:
        self.held += 1
        self.held_in_all += 1

        def deliver() -> None:
            with contextlib.suppress(OSError):
                server.sendall(data)
            self.held -= 1

        timer = threading.Timer(max(0.0, due - time.monotonic()), deliver)
        timer.daemon = True
        timer.start()

    def _answer_with(self, client: socket.socket, status: str, data: bytes) -> None:
        # The rest of the request's body, so that the next request starts where it should.
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        missing = int(lengths[0]) - len(body) if lengths else 0
        while missing > 0 and (more := client.recv(1 << 16)):
            missing -= len(more)
        after = "" if self.retry_after is None else f"retry-after: {self.retry_after}\r\n"
        client.sendall(
            f"HTTP/1.1 {status} Busy\r\n{after}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}".encode()
        )

    def _choose(self) -> str | None:
        if self.fault is not None:
            return self.fault
        return self._random.choice(self.faults) if self._random.random() < self.share else None

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                fault = self._choose()
                if fault is None or fault in HTTP_FAULTS:
                    self._pass_on(client, data)
                    continue
                self.broken += 1
                if fault == "mute":
                    while server.recv(1 << 16):
                        pass
                elif not self._break(client, data, fault):
                    break
        _end(client, server)

    def _pass_on(self, client: socket.socket, data: bytes) -> None:
        if self.delay_s:
            time.sleep(self.delay_s)
        # Small writes, as Nagle's algorithm holds back: a full segment goes at once.
        cut = min(len(data) // 2, 512) if self.nagle else 0
        if cut:
            client.sendall(data[:cut])
        client.sendall(data[cut:])

    def _break(self, client: socket.socket, data: bytes, fault: str) -> bool:
        match fault:
            case "stall":
                time.sleep(0.01)
                return True
            case "garble":
                client.sendall(self._random.randbytes(len(data)))
                return True
            case "drip":
                for position in range(min(len(data), 40)):
                    client.sendall(data[position : position + 1])
                    time.sleep(0.02)
                client.sendall(data[40:])
                return True
        client.sendall(data[: len(data) // 2])
        _reset(client)
        return False


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        # Without the shutdown nothing is sent while another thread still reads.
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            one.close()


def _reset(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


@contextmanager
def fault_proxy(target: Address, *, seed: int = 0) -> Iterator[FaultProxy]:
    """A proxy before `target`, closed with its connections at the end."""
    proxy = FaultProxy(target, seed=seed)
    try:
        yield proxy
    finally:
        proxy.close()
