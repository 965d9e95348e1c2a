"""What a reading process and its parent say to each other: JSON behind a length. Nothing that a parser makes is run."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, TypeAlias

from vpa.ingest.contract import SourceDocument, SourceNote, SourceProblem, SourceSkipped
from vpa.ingest.packed_spans import PackedSpans, columns_of

Frame: TypeAlias = dict[str, Any]
LENGTH: Final = struct.Struct("<I")
_MOMENT: Final = "$moment"
_SHOWN: Final = 40
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
        "spans": dict,
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
        frame = _DECODER.decode(body.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(frame, dict):
        raise ValueError("a frame is an object")
    needed = _NEEDED.get(str(frame.get("kind")))
    if needed is None:
        raise ValueError(f"no frame is of kind {str(frame.get('kind'))[:_SHOWN]!r}")
    for name, kind in needed.items():
        if not isinstance(frame.get(name), kind):
            raise ValueError(f"{name} is {type(frame.get(name)).__name__}")
    if frame["kind"] == "document":
        frame["spans"] = PackedSpans(frame["spans"], length=len(frame["content"]))
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


_DECODER: Final = json.JSONDecoder(object_hook=_with_moments)


def document_frame(document: SourceDocument, facts: Mapping[str, Any]) -> Frame:
    """A document with what the reading process learned about it."""
    fields = {name: getattr(document, name) for name in document.__slots__}
    return {"kind": "document", **fields, "spans": columns_of(document.spans), "facts": dict(facts)}


def document_of(frame: Frame) -> SourceDocument:
    """The inverse, of a frame that was unpacked."""
    fields = {name: frame[name] for name in SourceDocument.__slots__}
    return SourceDocument(**{**fields, "flags": tuple(map(str, fields["flags"]))})


def remark_frame(remark: SourceProblem | SourceNote | SourceSkipped) -> Frame:
    """What is said of a file."""
    return {"kind": _KINDS[type(remark)], **asdict(remark)}
