"""Every store that the tests run on: a real engine, or a server that speaks the wire protocol to the real client.

With VPA_TEST_<PROVIDER>_URL (and _API_KEY) set, that deployment is used instead of the one that would be started here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import servers
from servers import milvus_lite, running
from vpa.stores.config import VectorDatabaseConfig, parse_url
from wire import pinecone_server, qdrant_grpc, weaviate_server

_MEMORY: Final = Path("/dev/shm")
# Built by `make weaviate`; without it the double in tests/wire/ stands for every release.
WEAVIATE_IS_BUILT: Final = servers.WEAVIATE.is_file()


@contextmanager
def scratch_directory(prefix: str) -> Iterator[Path]:
    """A folder for servers' data, in memory where there is room: those that sync every write are three times as fast
    there.
    """
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 2 << 30
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if roomy else None))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _mock(directory: Path) -> Iterator[VectorDatabaseConfig]:
    yield VectorDatabaseConfig(path=str(directory / "vpa"))


@contextmanager
def _chroma_in_process(directory: Path) -> Iterator[VectorDatabaseConfig]:
    yield VectorDatabaseConfig(provider="chromadb", path=str(directory / "chroma"))


@contextmanager
def _chroma(directory: Path) -> Iterator[VectorDatabaseConfig]:
    with running(servers.chroma(directory)) as url:
        yield VectorDatabaseConfig(provider="chromadb", url=url)


@contextmanager
def _qdrant_local(directory: Path) -> Iterator[VectorDatabaseConfig]:
    yield VectorDatabaseConfig(provider="qdrant", path=str(directory / "qdrant"))


def _qdrant(protocol: str) -> Callable[[Path], object]:
    @contextmanager
    def start(directory: Path) -> Iterator[VectorDatabaseConfig]:
        with qdrant_grpc.qdrant_servers(directory, key="secret") as (url, port):
            options = {"grpc": "on", "grpc_port": str(port)} if protocol == "grpc" else {"grpc": "off"}
            yield VectorDatabaseConfig(provider="qdrant", url=url, api_key="secret", options=MappingProxyType(options))

    return start


@contextmanager
def _milvus_in_process(directory: Path) -> Iterator[VectorDatabaseConfig]:
    yield VectorDatabaseConfig(provider="milvus", path=str(directory / "milvus.db"))


@contextmanager
def _milvus(directory: Path) -> Iterator[VectorDatabaseConfig]:
    with milvus_lite(directory / "milvus.db") as url:
        yield VectorDatabaseConfig(provider="milvus", url=url)


@contextmanager
def _pgvector(directory: Path) -> Iterator[VectorDatabaseConfig]:
    with running(servers.Postgres(directory)) as url:
        yield VectorDatabaseConfig(provider="pgvector", url=url)


@contextmanager
def _pgvector_indexed(directory: Path) -> Iterator[VectorDatabaseConfig]:
    with running(servers.Postgres(directory)) as url:
        yield VectorDatabaseConfig(provider="pgvector", url=url, options=MappingProxyType({"index": "hnsw"}))


@contextmanager
def _weaviate_server(directory: Path) -> Iterator[VectorDatabaseConfig]:
    with running(servers.weaviate(directory)) as url:
        yield VectorDatabaseConfig(**parse_url(url), api_key="secret")


def _weaviate(release: str) -> Callable[[Path], object]:
    @contextmanager
    def start(directory: Path) -> Iterator[VectorDatabaseConfig]:
        del directory
        behaviour = weaviate_server.Behaviour(version=release, auto_schema=True)
        with weaviate_server.weaviate_server(key="secret", behaviour=behaviour) as (url, _):
            yield VectorDatabaseConfig(**parse_url(url), api_key="secret")

    return start


def _pinecone(missing: str) -> Callable[[Path], object]:
    @contextmanager
    def start(directory: Path) -> Iterator[VectorDatabaseConfig]:
        del directory
        behaviour = pinecone_server.Behaviour(missing=missing)
        with pinecone_server.pinecone_server(behaviour=behaviour) as (url, _):
            yield VectorDatabaseConfig(provider="pinecone", url=url, api_key="secret")

    return start


STORES: Final[Mapping[str, Callable[[Path], object]]] = {
    "mock": _mock,
    "chromadb in process": _chroma_in_process,
    "chromadb server": _chroma,
    "milvus lite in process": _milvus_in_process,
    "milvus lite over gRPC": _milvus,
    "pgvector": _pgvector,
    "pgvector with hnsw": _pgvector_indexed,
    "pinecone, missing fields match negations": _pinecone("match"),
    "pinecone, missing fields match nothing": _pinecone("skip"),
    "qdrant engine": _qdrant("grpc"),
    "qdrant engine over REST": _qdrant("rest"),
    "qdrant local mode": _qdrant_local,
    **({"weaviate server": _weaviate_server} if WEAVIATE_IS_BUILT else {}),
    "weaviate 1.32": _weaviate("1.32.5"),
    "weaviate 1.34": _weaviate("1.34.0"),
}
# One form of each provider, for tests that need not run on all of them.
PROVIDERS: Final[Mapping[str, str]] = {
    "mock": "mock",
    "chromadb": "chromadb server",
    "milvus": "milvus lite over gRPC",
    "pgvector": "pgvector",
    "pinecone": "pinecone, missing fields match nothing",
    "qdrant": "qdrant engine",
    "weaviate": "weaviate server" if WEAVIATE_IS_BUILT else "weaviate 1.34",
}


def deployment(provider: str) -> VectorDatabaseConfig | None:
    """The deployment that the environment names for a provider."""
    prefix = f"VPA_TEST_{provider.upper()}"
    url = os.environ.get(f"{prefix}_URL")
    if url is None:
        return None
    return VectorDatabaseConfig(**parse_url(url), api_key=os.environ.get(f"{prefix}_API_KEY"))


class RunningStores:
    """Starts each store when it is first asked for, and stops all at the end."""

    def __init__(self, directory: Callable[[str], Path]) -> None:
        self._directory = directory
        self._stack = ExitStack()
        self._configs: dict[str, VectorDatabaseConfig] = {}

    def config(self, name: str, **changes: object) -> VectorDatabaseConfig:
        """Settings of one of STORES, with changes."""
        if name not in self._configs:
            given = deployment(name.split()[0].rstrip(","))
            short = "".join(letter for letter in name if letter.isalnum())[:20]
            started = given or self._stack.enter_context(STORES[name](self._directory(short)))  # type: ignore[arg-type]
            self._configs[name] = started  # type: ignore[assignment]
        return replace(self._configs[name], **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop them."""
        self._stack.close()
