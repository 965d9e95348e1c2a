"""HTML inside other formats (mail, feeds): its parts by the reader of HTML, or its bare text where that is missing."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from vpa.ingest.contract import Part, UnreadableError

_HIDDEN: Final = re.compile(r"<(script|style|head|title)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_BREAK: Final = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/table|/blockquote)\b[^<>]*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<!--.*?(?:-->|\Z)|<[a-zA-Z/!?][^<>]*>", re.DOTALL)
_LOOKS_LIKE_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:#\d+|#x[\da-fA-F]+|[a-zA-Z]+);")


@dataclass(frozen=True, slots=True)
class MarkupText:
    """The parts of an HTML text, doubts about it, and a note where the reader of HTML is missing."""

    parts: Sequence[Part]
    flags: tuple[str, ...] = ()
    note: str = ""


def markup_text(text: str) -> MarkupText:
    """What HTML says."""
    if find_spec("selectolax") is None or find_spec("vpa.ingest.markup") is None:
        note = "has HTML, read without its structure since selectolax is not installed: pip install 'vpa[ingest]'"
        return MarkupText(_bare(text), (), note)
    from vpa.ingest.markup import parts_of_html

    try:
        page = parts_of_html(text)
    except UnreadableError as error:
        return MarkupText(_bare(text), (), f"has HTML that {error}; read without its structure")
    return MarkupText(page.parts, tuple(page.flags))


def parts_of_markup(text: str) -> Sequence[Part]:
    """The parts of a text that may be HTML, or plain."""
    if not _LOOKS_LIKE_MARKUP.search(text):
        return (Part(text),)
    return markup_text(text).parts


def _bare(text: str) -> Sequence[Part]:
    text = _BREAK.sub("\n\n", _HIDDEN.sub(" ", text))
    lines = html.unescape(_TAG.sub(" ", text)).split("\n\n")
    return tuple(Part(" ".join(line.split())) for line in lines if line.strip())
