"""Declares a field of an options dataclass as a setting: its name outside, and which values it may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Final

from vpa.base.errors import ConfigurationError

PREFIX: Final = "VPA_"
_METADATA: Final = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a field is named in files (`key`) and variables (`VPA_` and the key in capitals), and what it accepts.

    `read` turns what was written into the field's value before its type is checked; it raises ConfigurationError.
    """

    key: str
    secret: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    read: Callable[[Any], Any] | None = None

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.key.upper()

    def problem(self, value: object) -> str | None:
        """What is wrong with a value of the right type, or None: "it must be at least 1"."""
        if value is None:
            return None
        if self.choices and value not in self.choices:
            return f"it must be one of {', '.join(self.choices)}"
        if self.minimum is None and self.maximum is None:
            return None
        if not isinstance(value, int | float):
            return "it must be a number"
        low, high = self.minimum, self.maximum
        # Written so that NaN fails.
        if (low is None or value >= low) and (high is None or value <= high):
            return None
        return f"it must be at least {low}" if high is None else f"it must be from {low} to {high}"


def setting(
    key: str,
    *,
    default: Any = MISSING,
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    read: Callable[[Any], Any] | None = None,
) -> Any:
    """A dataclass field that is set by `VPA_<KEY>` and by `<key>` in a file. A secret is left out of the repr."""
    declared = Setting(key=key, secret=secret, minimum=minimum, maximum=maximum, choices=choices, read=read)
    return field(default=default, repr=not secret, metadata={_METADATA: declared})


def settings_of(section: Any) -> Iterator[tuple[Field[Any], Setting]]:
    """The settings among the fields of a section, which is a dataclass or an instance of one."""
    for declared in fields(section):
        if _METADATA in declared.metadata:
            yield declared, declared.metadata[_METADATA]


def check_settings(section: Any) -> None:
    """For `__post_init__`: raises ConfigurationError for a value that its setting does not accept."""
    for declared, declaration in settings_of(section):
        value = getattr(section, declared.name)
        problem = declaration.problem(value)
        if problem is not None:
            shown = "" if declaration.secret else f" is {value!r};"
            raise ConfigurationError(f"{declared.name} ({declaration.variable}){shown} {problem}")
