"""Where settings come from besides variables: what an environment changes, and its YAML file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from vpa.base.errors import ConfigurationError
from vpa.observe.log import get_logger

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "development": {},
    "staging": {},
    "production": {"encrypt_at_rest": True, "encrypt_in_transit": True, "log_format": "json"},
}
# Keys that other programs' files have too: they do not show that a file is ours.
_COMMON_KEYS: Final = frozenset({"debug", "environment", "log_format", "log_level", "testing"})
# difflib's ratio for one wrong letter in a key of four ("prot" for "port") is 0.75; unrelated words stay below.
_TYPO_RATIO: Final = 0.75
_log = get_logger("vpa.config")


def config_file(environment: str) -> Path:
    """`<environment>.yaml` in `VPA_CONFIG_DIR`, by default `config/` below the working directory."""
    return Path(os.environ.get("VPA_CONFIG_DIR") or "config") / f"{environment}.yaml"


def read_file(environment: str, *, known: Collection[str]) -> dict[str, Any]:
    """The settings in the file, by key; `known` are the keys that exist. An absent file gives none.

    Raises ConfigurationError for a file that is no mapping. In the default directory, which any project may have, a
    file that has none of our keys is ignored with a line in the log.
    """
    path = config_file(environment)
    if not path.is_file():
        return {}
    may_be_foreign = not os.environ.get("VPA_CONFIG_DIR")
    try:
        settings = _read_mapping(path)
    except ConfigurationError as error:
        if not may_be_foreign:
            raise
        _log.warning("ignored a file", reason=error.message, hint="set VPA_CONFIG_DIR if it is meant for vpa")
        return {}
    if may_be_foreign and _is_foreign(settings, known):
        _log.warning(
            "ignored a file",
            reason=f"{path} has no key of vpa",
            hint="set VPA_CONFIG_DIR to the directory of vpa's settings",
        )
        return {}
    return settings


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    except RecursionError:
        raise ConfigurationError(f"{path} cannot be read: it is nested too deeply") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must hold a mapping of settings, not a {type(content).__name__}")
    return {str(key).lower(): value for key, value in content.items()}


def _is_foreign(settings: Mapping[str, Any], known: Collection[str]) -> bool:
    """Whether some key is not ours, and none is ours alone or a misspelling of one that is."""
    own = set(known) - _COMMON_KEYS
    return any(key not in known for key in settings) and not any(
        key in own or difflib.get_close_matches(key, own, n=1, cutoff=_TYPO_RATIO) for key in settings
    )
