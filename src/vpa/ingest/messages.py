"""A mail message as a document, with its attachments as files of their own."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from email import policy
from email.header import Header, decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, Final

from vpa.ingest.contract import EmbeddedFile, Item, Part, SourceDocument, SourceNote, SourceProblem, assembled
from vpa.ingest.encoding import clean, decode
from vpa.ingest.fields import aware, one_line
from vpa.ingest.html_text import markup_text

# Parts in parts, as a forwarded mail has them; more are made to harm.
_DEPTH: Final = 30
_RECIPIENTS: Final = 100
_HEADER: Final = 4000
_CONTENT_HEADER: Final = re.compile(
    rb"^content-(?:type|disposition|transfer-encoding):[^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+",
    re.IGNORECASE | re.MULTILINE,
)
_BLANK_LINES: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def items_of_message(
    data: bytes, *, origin: str, title: str, key: str = "", at: Mapping[str, Any] | None = None
) -> Iterator[Item]:
    """A document with the subject as title, then an EmbeddedFile for each attachment. Broken messages are a problem."""
    if any(len(header[0]) > _HEADER * 4 for header in _CONTENT_HEADER.finditer(data)):
        # Python's parser takes quadratic time for parameters.
        yield SourceProblem(origin, "is a message with a header that was made to harm")
        return
    try:
        message = email.message_from_bytes(data, policy=policy.compat32)
        yield from _items(message, origin=origin, title=title, key=key, at=at or {})
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, IndexError, AssertionError) as error:
        # The parser of the standard library raises any of them for headers that nobody writes by hand.
        yield SourceProblem(origin, f"is a message that cannot be read: {str(error)[:200] or type(error).__name__}")


def header_text(message: Message, name: str) -> str:
    """A header decoded, on one line; never raises."""
    return one_line(readable(message.get(name) or ""))


def readable(value: Any) -> str:
    """A header's value with its encoded words decoded, and raw bytes that are no ASCII; never raises."""
    try:
        pieces = decode_header(value if isinstance(value, Header) else str(value)[:_HEADER])
    except Exception:  # noqa: BLE001 - broken base64, and whatever else the standard library raises for bad words
        return clean(str(value)[:_HEADER])
    return "".join(
        piece
        if isinstance(piece, str)
        else decode(piece, declared="" if "unknown" in (charset or "") else charset or "").text
        for piece, charset in pieces
    )


def _items(message: Message, *, origin: str, title: str, key: str, at: Mapping[str, Any]) -> Iterator[Item]:
    subject = header_text(message, "Subject")
    parts, attachments, flags, notes = _contents(message)
    metadata = _metadata(message)
    content, spans = assembled(part._replace(at=at) for part in parts)
    if not content:
        content, spans = assembled([Part(subject, "text", at)])
    if content:
        yield SourceDocument(
            title=subject or title,
            content=content,
            key=key,
            metadata=metadata,
            origin=origin,
            spans=spans,
            flags=tuple(flags),
        )
    elif not attachments:
        yield SourceProblem(origin, "is a message without text")
    yield from (SourceNote(origin, note) for note in notes)
    place = f"message {at['message']}" if "message" in at else ""
    passed_on = _of_attachments(metadata, subject)
    yield from (replace(attachment, place=place, metadata=passed_on) for attachment in attachments)


def _contents(message: Message) -> tuple[list[Part], list[EmbeddedFile], list[str], list[str]]:
    """Parts of the text, attachments, flags and notes."""
    plain, marked, attachments, truncated = _sorted_leaves(message)
    notes = ["has parts nested too deeply, which were left out"] if truncated else []
    text = "\n\n".join(filter(str.strip, map(_decoded, plain)))
    if text or not marked:
        return (
            [Part(piece) for piece in _BLANK_LINES.split(text.replace("\r\n", "\n").strip("\n"))],
            attachments,
            [],
            notes,
        )
    parts: list[Part] = []
    flags: list[str] = []
    for leaf in marked:
        page = markup_text(_decoded(leaf))
        parts += page.parts
        flags += [flag for flag in page.flags if flag not in flags]
        notes += [page.note] if page.note else []
    return parts, attachments, flags, notes


