"""Every setting that a section declares, and how a written value becomes a value of its type."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from pydantic import SecretStr, TypeAdapter, ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider, accepted_names, provider_name
from vpa.config.reserved import RESERVED
from vpa.config.sections.deployment import DeploymentOptions
from vpa.config.sections.embedding import EmbeddingOptions
from vpa.config.sections.ingest import IngestOptions
from vpa.config.sections.observe import LogOptions
from vpa.config.sections.rag import RagOptions
from vpa.config.sections.setting import PREFIX, Setting, settings_of
from vpa.config.sections.store import VectorDatabaseConfig

SECTIONS: Final[tuple[type, ...]] = (
    DeploymentOptions,
    VectorDatabaseConfig,
    EmbeddingOptions,
    RagOptions,
    IngestOptions,
    LogOptions,
)


@dataclass(frozen=True, slots=True)
class Declared:
    """A setting and the field of the section that it sets."""

    section: type
    field: str
    default: Any
    setting: Setting

    @property
    def may_be_none(self) -> bool:
        """Whether an empty value means None."""
        return self.default is None


SETTINGS: Final[Mapping[str, Declared]] = MappingProxyType(
    {
        setting.key: Declared(section, field.name, field.default, setting)
        for section in SECTIONS
        for field, setting in settings_of(section)
    }
)


@cache
def _variables_type() -> type[BaseSettings]:
    """Every variable as text: the types are those of the sections' fields, see `read_value`."""
    names: dict[str, Any] = dict.fromkeys((*SETTINGS, *RESERVED), (str | None, None))
    config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")
    base = type("Variables", (BaseSettings,), {"model_config": config, "__module__": __name__})
    return create_model("Variables", __base__=base, **names)


def read_variables() -> dict[str, str | None]:
    """The `VPA_*` variables that are set, by key, as they are written."""
    return _variables_type()().model_dump(exclude_unset=True)


def read_value(declared: Declared, written: Any) -> Any:
    """The value that was written, in the field's type; raises ConfigurationError with what may stand there."""
    value = written.get_secret_value() if isinstance(written, SecretStr) else written
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if value == "" and declared.may_be_none:
        return None
    if declared.setting.read is not None:
        value = declared.setting.read(value)
    try:
        value = _adapter(declared.section, declared.field).validate_python(value)
    except ValidationError as error:
        # Of a choice the message of the setting: it names what may stand there as every other does.
        chosen = declared.setting.problem(value) if declared.setting.choices else None
        raise ConfigurationError(chosen or _allowed(error)) from None
    problem = _provider_problem(value) if declared.setting.key == "vector_db_provider" else None
    problem = problem or declared.setting.problem(value)
    if problem is not None:
        raise ConfigurationError(problem)
    return value


# By pydantic's name for what is wrong, what may stand there.
_ALLOWED: Final[Mapping[str, str]] = {
    "bool_parsing": "it must be a boolean: true or false (also 1, 0, yes, no, on, off)",
    "int_parsing": "it must be an integer",
    "int_from_float": "it must be an integer",
    "float_parsing": "it must be a number",
}


def _allowed(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return _ALLOWED.get(first["type"], first["msg"])


@cache
def _adapter(section: type, field: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(section)[field])


def _provider_problem(value: str) -> str | None:
    name = provider_name(value)
    # Reading the entry points takes tens of milliseconds: only for names that are not ours.
    if not value or name in tuple(VectorDatabaseProvider):
        return None
    if any(entry.name == name for entry in entry_points(group="vpa.stores")):
        return None
    return f"it must be one of {', '.join(accepted_names())}"
