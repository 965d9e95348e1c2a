"""The stores that vpa knows by name. Settings, URLs, the registry, install hints and the docs derive from this
table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class VectorDatabaseProvider(StrEnum):
    """The stores that vpa knows by name. MOCK is the embedded NumPy engine; "mock" and "numpy" name it too."""

    MOCK = "embedded"
    CHROMADB = "chromadb"
    PINECONE = "pinecone"
    WEAVIATE = "weaviate"
    QDRANT = "qdrant"
    MILVUS = "milvus"
    PGVECTOR = "pgvector"

    @classmethod
    def _missing_(cls, value: object) -> VectorDatabaseProvider | None:
        return _ALIASES.get(str(value).lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """What has to be known about a provider before its module is imported.

    `folder`: its package below `vpa.stores`. `extra`: what `pip install "vpa[extra]"` brings its client. `port` and
    `tls_port`: where its server listens unless told otherwise. `needs_address`: settings without host, URL and path
    cannot work. `needs_key`: nor can they without an API key.
    """

    folder: str
    aliases: tuple[str, ...] = ()
    extra: str | None = None
    port: int | None = None
    tls_port: int | None = None
    needs_address: bool = False
    needs_key: bool = False

    @property
    def factory(self) -> str:
        """`module:function` that makes the store."""
        return f"vpa.stores.{self.folder}.store:create_store"


PROVIDERS: Final[Mapping[VectorDatabaseProvider, ProviderFacts]] = MappingProxyType(
    {
        VectorDatabaseProvider.MOCK: ProviderFacts(folder="embedded", aliases=("mock", "numpy")),
        VectorDatabaseProvider.CHROMADB: ProviderFacts(
            folder="chroma", aliases=("chroma",), extra="chroma", port=8000, tls_port=443
        ),
        VectorDatabaseProvider.PINECONE: ProviderFacts(folder="pinecone", extra="pinecone", port=443, needs_key=True),
        VectorDatabaseProvider.WEAVIATE: ProviderFacts(
            folder="weaviate", extra="weaviate", port=8080, tls_port=443, needs_address=True
        ),
        VectorDatabaseProvider.QDRANT: ProviderFacts(folder="qdrant", extra="qdrant", port=6333, needs_address=True),
        VectorDatabaseProvider.MILVUS: ProviderFacts(folder="milvus", extra="milvus", port=19530, needs_address=True),
        VectorDatabaseProvider.PGVECTOR: ProviderFacts(
            folder="pgvector", aliases=("postgres", "postgresql"), extra="pgvector", port=5432, needs_address=True
        ),
    }
)
_ALIASES: Final = {alias: provider for provider, facts in PROVIDERS.items() for alias in facts.aliases}


def provider_name(name: str) -> str:
    """A VectorDatabaseProvider, also for its aliases; the name of a provider that is not ours in lower case."""
    lowered = str(name).lower()
    try:
        return VectorDatabaseProvider(lowered)
    except ValueError:
        return lowered


def facts_of(name: str) -> ProviderFacts | None:
    """The row of a provider or of an alias; None for a provider that is not ours."""
    return next((facts for provider, facts in PROVIDERS.items() if provider == provider_name(name)), None)


def accepted_names() -> list[str]:
    """Every name that selects one of our stores: each provider followed by its aliases."""
    return [name for provider, facts in PROVIDERS.items() for name in (str(provider), *facts.aliases)]
