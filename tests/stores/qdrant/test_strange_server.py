"""What is said where something else than Qdrant answers."""

from __future__ import annotations

import pytest

from deployments import WEAVIATE_IS_BUILT, RunningStores
from vpa.base import errors
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.config import VectorDatabaseConfig


@pytest.mark.parametrize("form", ["chromadb server", *(["weaviate server"] if WEAVIATE_IS_BUILT else [])])
async def test_another_store_at_the_address_is_no_missing_collection(stores: RunningStores, form: str) -> None:
    there = stores.config(form)
    url = there.url or f"http://{there.host}:{there.port}"
    config = VectorDatabaseConfig(provider="qdrant", url=url, api_key="secret", dimension=2)
    with pytest.raises(errors.ConfigurationError, match=r"is no Qdrant.*check host and port"):
        async with VectorDatabaseManager(config):
            pass
