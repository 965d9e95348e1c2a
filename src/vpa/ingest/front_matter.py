"""The fields in front of a markdown file, in YAML (`---`) or TOML (`+++`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

_LONGEST: Final = 1 << 16
_FRONT_MATTER: Final = re.compile(
    r"\A(?P<fence>---|\+\+\+)[ \t]*(?:\r\n|\n|\r)(?P<body>.*?)(?<=[\n\r])"
    r"(?P<end>---|\.\.\.|\+\+\+)[ \t]*(?:\r\n|\n|\r|\Z)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The fields, and where they end; 0 and none where there are none that can be read.

    `heading_start` is where to look for a heading: after what is between fences, even where that cannot be read.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    end: int = 0
    heading_start: int = 0


class _NoAliasLoader(yaml.SafeLoader):
    """Refuses aliases: a few lines of them make a value that fills the memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def front_matter(content: str) -> FrontMatter:
    """What stands between the fences at the beginning, at most 64 KB; a file whose fields are broken is text."""
    matched = _FRONT_MATTER.match(content[:_LONGEST])
    if matched is None:
        return FrontMatter()
    body = re.sub(r"\r\n|\r", "\n", matched["body"])
    try:
        fields = tomllib.loads(body) if matched["fence"] == "+++" else _yaml(body)
    except Exception:  # noqa: BLE001 - a tag may raise anything; without its front matter the file is still readable
        return FrontMatter(heading_start=matched.end())
    if not isinstance(fields, dict):
        return FrontMatter(heading_start=matched.end())
    return FrontMatter(fields, matched.end(), matched.end())


def _yaml(body: str) -> Any:
    # The loader is a safe one: it makes plain values only.
    return yaml.load(body, Loader=_NoAliasLoader)
