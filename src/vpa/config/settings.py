"""Every setting with its type and default. Variables win over the file, the file over the environment's profile."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from vpa.base.errors import ConfigurationError
from vpa.config.profiles import ENVIRONMENTS, PROFILES, config_file, read_file

PREFIX: Final = "VPA_"
PROVIDERS: Final = ("mock", "embedded", "numpy", "chromadb", "pinecone", "weaviate", "qdrant", "milvus", "pgvector")


def _provider(value: Any) -> Any:
    name = value.lower() if isinstance(value, str) else ""
    # Reading the entry points takes tens of milliseconds: only for names that are not ours.
    if name not in (*PROVIDERS, "chroma") and not any(name == entry.name for entry in entry_points(group="vpa.stores")):
        raise ValueError(f"Input should be one of {', '.join(PROVIDERS)}")
    return name


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


_Text = Annotated[str | None, BeforeValidator(_blank_is_none)]
_Secret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]
_Whole = Annotated[int | None, BeforeValidator(_blank_is_none)]


class DeploymentConfig(BaseSettings):
    """All settings of one deployment. Attributes may be changed; `validate_config` says whether the result is sound."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", validate_default=False)

    environment: Literal["development", "staging", "production"] = "development"
    debug: bool = False
    testing: bool = False

    vector_db_provider: Annotated[str, BeforeValidator(_provider)] = "mock"
    vector_db_host: _Text = None
    vector_db_port: _Whole = None
    vector_db_url: _Text = None
    vector_db_api_key: _Secret = None
    vector_db_path: _Text = None
    vector_db_index_name: str = "vpa-index"
    vector_db_dimension: _Whole = None
    vector_db_metric: Literal["cosine", "dot", "euclidean"] = "cosine"
    vector_db_timeout_seconds: float = Field(default=30.0, gt=0)
    vector_db_max_retries: int = Field(default=3, ge=0)

    embedding_model: _Text = None
    embedding_model_path: _Text = None
    embedding_batch_size: int = Field(default=64, ge=1)

    chunk_size: int = Field(default=1000, ge=1)
    chunk_overlap: int = Field(default=150, ge=0)

    enable_auth: bool = False
    require_api_key: bool = False
    encrypt_at_rest: bool = False
    encrypt_in_transit: bool = False
    encryption_key: _Secret = None

    max_concurrent_requests: int = Field(default=100, ge=1)
    cache_size_mb: float = Field(default=1024, ge=0)
    cache_ttl_seconds: float = Field(default=300, ge=0)
    connection_pool_size: int = Field(default=20, ge=1)

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = "INFO"
    log_format: Literal["console", "json"] = "console"
    enable_metrics: bool = True
    enable_tracing: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables first: what is passed in comes from the profile and the file."""
        return env_settings, init_settings


def get_config(environment: str | None = None) -> DeploymentConfig:
    """The settings of an environment, by default of `VPA_ENVIRONMENT`.

    Raises ConfigurationError, naming each variable or key and what it may be, for values that cannot be read.
    Unsafe values raise nothing here: `validate_config` lists them.
    """
    chosen = (environment or os.environ.get("VPA_ENVIRONMENT") or "development").lower()
    if chosen not in ENVIRONMENTS:
        source = "get_config" if environment else "VPA_ENVIRONMENT"
        raise ConfigurationError(f"{source}: unknown environment {chosen!r}; use one of {', '.join(ENVIRONMENTS)}")
    from_file = read_file(chosen)
    try:
        config = DeploymentConfig(**{**PROFILES[chosen], **from_file, "environment": chosen})
    except ValidationError as error:
        raise ConfigurationError("; ".join(_problems(error, from_file, chosen))) from None
    config.environment = chosen  # type: ignore[assignment]
    return config


def _problems(error: ValidationError, from_file: dict[str, Any], environment: str) -> list[str]:
    problems = []
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(found["loc"][0]) if found["loc"] else "settings"
        if found["type"] == "extra_forbidden":
            problems.append(f"{config_file(environment)}: unknown key {name!r}; see docs/configuration.md")
            continue
        variable = PREFIX + name.upper()
        place = variable if variable in os.environ or name not in from_file else f"{config_file(environment)}: {name}"
        given = os.environ.get(variable, from_file.get(name))
        shown = "" if name.endswith("_key") else f"={given!r}"
        problems.append(f"{place}{shown}: {found['msg'].removeprefix('Value error, ')}")
    return problems
