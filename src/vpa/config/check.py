"""What is wrong with settings: every problem at once, in words an operator can act on."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider, facts_of
from vpa.config.reading import SETTINGS
from vpa.config.reserved import reserved_variables
from vpa.config.sections.rag import RagOptions
from vpa.config.sections.setting import PREFIX
from vpa.config.sections.store import VectorDatabaseConfig
from vpa.config.settings import DeploymentConfig

_OTHER_VARIABLES: Final = ("VPA_CONFIG_DIR",)


def validate_config(config: DeploymentConfig) -> list[str]:
    """Every problem of `config`, each naming its variable and what to do; empty when it is sound."""
    if not isinstance(config, DeploymentConfig):
        raise ConfigurationError(f"config is what get_config returns, not {type(config).__name__}")
    unreadable = config.unreadable()
    broken = {SETTINGS[key].section for key in unreadable}
    problems = list(unreadable.values())
    if RagOptions not in broken:
        problems += _rag(config)
    if VectorDatabaseConfig not in broken:
        problems += _store(config)
    if config.environment == "production" and config.debug:
        problems.append("VPA_DEBUG is on in production: debug logs are for development; set it to false")
    return problems


def _rag(config: DeploymentConfig) -> Iterator[str]:
    try:
        _ = config.rag
    except ConfigurationError as error:
        yield error.message


def _store(config: DeploymentConfig) -> Iterator[str]:
    try:
        store = config.store
    except ConfigurationError as error:
        yield error.message
        return
    facts = facts_of(store.provider)
    has_address = bool(store.host or store.url or store.path)
    if facts is not None and facts.needs_key and store.api_key is None:
        yield f"VPA_VECTOR_DB_API_KEY is not set; {store.provider} needs it"
    if facts is not None and facts.needs_address and not has_address and config.vector_db_url is None:
        yield f"{store.provider} needs an address: set VPA_VECTOR_DB_URL, or VPA_VECTOR_DB_HOST and VPA_VECTOR_DB_PORT"
    if config.environment == "production":
        yield from _production(store)


def _production(store: VectorDatabaseConfig) -> Iterator[str]:
    if store.provider == VectorDatabaseProvider.MOCK and not store.path:
        yield "VPA_VECTOR_DB_PATH is not set: the embedded engine would keep production data in memory only"
    if not (store.encrypt_in_transit or store.is_on_this_host):
        yield (
            "VPA_ENCRYPT_IN_TRANSIT is off in production, and the store is on another host: documents travel in clear "
            "text; set it to true"
        )


def unknown_variables() -> list[str]:
    """`VPA_*` variables that no setting reads, each with the name that may have been meant."""
    known = [*(declared.setting.variable for declared in SETTINGS.values()), *_OTHER_VARIABLES]
    result = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in (*known, *reserved_variables()) and not name.startswith("VPA_TEST_"):
            near = difflib.get_close_matches(name, known, n=1)
            result.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return result
