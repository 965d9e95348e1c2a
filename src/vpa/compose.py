"""The only place where settings become objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vpa.base.errors import ConfigurationError
from vpa.client.manager import VectorDatabaseManager
from vpa.config.check import validate_config
from vpa.config.settings import DeploymentConfig, get_config
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.catalog import load_embedder
from vpa.rag.options import RagOptions
from vpa.rag.system import EnhancedRAGSystem
from vpa.stores.config import VectorDatabaseConfig


def database_config(config: DeploymentConfig) -> VectorDatabaseConfig:
    """The part of the settings that a store needs."""
    key = config.vector_db_api_key
    return VectorDatabaseConfig(
        provider=config.vector_db_provider,
        index_name=config.vector_db_index_name,
        dimension=config.vector_db_dimension,
        metric=config.vector_db_metric,
        host=config.vector_db_host,
        port=config.vector_db_port,
        url=config.vector_db_url,
        path=config.vector_db_path,
        api_key=None if key is None else key.get_secret_value(),
        timeout_seconds=config.vector_db_timeout_seconds,
        max_retries=config.vector_db_max_retries,
        connection_pool_size=config.connection_pool_size,
        max_concurrent_requests=config.max_concurrent_requests,
        encrypt_at_rest=config.encrypt_at_rest,
        encrypt_in_transit=config.encrypt_in_transit,
    )


def create_vector_database_manager(
    config: VectorDatabaseConfig | DeploymentConfig | None = None,
) -> VectorDatabaseManager:
    """A manager, not yet connected, from a store's config, from settings, or from `VPA_*` and the files."""
    if isinstance(config, VectorDatabaseConfig):
        return VectorDatabaseManager(config)
    return VectorDatabaseManager(database_config(_sound(config)))


def create_enhanced_rag_system(
    config: DeploymentConfig | None = None,
    *,
    manager: VectorDatabaseManager | None = None,
    embedder: Any = None,
) -> EnhancedRAGSystem:
    """A RAG system, not yet initialized, from settings (by default `VPA_*` and the files).

    A given `manager` stays open at `shutdown`; a given `embedder` replaces the configured model: anything that
    `as_embedder` accepts, or the name of a model.
    Raises ConfigurationError, with every problem, for settings that cannot work or that production refuses.
    """
    settings = _sound(config)
    model, path = settings.embedding_model, settings.embedding_model_path
    options = RagOptions(
        collection=settings.vector_db_index_name if manager is None else manager.config.index_name,
        dimension=settings.vector_db_dimension if manager is None else manager.config.dimension,
        metric=settings.vector_db_metric if manager is None else manager.config.metric,
        chunk_size=settings.chunk_size,
        chunk_overlap=settings.chunk_overlap,
        cache_bytes=int(settings.cache_size_mb * (1 << 20)),
        cache_ttl_s=settings.cache_ttl_seconds,
    )
    return EnhancedRAGSystem(
        manager or VectorDatabaseManager(database_config(settings)),
        BatchedEmbedder(
            _loader(embedder, model=model, path=path),
            batch_size=settings.embedding_batch_size,
        ),
        options=options,
        owns_manager=manager is None,
    )


def _loader(embedder: Any, *, model: str | None, path: str | None) -> Callable[[], Any]:
    if embedder is None:
        return lambda: load_embedder(model, path=path)
    return (lambda: load_embedder(embedder, path=path)) if isinstance(embedder, str) else (lambda: embedder)


def _sound(config: DeploymentConfig | None) -> DeploymentConfig:
    settings = get_config() if config is None else config
    problems = validate_config(settings)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigurationError(f"the {settings.environment} settings cannot be used:\n{listed}")
    return settings
