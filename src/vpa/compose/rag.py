"""From settings to a RAG system."""

from __future__ import annotations

from typing import Any

from vpa.base.arguments import explained
from vpa.base.providers import VectorDatabaseProvider
from vpa.client.manager import VectorDatabaseManager
from vpa.compose.store import sound
from vpa.config.sections.rag import RagOptions
from vpa.config.sections.store import VectorDatabaseConfig
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.catalog import load_embedder
from vpa.rag.system import EnhancedRAGSystem
from vpa.rag.tokens.file import NAME, FileShelf
from vpa.rag.tokens.shelf import MemoryShelf, Shelf


@explained
def create_enhanced_rag_system(
    config: DeploymentConfig | None = None,
    *,
    manager: VectorDatabaseManager | None = None,
    embedder: Any = None,
) -> EnhancedRAGSystem:
    """A RAG system, not yet initialized, from settings (by default `VPA_*` and the files).

    `manager` stays open at `shutdown`, and its own collection is used. `embedder` replaces the configured model:
    anything that `as_embedder` accepts, or the name of a model.
    Raises ConfigurationError, with every problem, for settings that cannot work or that production refuses.
    """
    settings = sound(config)
    options = settings.embedding

    def load() -> Any:
        if embedder is None or isinstance(embedder, str):
            return load_embedder(embedder or options.model, path=options.model_path)
        return embedder

    own = manager or VectorDatabaseManager(settings.store)
    return EnhancedRAGSystem(
        own,
        BatchedEmbedder(load, batch_size=options.batch_size),
        options=settings.rag,
        owns_manager=manager is None,
        shelf=token_shelf(settings.rag, own.config),
    )


def token_shelf(options: RagOptions, store: VectorDatabaseConfig) -> Shelf:
    """Where token vectors are kept: in the file that was named, else beside the data of an embedded store, else in the
    memory of this process.

    The file is made where `rerank` is "light"; once it is there, it is used whatever `rerank` is. Beside a server's
    data, vectors in memory are made only for "light", too.
    """
    is_embedded = store.provider == VectorDatabaseProvider.MOCK
    wants = options.rerank == "light"
    path = options.token_vectors_path
    if path is None and is_embedded and store.path is not None:
        path = f"{store.path}/{NAME}"
    if path is not None:
        return FileShelf(path, max_bytes=options.token_bytes, make=wants, read_only=store.read_only)
    return MemoryShelf(max_bytes=options.token_bytes if wants or is_embedded else 0)
