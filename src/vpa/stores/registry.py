"""Finds the factory of a provider by name. A provider's module, and its client library, load only when asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Final, TypeAlias

from vpa.base.errors import ConfigurationError, ProviderNotInstalledError
from vpa.base.providers import PROVIDERS, accepted_names, facts_of, provider_name
from vpa.stores.config import VectorDatabaseConfig
from vpa.stores.contract import VectorStore

Factory: TypeAlias = Callable[[VectorDatabaseConfig], VectorStore]
GROUP: Final = "vpa.stores"
BUILT_IN: Final[Mapping[str, str]] = {provider: facts.factory for provider, facts in PROVIDERS.items()}


def available() -> list[str]:
    """Names of the providers that this installation can use."""
    return sorted({*BUILT_IN, *(provider_name(entry.name) for entry in entry_points(group=GROUP))})


def create_store(config: VectorDatabaseConfig) -> VectorStore:
    """A store for `config`, not yet open; raises ConfigurationError or ProviderNotInstalledError."""
    return _factory(str(config.provider))(config)


def _factory(name: str) -> Factory:
    target = BUILT_IN.get(name)
    if target is None:
        target = next((entry.value for entry in entry_points(group=GROUP) if entry.name == name), None)
    if target is None:
        raise _unknown(name)
    module, _, attribute = target.partition(":")
    try:
        factory: Factory = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ProviderNotInstalledError(
            f"provider {name!r} needs a library that is not installed ({error.name or error}); "
            f'run: pip install "vpa[{_extra(name)}]"',
            provider=name,
        ) from error
    return factory


def _extra(name: str) -> str:
    facts = facts_of(name)
    return name if facts is None or facts.extra is None else facts.extra


_MEMORY: Final = ("memory", "mem", "ram", "local", "inmemory", "in-memory")
_SHORT: Final = {
    "pg": "postgresql",
    "postgis": "postgresql",
    "file": "embedded",
    "dir": "embedded",
    "psql": "postgresql",
}


def _unknown(name: str) -> ConfigurationError:
    if name in ("http", "https", "grpc"):
        return ConfigurationError(
            f"{name}:// says how, not what is there: name the store, as in qdrant://host:6333 or qdrant+https://host"
        )
    if name in _MEMORY:
        return ConfigurationError(f"unknown provider {name!r}; what is in memory is embedded://")
    near = difflib.get_close_matches(_SHORT.get(name, name), [*available(), *accepted_names()], n=1)
    hint = f"did you mean {str(near[0])!r}?" if near else f"available: {', '.join(available())}"
    return ConfigurationError(f"unknown provider {name!r}; {hint}")
