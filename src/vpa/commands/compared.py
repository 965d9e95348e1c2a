"""What `vpa evaluate` searches with, and what it is compared with: a mode, or other options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from vpa.base.errors import ConfigurationError
from vpa.base.showing import shown
from vpa.client.words import SearchMode

# By the names that the command line has for them; None: a number.
_CHOICES: Final[Mapping[str, tuple[str, ...] | None]] = {
    "mode": get_args(SearchMode),
    "rerank": ("none", "light"),
    "fusion": ("zscore", "minmax", "max", "rrf", "confidence"),
    "expand": ("none", "feedback"),
    "semantic-weight": None,
    "keyword-weight": None,
}


def other_options(base: Mapping[str, Any], against: str) -> dict[str, Any]:
    """The options of the second search: those of the first but for what `against` says, "dense" or
    "rerank=none,fusion=rrf". Raises ConfigurationError.
    """
    other = dict(base)
    for part in against.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            name, value = "mode", name
        choices = _CHOICES.get(name, ())
        if choices == () or (choices is not None and value not in choices):
            raise ConfigurationError(_unknown(part.strip()))
        other[name.replace("-", "_")] = _value(part, value) if choices is None else value
    if other.get("expand") == "none":
        del other["expand"]
    if other == dict(base):
        raise ConfigurationError(
            f"--against {against} is what is searched with already; name another mode, or an option to change, for "
            "example --against rerank=none"
        )
    return other


def _value(part: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"--against {shown(part)}: {shown(text)} is no number") from None


def _unknown(part: str) -> str:
    known = "; ".join(
        f"{name}={'|'.join(choices) if choices is not None else 'NUMBER'}" for name, choices in _CHOICES.items()
    )
    return f"--against takes a mode, or options to change, separated by commas ({known}), not {shown(part)}"


def titles(settled: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each column: the mode, and the options in which it differs from the other."""
    names = dict.fromkeys(name for options in settled for name in options if name != "mode")
    differing = [name for name in names if len({str(options.get(name, "none")) for options in settled}) > 1]
    return [
        " ".join([options["mode"], *(f"{name.replace('_', '-')}={options.get(name, 'none')}" for name in differing)])
        for options in settled
    ]
