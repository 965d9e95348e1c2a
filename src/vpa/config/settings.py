"""From variables, files and profiles to the sections. Variables win over the file, the file over the profile."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import SecretStr

from vpa.base.errors import ConfigurationError
from vpa.base.providers import VectorDatabaseProvider, provider_name
from vpa.config.profiles import PROFILES, config_file, read_file
from vpa.config.reading import SETTINGS, read_value, read_variables
from vpa.config.reserved import RESERVED, refusal
from vpa.config.sections.deployment import ENVIRONMENTS, DeploymentOptions
from vpa.config.sections.embedding import EmbeddingOptions
from vpa.config.sections.ingest import IngestOptions
from vpa.config.sections.observe import LogOptions
from vpa.config.sections.rag import RagOptions
from vpa.config.sections.setting import PREFIX
from vpa.config.sections.store import VectorDatabaseConfig
from vpa.config.store_url import provider_of_url
from vpa.observe.redact import redact, redact_url


class Layer(IntEnum):
    """Where a value was written; the higher wins."""

    PROFILE = 0
    FILE = 1
    VARIABLE = 2
    CODE = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A value as it was written, and the place to name when it is wrong."""

    value: Any
    place: str
    layer: Layer


class DeploymentConfig:
    """All settings of one deployment, in sections that are the options of the objects which read them.

    Each setting is also an attribute under its flat name, the variable in lower case without `VPA_`
    (`config.vector_db_path`), which may be changed: `validate_config` says whether the result is sound.
    """

    __slots__ = ("_written",)
    _written: dict[str, Written]

    def __init__(self, **values: Any) -> None:
        """`values`, by flat name, win over `VPA_*` variables. Raises ConfigurationError for what cannot be read."""
        for name in values:
            _check_name(name)
        code = {name: Written(value, name, Layer.CODE) for name, value in values.items()}
        self._load({**_variables(), **code})

    def _load(self, written: Mapping[str, Written]) -> None:
        object.__setattr__(self, "_written", dict(written))
        problems = [*_refused(written), *self.unreadable().values()]
        if not problems and (contradiction := self._settle_provider()):
            problems = [contradiction]
        if problems:
            raise ConfigurationError("; ".join(problems))

    def _settle_provider(self) -> str | None:
        """A URL decides over a provider that was named in a lower layer; beside one of its own it must agree."""
        url, provider = self._written.get("vector_db_url"), self._written.get("vector_db_provider")
        named = None if url is None or not url.value else provider_of_url(str(url.value))
        if url is None or provider is None or named is None or provider_name(provider.value) == named:
            return None
        if url.layer > provider.layer:
            del self._written["vector_db_provider"]
            return None
        return (
            f"{provider.place}={provider.value!r} and {url.place}={redact_url(str(url.value))!r} contradict each "
            "other: "
            f"the URL is one of {str(named)!r}; leave one of them out, or make them agree"
        )

    # The sections

    @property
    def deployment(self) -> DeploymentOptions:
        """Which environment this is, and whether it is debugged."""
        return DeploymentOptions(**self._values(DeploymentOptions))

    @property
    def store(self) -> VectorDatabaseConfig:
        """What the manager and its store read; raises ConfigurationError for values that cannot go together."""
        return VectorDatabaseConfig(**self._values(VectorDatabaseConfig))

    @property
    def embedding(self) -> EmbeddingOptions:
        """What the embedding model is made from."""
        return EmbeddingOptions(**self._values(EmbeddingOptions))

    @property
    def rag(self) -> RagOptions:
        """What the RAG system reads; raises ConfigurationError for values that cannot go together."""
        return RagOptions(**self._values(RagOptions))

    @property
    def ingest(self) -> IngestOptions:
        """How files are read, and what one may cost."""
        return IngestOptions(**self._values(IngestOptions))

    @property
    def log(self) -> LogOptions:
        """What the program's logging reads."""
        return LogOptions(**self._values(LogOptions))

    def _values(self, section: type) -> dict[str, Any]:
        return {
            declared.field: read_value(declared, self._written[key].value)
            for key, declared in SETTINGS.items()
            if declared.section is section and key in self._written
        }

    # One setting by its flat name

    @property
    def vector_db_provider(self) -> str:
        """The store: the one that was named, else the one that the URL names, else the embedded engine."""
        named, url = self._written.get("vector_db_provider"), self._written.get("vector_db_url")
        if named is not None and named.value:
            return provider_name(named.value)
        return (provider_of_url(str(url.value)) if url and url.value else None) or VectorDatabaseProvider.MOCK

    def use_place(self, place: str) -> None:
        """Take a directory of the embedded engine, or a store URL, instead of the store that the settings name."""
        for name in ("provider", "url", "path", "host", "port"):
            self._written.pop(f"vector_db_{name}", None)
        if "://" in place:
            self.vector_db_url = place
        else:
            self.vector_db_path = place

    def __getattr__(self, name: str) -> Any:
        if name not in SETTINGS:
            raise AttributeError(_unknown_name(name))
        declared = SETTINGS[name]
        value = declared.default if name not in self._written else self._written[name].value
        # What cannot be read is given as it was written: `validate_config` says what is wrong with it.
        with contextlib.suppress(ConfigurationError):
            value = read_value(declared, value)
        return SecretStr(value) if declared.setting.secret and isinstance(value, str) else value

    def __setattr__(self, name: str, value: Any) -> None:
        _check_name(name)
        self._written[name] = Written(value, name, Layer.CODE)

    def __getstate__(self) -> dict[str, Written]:
        return self._written

    def __setstate__(self, state: dict[str, Written]) -> None:
        object.__setattr__(self, "_written", state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeploymentConfig):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in SETTINGS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in SETTINGS}
        for name in ("vector_db_url", "vector_db_host", "vector_db_path"):
            shown[name] = shown[name] and redact_url(str(shown[name]))
        pairs = (
            f"{name}={value if isinstance(value, SecretStr) else redact(value)!r}" for name, value in shown.items()
        )
        return f"DeploymentConfig({', '.join(pairs)})"

    def unreadable(self) -> dict[str, str]:
        """By key, what is wrong with values outside their setting's type or range: place, value, what may stand
        there.
        """
        problems = {}
        for key, written in self._written.items():
            if key not in SETTINGS:
                continue
            declared = SETTINGS[key]
            try:
                read_value(declared, written.value)
            except ConfigurationError as error:
                shown = redact_url(str(written.value)) if key.endswith(("_url", "_host")) else redact(written.value)
                place = written.place if written.layer is not Layer.CODE else declared.setting.variable
                problems[key] = f"{place}{'' if declared.setting.secret else f'={shown!r}'}: {error.message}"
        return problems


