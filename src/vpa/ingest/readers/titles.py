"""The title of a markdown file: that of its front matter, else its first heading as CommonMark sees it."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

# A heading far down is not the title, and parsing takes a second per megabyte.
_LOOKED_AT: Final = 1 << 16
_FRONT_MATTER: Final = re.compile(
    r"\A(?P<fence>---|\+\+\+)[ \t]*(?:\r\n|\n|\r)(?P<body>.*?)(?<=[\n\r])"
    r"(?P<end>---|\.\.\.|\+\+\+)[ \t]*(?:\r\n|\n|\r|\Z)",
    re.DOTALL,
)
_READ: Final[Mapping[str, Callable[[str], Any]]] = {"---": yaml.safe_load, "+++": tomllib.loads}


def title_of_markdown(content: str) -> str:
    """The title as plain text on one line; empty if there is none."""
    beginning = content[:_LOOKED_AT]
    front = _FRONT_MATTER.match(beginning)
    if front is None:
        return _first_heading(beginning)
    return _title_in(front) or _first_heading(content[front.end() :][:_LOOKED_AT])


def _title_in(front: re.Match[str]) -> str:
    try:
        fields = _READ[front["fence"]](_unix(front["body"]))
    except Exception:  # noqa: BLE001 - a tag may raise anything; without its front matter the file is still readable
        return ""
    title = fields.get("title") if isinstance(fields, dict) else None
    return " ".join(str(title).split()) if isinstance(title, str | int | float) else ""


def _first_heading(content: str) -> str:
    tokens = MarkdownIt("commonmark").parse(_unix(content))
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open" and (title := _plain(inline)):
            return title
    return ""


def _plain(inline: Token) -> str:
    """The text of a heading without its markup."""
    parts = [" " if one.type.endswith("break") else one.content for one in inline.children or ()]
    return " ".join("".join(parts).split())


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
