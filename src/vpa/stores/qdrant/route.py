"""Whether points travel by gRPC: asked when the store is opened, and again after gRPC failed while REST may live."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
from qdrant_client import grpc as messages

from vpa.base.errors import ConfigurationError, ConnectionFailedError
from vpa.observe.log import get_logger
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.qdrant.by_grpc import GrpcPoints
from vpa.stores.qdrant.errors import translate
from vpa.stores.remote.bodies import LARGEST_BODY
from vpa.stores.remote.endpoint import Endpoint

ON, AUTO, OFF = "on", "auto", "off"
_MODES: Final = (AUTO, ON, OFF)
_PROBE_S: Final = 1.0
_AGAIN_S: Final = 30.0
_LISTINGS: Final = 3
_WEB_PORTS: Final = (80, 443, 6333)
_GRPC_PORT: Final = 6334
_CHANNEL: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", LARGEST_BODY),
    # A new channel is to have a connection of its own, to give up soon on one that does not come about (gRPC waits for
    # 20 s), and to try again soon (up to two minutes).
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)
_log: Final = get_logger("vpa.stores.qdrant")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server says of itself over either protocol: two that agree are taken for one."""

    version: str
    commit: str
    collections: frozenset[str]

    def difference(self, other: Identity) -> str | None:
        """What tells them apart, if anything does."""
        if self.version != other.version:
            return f"it is Qdrant {other.version}, REST answers as {self.version}"
        if self.commit and other.commit and self.commit != other.commit:
            return "it is another build of Qdrant than the one at the REST port"
        return "it has other collections than the server at the REST port" if self != other else None


