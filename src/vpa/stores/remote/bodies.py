"""An httpx transport that reads no endless answers: for clients that let us give them one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx

from vpa.base.errors import ProviderError

LARGEST_BODY = 512 << 20


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


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Raises ProviderError in the middle of a body that exceeds `largest_body` bytes."""

    def __init__(self, *, largest_body: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._largest_body = LARGEST_BODY if largest_body is None else largest_body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As the transport does, with a counting stream."""
        response = await super().handle_async_request(request)
        response.stream = _Bounded(response.stream, self._largest_body)
        return response
