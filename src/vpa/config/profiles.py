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
_HINT: Final = "set VPA_CONFIG_DIR to the directory of vpa's settings if it is meant for vpa"
_log = get_logger("vpa.config")


def config_file(environment: str) -> Path:
    """`<environment>.yaml` in `VPA_CONFIG_DIR`, by default `config/` below the working directory."""
    return Path(os.environ.get("VPA_CONFIG_DIR") or "config") / f"{environment}.yaml"


def read_file(environment: str, *, known: Collection[str]) -> dict[str, Any]:
    """The settings in the file, by key; `known` are the keys that exist. An absent file gives none.

    Raises ConfigurationError for a file that is no mapping, and for a VPA_CONFIG_DIR that is no directory. In the
    default directory, which any project may have, a file that has none of our keys is ignored with a line in the log.
    """
    settings, ignored = _read(config_file(environment), known)
    if ignored:
        _log.warning("ignored a file", reason=ignored, hint=_HINT)
    return settings


def ignored_file(environment: str, *, known: Collection[str]) -> str:
    """Why the file of an environment is ignored; empty where it is read, or absent."""
    return _read(config_file(environment), known)[1]


def _read(path: Path, known: Collection[str]) -> tuple[dict[str, Any], str]:
    chosen = os.environ.get("VPA_CONFIG_DIR")
    if chosen and not path.parent.is_dir():
        raise ConfigurationError(f"VPA_CONFIG_DIR={chosen!r} is not a directory; correct it, or unset it")
    if not path.exists():
        return {}, ""
    try:
        settings = _read_mapping(path)
    except ConfigurationError as error:
        if chosen or _names_a_key(path, known):
            raise
        return {}, error.message
    if not chosen and _is_foreign(settings, known):
        return {}, f"{path} has no key of vpa"
    return settings, ""


def _names_a_key(path: Path, known: Collection[str]) -> bool:
    """Whether a line of a file that cannot be read as YAML begins as a setting of ours would."""
    try:
        lines = path.read_bytes().decode("latin-1").splitlines()
    except OSError:
        return False
    names = {line.partition(":")[0].strip(" \"'").lower() for line in lines if ":" in line}
    return bool(names & (set(known) - _COMMON_KEYS))


class _Loader(yaml.SafeLoader):
    """As SafeLoader, which silently takes the last of two values for one key."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; raises ConstructorError for a key that stands there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(getattr(key, "value", key)).lower()
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
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
