"""A threaded HTTP server for the test servers: an app is a function from request to response."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class Refused(Exception):
    """A response that is an error: `status` and a JSON `body`."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content) if self.content else None

    def argument(self, name: str, default: str | None = None) -> str | None:
        return next((value for key, value in self.query if key == name), default)


@dataclass
class Response:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


App = Callable[[Request], Response]


@contextmanager
def serve(app: App, port: int = 0) -> Iterator[int]:
    """Run `app` on a loopback port; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(
                self.command,
                unquote(parts.path),
                parse_qsl(parts.query, keep_blank_values=True),
                {name.lower(): value for name, value in self.headers.items()},
                content,
            )
            try:
                found = app(request)
            except Refused as refusal:
                found = Response(refusal.body, refusal.status, refusal.headers)
            body = b"" if found.body is None else json.dumps(found.body, ensure_ascii=False).encode()
            head = [
                f"HTTP/1.1 {found.status} {'OK' if found.status < 400 else 'Refused'}",
                f"content-length: {len(body)}",
                "content-type: application/json",
            ]
            head += [f"{name}: {value}" for name, value in found.headers.items()]
            # Head and body in one write: two would wait for each other's acknowledgement.
            self.wfile.write("\r\n".join(head).encode() + b"\r\n\r\n" + (b"" if self.command == "HEAD" else body))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            # A client that went away in the middle is what some tests are about.
            pass

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
