"""The one table of providers: settings, registry, install hints, packaging and docs agree with it."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from vpa.base.providers import PROVIDERS, VectorDatabaseProvider, accepted_names, facts_of, provider_name
from vpa.config.deployment_config import get_config
from vpa.stores import registry
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.remote.endpoint import server_of

ROOT = Path(__file__).resolve().parents[2]


def test_every_member_has_one_row_and_every_name_selects_one() -> None:
    assert list(PROVIDERS) == list(VectorDatabaseProvider)
    names = accepted_names()
    assert len(names) == len(set(names))
    for provider, facts in PROVIDERS.items():
        for name in (provider, *facts.aliases, provider.upper()):
            assert provider_name(name) is provider
            assert facts_of(name) is facts
    assert provider_name("Theirs") == "theirs"
    assert facts_of("theirs") is None


@pytest.mark.parametrize("name", accepted_names())
def test_settings_take_every_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", name.upper())
    assert get_config().vector_db_provider is VectorDatabaseProvider(name)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_registry_makes_each(provider: VectorDatabaseProvider) -> None:
    assert registry.BUILT_IN[provider] == PROVIDERS[provider].factory
    module, _, function = PROVIDERS[provider].factory.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("provider", [name for name, facts in PROVIDERS.items() if facts.port])
def test_a_server_listens_on_the_ports_of_the_table(provider: VectorDatabaseProvider) -> None:
    facts = PROVIDERS[provider]
    plain = server_of(VectorDatabaseConfig(provider=provider, host="h"))
    over_tls = server_of(VectorDatabaseConfig(provider=provider, url="https://h"))
    assert (plain.port if plain else None) == facts.port
    assert (over_tls.port if over_tls else None) == (facts.tls_port or facts.port)


def test_a_provider_of_others_gives_its_own_ports() -> None:
    config = VectorDatabaseConfig(provider="mine", host="h")
    server = server_of(config, port=1234)
    assert server is not None
    assert server.port == 1234


def test_every_extra_is_packaged() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = {facts.extra for facts in PROVIDERS.values() if facts.extra}
    assert wanted <= set(extras)
    [everything] = [line for line in extras["all"] if line.startswith("vpa[")]
    assert wanted <= set(re.findall(r"\w+", everything))


def test_the_page_names_each_with_aliases_extras_and_ports() -> None:
    page = (ROOT / "docs" / "providers.md").read_text("utf-8")
    table = page.partition("`pip install")[0]
    pip_line = page.partition("`pip install")[2].partition("\n")[0]
    for provider, facts in PROVIDERS.items():
        [row] = [line for line in table.splitlines() if line.startswith(f"| `{provider}`")]
        assert all(f"`{alias}`" in row for alias in facts.aliases)
        if facts.extra:
            assert facts.extra in pip_line
        if facts.needs_address:
            assert f":{facts.port}" in row
