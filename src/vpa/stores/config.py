"""Which store to use and how to reach it, as the stores see it. Defined lower, where settings are read."""

from vpa.base.providers import VectorDatabaseProvider, provider_name
from vpa.config.sections.store import DEFAULT_INDEX, VectorDatabaseConfig
from vpa.config.store_url import parse_url

__all__ = ["DEFAULT_INDEX", "VectorDatabaseConfig", "VectorDatabaseProvider", "parse_url", "provider_name"]
