"""What a message says: its text, and the text of all that hangs on it. Pictures, sounds and files are counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from vpa.ingest.values import flat_values

# All that one message has beside its text.
_MOST: Final = 1 << 20
# A longer text without a blank is the data of a picture.
_LONGEST_WORD: Final = 1000
_MEDIA: Final = ("image", "audio", "video", "file", "document", "input_audio", "asset_pointer")


class Said(NamedTuple):
    """A text, and how many pictures, sounds and files beside it are left out."""

    text: str
    left_out: int = 0


def said_in(value: Any) -> Said | None:
    """A text, or a list of texts and of objects; None for values that are neither."""
    if isinstance(value, str):
        return Said(value)
    if value is None:
        return Said("")
    if isinstance(value, Mapping):
        return _piece(value)
    if not isinstance(value, list):
        return None
    text, left_out, ended = "", 0, True
    for piece in value:
        said = said_in(piece) if isinstance(piece, str | Mapping) else None
        if said is None:
            left_out += piece is not None
            continue
        # Texts go on in the line; what was taken of an object begins one.
        apart = bool(text) and bool(said.text) and not (ended and _has_text(piece))
        text, left_out, ended = text + "\n" * apart + said.text, left_out + said.left_out, _has_text(piece)
    return Said(text, left_out)


def beside(fields: Mapping[str, Any], *, text: str = "") -> Said:
    """Fields that a turn has beside its text, as lines; those that only repeat it are none."""
    lines: list[str] = []
    left_out = 0
    for key, value in fields.items():
        if not value or (isinstance(value, str | list | Mapping) and _repeats(value, text)):
            continue
        for line in flat_values(value, most=_MOST, path=str(key)):
            if _is_data(line):
                left_out += 1
            else:
                lines.append(line)
    return Said("\n".join(lines), left_out)


def lines_of(*texts: str) -> str:
    """The texts that are not blank, one below the other."""
    return "\n".join(text for text in texts if text.strip())


def strings_at(value: Any, *keys: str) -> Iterator[str]:
    """The texts under some keys anywhere in a value, in order, without recursion."""
    waiting: list[Any] = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Mapping):
            children = [child for key, child in here.items() if isinstance(child, list | Mapping) or key in keys]
            waiting += reversed(children)
        elif isinstance(here, list):
            waiting += reversed(here)
        elif isinstance(here, str) and here.strip():
            yield here


def _has_text(piece: Any) -> bool:
    return isinstance(piece, str) or isinstance(piece.get("text"), str)


def _piece(piece: Mapping[str, Any]) -> Said:
    if isinstance(piece.get("text"), str):
        return Said(piece["text"])
    kind = str(piece.get("type") or piece.get("content_type") or "")
    said = beside({key: value for key, value in piece.items() if key not in ("type", "content_type")})
    is_media = any(name in kind for name in _MEDIA) and not said.left_out
    return Said(said.text, said.left_out + is_media)


def _repeats(value: Any, text: str) -> bool:
    said = said_in(value)
    return said is not None and not said.left_out and " ".join(said.text.split()) == " ".join(text.split())


def _is_data(line: str) -> bool:
    return len(line) > _LONGEST_WORD and max(map(len, line.split())) > _LONGEST_WORD
