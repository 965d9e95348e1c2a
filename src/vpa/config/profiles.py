"""Where settings come from besides variables: what an environment changes, and the YAML file of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from vpa.base.errors import ConfigurationError

ENVIRONMENTS: Final = ("development", "staging", "production")
PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "development": {},
    "staging": {},
    "production": {
        "enable_auth": True,
        "require_api_key": True,
        "encrypt_at_rest": True,
        "encrypt_in_transit": True,
        "log_format": "json",
    },
}


def config_file(environment: str) -> Path:
    """`<environment>.yaml` in `VPA_CONFIG_DIR`, by default `config/` below the working directory."""
    return Path(os.environ.get("VPA_CONFIG_DIR") or "config") / f"{environment}.yaml"


def read_file(environment: str) -> dict[str, Any]:
    """Settings of the file; an absent file gives none. Raises ConfigurationError for one that is no mapping."""
    path = config_file(environment)
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must hold a mapping of settings, not a {type(content).__name__}")
    return {str(key).lower(): value for key, value in content.items()}
