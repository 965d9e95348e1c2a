"""From settings to a manager."""

from __future__ import annotations

from vpa.base.arguments import explained
from vpa.base.errors import ConfigurationError
from vpa.client.manager import VectorDatabaseManager
from vpa.config.check import validate_config
from vpa.config.settings import DeploymentConfig, get_config
from vpa.stores.config import VectorDatabaseConfig


@explained
def create_vector_database_manager(
    config: VectorDatabaseConfig | DeploymentConfig | None = None,
) -> VectorDatabaseManager:
    """A manager, not yet connected, from a store's config, from settings, or from `VPA_*` and the files.

    Raises ConfigurationError, with every problem, for settings that cannot work or that production refuses.
    """
    if isinstance(config, VectorDatabaseConfig):
        return VectorDatabaseManager(config)
    return VectorDatabaseManager(sound(config).store)


def sound(config: DeploymentConfig | None) -> DeploymentConfig:
    """`config`, or what `get_config` reads; raises ConfigurationError with every problem that validation finds."""
    settings = get_config() if config is None else config
    problems = validate_config(settings)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigurationError(f"the {settings.deployment.environment} settings cannot be used:\n{listed}")
    return settings
