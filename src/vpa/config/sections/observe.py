"""What the program logs, and how. A library never configures logging, so only the program reads this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpa.config.sections.setting import check_settings, setting
from vpa.observe.log import FORMATS, LEVELS


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """`level` is the least severity that is logged; `format` is lines for people (console) or for machines (json)."""

    level: str = setting("log_level", default="INFO", choices=LEVELS, read=_upper)
    format: str = setting("log_format", default="console", choices=FORMATS)

    def __post_init__(self) -> None:
        check_settings(self)
