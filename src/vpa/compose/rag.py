"""From settings to a RAG system."""

from __future__ import annotations

from typing import Any

from vpa.base.arguments import explained
from vpa.base.providers import VectorDatabaseProvider
from vpa.client.manager import VectorDatabaseManager
from vpa.compose.store import sound
from vpa.config.sections.embedding import EmbeddingOptions
from vpa.config.sections.rag import RagOptions
from vpa.config.sections.store import VectorDatabaseConfig
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.catalog import load_embedder
from vpa.embeddings.shelved import VECTORS
from vpa.kit.shelf.contract import Shelf
from vpa.kit.shelf.file import FileShelf
from vpa.kit.shelf.memory import MemoryShelf
from vpa.rag.system import EnhancedRAGSystem
from vpa.rag.tokens.layout import TOKEN_VECTORS


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
        BatchedEmbedder(load, batch_size=options.batch_size, shelf=vector_shelf(options, own.config)),
        options=settings.rag,
        intake=settings.ingest,
        owns_manager=manager is None,
        shelf=token_shelf(settings.rag, own.config, embedding=options),
    )


def vector_shelf(options: EmbeddingOptions, store: VectorDatabaseConfig) -> Shelf | None:
    """The file in which embeddings are cached: the one that was named, else one beside the data of an embedded store.

    None where neither is there, and for a bound of 0. It is made when a model that is worth it embeds a first document.
    """
    path = options.cache_path
    if path is None and store.provider == VectorDatabaseProvider.MOCK and store.path is not None:
        path = f"{store.path}/{VECTORS.file_name}"
    if path is None or not options.shelf_bytes:
        return None
    return FileShelf(path, layout=VECTORS, max_bytes=options.shelf_bytes, read_only=store.read_only)


def token_shelf(
    options: RagOptions, store: VectorDatabaseConfig, *, embedding: EmbeddingOptions = EmbeddingOptions()
) -> Shelf:
    """Where token vectors are kept: in the file that was named, else beside the data of an embedded store, else in the
    memory of this process.

    The file is made where `rerank` is "light"; once it is there, it is used whatever `rerank` is. Beside a server's
    data, vectors in memory are made only for "light", too. So are they where a cache of embeddings is named: in memory
    none outlives the process, and making them would embed again what that cache has.
    """
    is_embedded = store.provider == VectorDatabaseProvider.MOCK
    wants = options.rerank == "light"
    path = options.token_vectors_path
    if path is None and is_embedded and store.path is not None:
        path = f"{store.path}/{TOKEN_VECTORS.file_name}"
    if path is not None:
        return FileShelf(
            path, layout=TOKEN_VECTORS, max_bytes=options.token_bytes, make=wants, read_only=store.read_only
        )
    has_cache = embedding.cache_path is not None and embedding.shelf_bytes > 0
    return MemoryShelf(max_bytes=options.token_bytes if wants or (is_embedded and not has_cache) else 0)