@dataclass(frozen=True, slots=True)
class GrpcTarget:
    """The URL's options. `mode`: `on`, `auto` or `off`."""

    host: str
    port: int
    tls: bool
    mode: str

    @property
    def address(self) -> str:
        """As gRPC writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def grpc_target(config: VectorDatabaseConfig, server: Endpoint) -> GrpcTarget:
    """From `?grpc=auto|on|off&grpc_port=…`; raises ConfigurationError.

    Qdrant's own ports are 6333 and 6334, also in its cloud; a server whose REST port was moved has its gRPC port moved
    along, so the default is one above, and another server at 6334 is left alone.
    """
    mode = config.options.get("grpc", AUTO)
    if mode not in _MODES:
        raise ConfigurationError(f"grpc={mode!r} in the URL of Qdrant: it is one of {', '.join(_MODES)}")
    port = config.options.get("grpc_port", str(_GRPC_PORT if server.port in _WEB_PORTS else server.port + 1))
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigurationError(f"grpc_port={port!r} in the URL of Qdrant: it is a port number, 6334 by default")
    return GrpcTarget(server.host, int(port), server.tls, mode)


class GrpcRoute:
    """`points` sends by gRPC, or is None where REST is to be used; `reason` says why.

    With `auto`, a failed gRPC is asked again in the background: at once, then every 30 s. Requests go by REST until
    it answers. With `on`, they stay with gRPC, on a new channel after a call ran out of time.
    """

    def __init__(
        self,
        target: GrpcTarget,
        *,
        key: str | None,
        timeout_s: float,
        identify: Callable[[], Awaitable[Identity]],
    ) -> None:
        """`identify` asks the same server over REST."""
        self.target = target
        self.reason = "grpc=off"
        self.points: GrpcPoints | None = None
        self._key = key
        self._timeout_s = timeout_s
        self._identify = identify
        self._channels: list[Any] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._made_at = 0.0
        self._is_suspect = self._is_closed = False
        self._probing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Ask whether gRPC reaches the server that REST does; raises ConnectionFailedError with `on` if not."""
        self._is_closed = False
        if self.target.mode == OFF:
            return
        failure = await self._probe()
        if failure is not None and self.target.mode == ON:
            # A wrong key, or a server that is down, is not a matter of gRPC: then this raises.
            await self._identify()
            raise ConnectionFailedError(
                f"Qdrant's gRPC port {self.target.address} cannot be used: {failure}; open the port, set grpc_port in "
                "the URL, or write grpc=auto to use REST where gRPC does not answer"
            )

    async def close(self) -> None:
        """Close every channel. May be called twice."""
        self._is_closed, self.points = True, None
        probing, self._probing = self._probing, None
        if probing is not None:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        channels, self._channels = self._channels, []
        for channel in channels:
            await channel.close()
        retiring = list(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)

    def suspect(self) -> None:
        """A call ran out of time. A channel younger than that is not the one that it waited on."""
        if self.points is None or asyncio.get_running_loop().time() - self._made_at < self._timeout_s:
            return
        if self.target.mode == ON:
            self._is_suspect = True
        else:
            self._lose("a call ran out of time")

    async def renew(self) -> None:
        """Before each request: with `on`, replace a channel that is suspect."""
        if self._is_suspect:
            self._is_suspect = False
            self._use(self._open_channel())
            self._retire()

    def failed(self, error: grpc.aio.AioRpcError) -> None:
        """A request got this error: gRPC may be gone while REST is not."""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            self.lost(error)

    @property
    def may_be_left(self) -> bool:
        """Whether REST may do what gRPC did not."""
        return self.target.mode == AUTO

    def lost(self, error: grpc.aio.AioRpcError) -> None:
        """It does not answer as the server that REST reaches."""
        if self.may_be_left and self.points is not None:
            self._lose(said(error))

    def _lose(self, reason: str) -> None:
        self.points, self.reason = None, f"gRPC at {self.target.address} failed: {reason}"
        self._say()
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        while True:
            try:
                if await self._probe() is None:
                    return
            except Exception as error:
                if translate(error) is None:
                    raise
                self.reason = f"neither REST nor gRPC at {self.target.address} answers"
            await asyncio.sleep(_AGAIN_S)

    async def _probe(self) -> str | None:
        """Use gRPC if it answers as the server that REST reaches; else why not."""
        channel = self._open_channel()
        try:
            failure = await self._difference(channel)
        except BaseException:
            await channel.close()
            raise
        if failure is None and not self._is_closed:
            self._use(channel)
            self._retire()
        else:
            await channel.close()
            self.reason = f"gRPC at {self.target.address}: {failure}"
        self._say()
        return failure

    async def _difference(self, channel: Any) -> str | None:
        root, collections = messages.QdrantStub(channel), messages.CollectionsStub(channel)
        asked: dict[str, Any] = {"metadata": () if self._key is None else (("api-key", self._key),)}
        failure: str | None = None
        # Others may make or drop a collection between the two listings.
        for _ in range(_LISTINGS):
            try:
                async with asyncio.timeout(_PROBE_S):
                    about = await root.HealthCheck(messages.HealthCheckRequest(), **asked)
                    listed = await collections.List(messages.ListCollectionsRequest(), **asked)
            except TimeoutError:
                return f"no answer within {_PROBE_S:g} s"
            except grpc.aio.AioRpcError as error:
                return said(error)
            names = frozenset(one.name for one in listed.collections)
            failure = (await self._identify()).difference(Identity(about.version, about.commit, names))
            if failure is None:
                break
        return failure

    def _open_channel(self) -> Any:
        if self.target.tls:
            return grpc.aio.secure_channel(self.target.address, grpc.ssl_channel_credentials(), _CHANNEL)
        return grpc.aio.insecure_channel(self.target.address, _CHANNEL)

    def _use(self, channel: Any) -> None:
        self._channels.append(channel)
        self._made_at = asyncio.get_running_loop().time()
        self.points = GrpcPoints(channel, key=self._key, timeout_s=self._timeout_s, failed=self.failed)
        self.reason = f"gRPC answers at {self.target.address}"

    def _retire(self) -> None:
        # Those before may still carry calls: they are closed when these have ended.
        for channel in self._channels[:-1]:
            task = asyncio.create_task(channel.close(grace=self._timeout_s))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        del self._channels[:-1]

    def _say(self) -> None:
        protocol = "rest" if self.points is None else "grpc"
        _log.info("protocol", provider="qdrant", protocol=protocol, reason=self.reason)


def said(error: grpc.aio.AioRpcError) -> str:
    """Code and text of an error, in one line."""
    return f"{error.code().name}: {error.details()}"
