"""What is said where something else answers than the store that the URL names."""

from __future__ import annotations

import socket

import pytest

from deployments import WEAVIATE_IS_BUILT, RunningStores
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig

OTHERS = [("qdrant", "chromadb server"), ("weaviate", "chromadb server")]
OTHERS += [("qdrant", "weaviate server")] if WEAVIATE_IS_BUILT else []


@pytest.mark.parametrize(("provider", "form"), OTHERS)
async def test_another_store_at_the_address_is_no_missing_collection(
    stores: RunningStores, provider: str, form: str
) -> None:
    there = stores.config(form)
    url = there.url or f"http://{there.host}:{there.port}"
    config = VectorDatabaseConfig(provider=provider, url=url, api_key="secret", dimension=2)
    with pytest.raises(errors.ConfigurationError, match=rf"is no (?i:{provider}).*check the URL's host"):
        async with VectorDatabaseManager(config):
            pass


async def test_a_server_that_waits_for_another_protocol_is_not_called_slow_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://me@127.0.0.1:{port}/db"
        config = VectorDatabaseConfig(provider="pgvector", url=url, timeout_seconds=0.5, max_retries=0)
        with pytest.raises(errors.OperationTimeoutError, match="check that pgvector listens at this host and port"):
            async with VectorDatabaseManager(config):
                pass
