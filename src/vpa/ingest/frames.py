"""What a reading process and its parent say to each other: JSON behind a length. Nothing that a parser makes is run."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, TypeAlias

from vpa.ingest.contract import SourceDocument, SourceNote, SourceProblem, SourceSkipped, Span

Frame: TypeAlias = dict[str, Any]
LENGTH: Final = struct.Struct("<I")
_MOMENT: Final = "$moment"
_REMARK: Final[Mapping[str, type]] = {"origin": str, "message": str}
# By kind, what a frame needs, and of which type.
_NEEDED: Final[Mapping[str, Mapping[str, type]]] = {
    "ready": {},
    "request": {"jobs": list, "limits": dict},
    "begin": {"hash": str},
    "problem": _REMARK,
    "note": _REMARK,
    "skipped": _REMARK,
    "end": {"hash": str, "parser": str, "is_known": bool},
    "document": {
        **dict.fromkeys(("title", "content", "key", "document_id", "format", "origin", "inner", "media_type"), str),
        "metadata": dict,
        "spans": list,
        "flags": list,
        "facts": dict,
    },
}
_KINDS: Final[Mapping[type, str]] = {SourceProblem: "problem", SourceNote: "note", SourceSkipped: "skipped"}


def packed(frame: Mapping[str, Any]) -> bytes:
    """A frame as bytes. ASCII, so that names of files which are not UTF-8 pass."""
    body = json.dumps(frame, default=_moment, separators=(",", ":")).encode("ascii")
    return LENGTH.pack(len(body)) + body


def unpacked(body: bytes | bytearray) -> Frame:
    """The frame; raises ValueError for anything else than an object of the kinds that are sent, with all they need."""
    try:
        frame = json.loads(body, object_hook=_with_moments)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(frame, dict):
        raise ValueError("a frame is an object")
    for name, kind in _NEEDED.get(str(frame.get("kind")), {"kind": type(None)}).items():
        if not isinstance(frame.get(name), kind):
            raise ValueError(f"{name} is {type(frame.get(name)).__name__}")
    return frame


def _moment(value: object) -> Any:
    if isinstance(value, datetime):
        return {_MOMENT: value.isoformat()}
    raise TypeError(f"{type(value).__name__} is no value of metadata")


def _with_moments(value: dict[str, Any]) -> Any:
    if value.keys() != {_MOMENT} or not isinstance(value[_MOMENT], str):
        return value
    try:
        return datetime.fromisoformat(value[_MOMENT])
    except ValueError:
        return value


def document_frame(document: SourceDocument, facts: Mapping[str, Any]) -> Frame:
    """A document with what the reading process learned about it."""
    fields = {name: getattr(document, name) for name in document.__slots__}
    return {"kind": "document", **fields, "spans": [tuple(span) for span in document.spans], "facts": dict(facts)}


def document_of(frame: Frame) -> SourceDocument:
    """The inverse; raises ValueError for what no reader yields."""
    fields = {name: frame[name] for name in SourceDocument.__slots__}
    spans = tuple(_span(span) for span in fields.pop("spans"))
    place = 0
    for span in spans:
        if not place <= span.start <= span.end <= len(fields["content"]):
            raise ValueError(f"a span from {span.start} to {span.end} is out of order")
        place = span.end
    return SourceDocument(**{**fields, "flags": tuple(map(str, fields["flags"]))}, spans=spans)


def _span(value: object) -> Span:
    if not isinstance(value, list) or len(value) != len(Span._fields):
        raise ValueError("a span is a list of six")
    span = Span(*value)
    numbers = (span.start, span.end, span.level)
    if any(type(number) is not int for number in numbers) or not isinstance(span.at, dict):
        raise ValueError("a span has three whole numbers and a place")
    if not isinstance(span.kind, str) or not isinstance(span.context, str):
        raise ValueError("a span has a kind and a context, both text")
    return span


def remark_frame(remark: SourceProblem | SourceNote | SourceSkipped) -> Frame:
    """What is said of a file."""
    return {"kind": _KINDS[type(remark)], **asdict(remark)}