def _sorted_leaves(message: Message) -> tuple[list[Message], list[Message], list[EmbeddedFile], bool]:
    """Leaves of plain text, leaves of HTML, and attachments, in order; whether some lie too deep."""
    plain: list[Message] = []
    marked: list[Message] = []
    attachments: list[EmbeddedFile] = []
    truncated = False
    waiting: list[tuple[Message, int]] = [(message, 0)]
    while waiting:
        leaf, depth = waiting.pop()
        kind = leaf.get_content_type()
        if kind == "message/rfc822":
            attachments += _forwarded(leaf)
        elif leaf.is_multipart():
            truncated = truncated or depth == _DEPTH
            children = leaf.get_payload() if depth < _DEPTH else []
            waiting += [(child, depth + 1) for child in reversed(_messages(children))]
        elif kind in ("text/plain", "text/html") and not _is_attachment(leaf):
            (plain if kind == "text/plain" else marked).append(leaf)
        elif data := _payload(leaf):
            attachments.append(EmbeddedFile(_file_name(leaf, len(attachments) + 1), data))
    return plain, marked, attachments, truncated


def _messages(payload: Any) -> list[Message]:
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _is_attachment(leaf: Message) -> bool:
    return str(leaf.get("Content-Disposition") or "").strip().lower().startswith("attachment")


def _forwarded(leaf: Message) -> list[EmbeddedFile]:
    files = []
    for inner in _messages(leaf.get_payload()):
        name = re.sub(r"[/\\\0]+", " ", header_text(inner, "Subject")).strip(" .")[:100]
        try:
            files.append(EmbeddedFile(f"{name or 'forwarded'}.eml", inner.as_bytes()))
        except Exception:  # noqa: BLE001 - headers that were parsed may still not be written; the rest is read
            continue
    return files


def _file_name(leaf: Message, number: int) -> str:
    """The last component of the name that the message gives, or a number."""
    try:
        name = readable(leaf.get_filename() or "")
    except Exception:  # noqa: BLE001 - RFC 2231 parameters break in any way
        name = ""
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(character for character in clean(name) if character.isprintable()).strip(" .")[-200:]
    return name or f"attachment {number}{_ENDINGS.get(leaf.get_content_type(), '')}"


_ENDINGS: Final[Mapping[str, str]] = {
    "application/pdf": ".pdf",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "image/jpeg": ".jpg",
    "image/png": ".png",
}


def _payload(leaf: Message) -> bytes:
    payload = leaf.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded(leaf: Message) -> str:
    return decode(_payload(leaf), declared=str(leaf.get_param("charset") or "")).text


def _metadata(message: Message) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if author := ", ".join(_people(message, "From")):
        metadata["author"] = author
    if recipients := [*_people(message, "To"), *_people(message, "Cc")]:
        metadata["recipients"] = recipients[:_RECIPIENTS]
    if created := _date(message):
        metadata["created"] = created
    if message_id := one_line(message.get("Message-ID") or ""):
        metadata["message_id"] = message_id[:200]
    return metadata


def _of_attachments(metadata: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """What the documents of attachments tell of their message."""
    said = {"author": "author", "message_id": "message_id", "created": "sent"}
    told = {name: metadata[key] for key, name in said.items() if key in metadata}
    return {**told, "message_subject": subject} if subject else told


def _people(message: Message, name: str) -> list[str]:
    """`Name <address>` of each address of a header; names are decoded after the commas between them are understood."""
    people = []
    for header in (message.get_all(name) or [])[:10]:
        # Raw bytes are decoded first; encoded words may hold commas, and are decoded after.
        raw = readable(header) if isinstance(header, Header) else str(header)
        for shown, address in getaddresses([raw[:_HEADER]]):
            shown = readable(shown)
            if text := one_line(f"{shown} <{address}>" if shown and address else shown or address):
                people.append(text)
    return people


def _date(message: Message) -> datetime | None:
    try:
        return aware(parsedate_to_datetime(str(message.get("Date") or "")))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