def get_config(environment: str | None = None) -> DeploymentConfig:
    """The settings of an environment, by default of `VPA_ENVIRONMENT`.

    Raises ConfigurationError, naming each variable or key and what it may be, for values that cannot be read, for keys
    that do not exist, and for a URL that contradicts the provider. Unsafe values raise nothing here: `validate_config`
    lists them.
    """
    chosen = (environment or os.environ.get("VPA_ENVIRONMENT") or "development").lower()
    if chosen not in ENVIRONMENTS:
        source = "get_config" if environment else "VPA_ENVIRONMENT"
        raise ConfigurationError(f"{source}: unknown environment {chosen!r}; use one of {', '.join(ENVIRONMENTS)}")
    profile = {key: Written(value, f"the {chosen} profile", Layer.PROFILE) for key, value in PROFILES[chosen].items()}
    written = {**profile, **_from_file(chosen), **_variables()}
    written["environment"] = Written(chosen, "VPA_ENVIRONMENT", Layer.CODE)
    config = DeploymentConfig.__new__(DeploymentConfig)
    config._load(written)
    return config


def _from_file(environment: str) -> dict[str, Written]:
    path = config_file(environment)
    settings = read_file(environment, known=(*SETTINGS, *RESERVED))
    strange = [key for key in settings if key not in SETTINGS and key not in RESERVED]
    if strange:
        raise ConfigurationError("; ".join(f"{path}: unknown key {_unknown_name(key)}" for key in strange))
    return {
        key: Written(value, f"{path}: {key}", Layer.FILE)
        for key, value in settings.items()
        if value is not None or key in RESERVED or SETTINGS[key].may_be_none
    }


def _variables() -> dict[str, Written]:
    """What stands in `VPA_*` variables, as it is written there."""
    written = {}
    for key, value in read_variables().items():
        # An empty variable means "none" where that is a value, and nothing elsewhere.
        if value or key in RESERVED or SETTINGS[key].may_be_none:
            written[key] = Written(value or None, f"{PREFIX}{key.upper()}", Layer.VARIABLE)
    return written


def _refused(written: Mapping[str, Written]) -> list[str]:
    found = [refusal(key, written[key].value, place=written[key].place) for key in RESERVED if key in written]
    return [problem for problem in found if problem is not None]


def _check_name(name: str) -> None:
    if name not in SETTINGS:
        raise AttributeError(_unknown_name(name))


def _unknown_name(name: str) -> str:
    near = difflib.get_close_matches(name, SETTINGS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see docs/configuration.md"
    return f"{name!r} is not a setting; {hint}"
