"""Which environment this is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vpa.config.sections.setting import check_settings, setting

ENVIRONMENTS: Final = ("development", "staging", "production")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOptions:
    """`debug` makes the program log at level DEBUG; production refuses it."""

    environment: str = setting("environment", default="development", choices=ENVIRONMENTS)
    debug: bool = setting("debug", default=False)

    def __post_init__(self) -> None:
        check_settings(self)
