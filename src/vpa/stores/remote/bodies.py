"""An httpx transport that reads no endless answers and acknowledges them at once, for clients that take one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from vpa.base.errors import ProviderError

LARGEST_BODY: Final = 512 << 20  # Half a gigabyte: far above the largest page of records.
_QUICK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux only.


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: Any, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._stream:
            read += len(piece)
            if read > self._limit:
                raise ProviderError(
                    f"the store's answer is longer than {self._limit} bytes and was not read to its end"
                )
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def acknowledge(response: httpx.Response) -> None:
    """Have the system acknowledge what has arrived of an answer now, not 40 ms later.

    A server that leaves Nagle's algorithm on (RFC 896), as Qdrant's does, and writes an answer in two parts keeps the
    second until the first is acknowledged, and Linux delays acknowledgements on a connection that both sides write
    to. The option holds for a few segments only, so it is set for each answer.
    """
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if connection is not None and _QUICK is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):  # The connection may be gone already; reading the body says so.
            connection.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Raises ProviderError in the middle of a body that exceeds `largest_body` bytes."""

    def __init__(self, *, largest_body: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._largest_body = LARGEST_BODY if largest_body is None else largest_body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As the transport does, with a counting stream."""
        response = await super().handle_async_request(request)
        acknowledge(response)
        response.stream = _Bounded(response.stream, self._largest_body)
        return response
