"""Production starts on every store with the variables that docs/configuration.md gives for it, and says what is
unsafe.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vpa.base.errors import ConfigurationError
from vpa.base.providers import PROVIDERS
from vpa.client.manager import VectorDatabaseManager
from vpa.compose import create_vector_database_manager
from vpa.config.deployment_config import get_config, validate_config
from vpa.stores.registry import create_store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


class Reached(Exception):
    """The store was asked to open: every check before it was passed."""


def documented() -> dict[str, dict[str, str]]:
    """By provider, the variables of the page's section on production."""
    section = PAGE.read_text("utf-8").partition("## Production")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE)
    return {provider: dict(re.findall(r"`(VPA_\w+)=([^`]*)`", cells.replace("…", "key"))) for provider, cells in rows}


def use(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    for name, value in documented()[provider].items():
        monkeypatch.setenv(name, value)


async def start(monkeypatch: pytest.MonkeyPatch) -> VectorDatabaseManager:
    """Everything that happens before the store is opened."""
    config = create_vector_database_manager(get_config("production")).config
    store = create_store(config)

    async def opened() -> None:
        raise Reached

    monkeypatch.setattr(store, "open", opened)
    manager = VectorDatabaseManager(config, store=store)
    await manager.connect()
    return manager


def test_every_store_is_documented() -> None:
    assert sorted(documented()) == sorted(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_documented_configuration_starts(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    use(monkeypatch, provider)
    config = get_config("production")
    assert config.vector_db_provider == provider
    assert validate_config(config) == []
    with pytest.raises(Reached):
        await start(monkeypatch)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "pinecone"])
async def test_encryption_at_rest_is_never_skipped_silently(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    use(monkeypatch, provider)
    monkeypatch.delenv("VPA_ENCRYPT_AT_REST")
    with pytest.raises(ConfigurationError, match="encrypted volume and set VPA_ENCRYPT_AT_REST=false"):
        await start(monkeypatch)


@pytest.mark.parametrize("provider", ["chromadb", "qdrant", "milvus", "weaviate"])
async def test_a_server_elsewhere_needs_tls(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    use(monkeypatch, provider)
    url = documented()[provider]["VPA_VECTOR_DB_URL"].replace("+https", "+http")
    monkeypatch.setenv("VPA_VECTOR_DB_URL", url)
    monkeypatch.setenv("VPA_ENCRYPT_IN_TRANSIT", "false")
    [problem] = validate_config(get_config("production"))
    assert problem.startswith("VPA_ENCRYPT_IN_TRANSIT is off")
    monkeypatch.setenv("VPA_VECTOR_DB_URL", re.sub(r"//[\w.]+", "//127.0.0.1", url))
    assert validate_config(get_config("production")) == []
    with pytest.raises(Reached):
        await start(monkeypatch)


def test_what_is_unsafe_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_DEBUG", "true")
    problems = validate_config(get_config("production"))
    assert [problem.split()[0] for problem in problems] == ["VPA_VECTOR_DB_PATH", "VPA_DEBUG"]
