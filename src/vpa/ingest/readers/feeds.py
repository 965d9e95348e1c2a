"""RSS and Atom: a heading for each entry, then its text."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from vpa.ingest.bounded import within
from vpa.ingest.contract import Part, SourceDocument, SourceFile, assembled
from vpa.ingest.fields import aware, one_line
from vpa.ingest.html_text import parts_of_markup
from vpa.ingest.xml_text import element_text, line_of, local_name

_ENTRIES: Final = ("item", "entry")
# The longest that an entry has comes first.
_TEXTS: Final = ("encoded", "content", "description", "summary")
_TIMES: Final = ("pubdate", "published", "updated", "date")


def feed_document(root: Any, file: SourceFile) -> SourceDocument | None:
    """The document of a feed; None where the XML is none."""
    name = local_name(root)
    if name not in ("rss", "feed", "rdf"):
        return None
    channel = next((child for child in root if local_name(child) == "channel"), root)
    entries = [child for child in root.iter() if local_name(child) in _ENTRIES]
    content, spans = assembled(within(_parts(channel, entries), file.limits))
    if not content:
        return None
    language = _child(channel, "language")
    return SourceDocument(
        title=_child(channel, "title") or file.title,
        content=content,
        metadata={"language": language} if language else {},
        origin=file.name,
        spans=spans,
    )


def _parts(channel: Any, entries: list[Any]) -> Iterator[Part]:
    yield Part(_child(channel, "title"), "heading", level=1)
    yield Part(_child(channel, "description") or _child(channel, "subtitle"))
    for entry in entries:
        at = line_of(entry)
        yield Part(_child(entry, "title"), "heading", at, level=2)
        if said := ", ".join(filter(None, (_child(entry, "author") or _child(entry, "creator"), _day(entry)))):
            yield Part(said, "text", at)
        text = next((text for name in _TEXTS if (text := _child(entry, name))), "")
        for part in parts_of_markup(text):
            yield part._replace(at=at, level=part.level + 2 if part.kind == "heading" else 0)


def _child(element: Any, name: str) -> str:
    child = next((child for child in element if local_name(child) == name), None)
    return "" if child is None else element_text(child)


def _day(entry: Any) -> str:
    said = next((text for name in _TIMES if (text := _child(entry, name))), "")
    moment = aware(said)
    if moment is None:
        try:
            moment = parsedate_to_datetime(said)
        except (ValueError, TypeError, IndexError, OverflowError):
            return one_line(said)
    return moment.strftime("%Y-%m-%d")
