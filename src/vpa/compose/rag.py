"""From settings to a RAG system."""

from __future__ import annotations

from typing import Any

from vpa.base.arguments import explained
from vpa.client.manager import VectorDatabaseManager
from vpa.compose.store import sound
from vpa.config.settings import DeploymentConfig
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.catalog import load_embedder
from vpa.rag.system import EnhancedRAGSystem


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

    return EnhancedRAGSystem(
        manager or VectorDatabaseManager(settings.store),
        BatchedEmbedder(load, batch_size=options.batch_size),
        options=settings.rag,
        owns_manager=manager is None,
    )
