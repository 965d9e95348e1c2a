"""Where in its file a text stands, in words for people: "page 12", "Sheet ‘2023’, rows 88–90", "Methods › Sampling"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

# Counted places, in the order in which they are said, with the words for one and for several.
_COUNTED: Final = (
    ("page", "page", "pages"),
    ("slide", "slide", "slides"),
    ("row", "row", "rows"),
    ("message", "message", "messages"),
    ("cell", "cell", "cells"),
    ("line", "line", "lines"),
)
_SECTION_MARK: Final = " › "


def place_text(location: Mapping[str, Any]) -> str:
    """A location in words; empty where nothing but the file is known.

    `location` is that of a result: for a range the key with `_end` says where it ends. A line is said only where
    nothing better is known, or in a cell.
    """
    said = [f"Sheet ‘{location['sheet']}’"] if "sheet" in location else []
    for key, word, words in _COUNTED:
        if key not in location or (key == "line" and not _says_lines(location, said)):
            continue
        start, end = location[key], location.get(f"{key}_end", location[key])
        said.append(f"{word} {start}" if start == end else f"{words} {start}–{end}")
    if "seconds" in location:
        end = location.get("seconds_end")
        said.append(_moment(location["seconds"]) + (f"–{_moment(end)}" if end is not None else ""))
    said += [str(location[key]) for key in ("speaker", "when") if location.get(key)]
    section: Sequence[str] = location.get("section") or ()
    # The heading of a sheet is its name.
    if section and section[0] == location.get("sheet"):
        section = section[1:]
    if section:
        last = location.get("section_end")
        said.append(_SECTION_MARK.join(section) + (f" to {last[-1]}" if last else ""))
    return ", ".join(said)


def _says_lines(location: Mapping[str, Any], said: Sequence[str]) -> bool:
    """Whether lines are said: in one cell, or where nothing better is known."""
    if location.get("section"):
        return False
    return "cell_end" not in location if "cell" in location else not said


def _moment(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"
