"""Which styles of an OpenDocument file hide their text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ODF: Final = "urn:oasis:names:tc:opendocument:xmlns"
_TEXT: Final = f"{{{_ODF}:text:1.0}}"
_STYLE: Final = f"{{{_ODF}:style:1.0}}"
_FO: Final = f"{{{_ODF}:xsl-fo-compatible:1.0}}"
_OFFICE: Final = f"{{{_ODF}:office:1.0}}"
_PRESENTATION: Final = f"{{{_ODF}:presentation:1.0}}"
# Styles that are derived from others; a circle of them would have no end.
_DEEPEST: Final = 20


class Styles:
    """The styles of one tree, by name, before those that all trees of a file share."""

    def __init__(self, root: Any, shared: Mapping[str, Any]) -> None:
        self._styles = {**shared, **_by_name(root)}
        self._hidden: dict[str | None, bool] = {None: False}

    def is_hidden(self, name: str | None) -> bool:
        """Whether text of a style is not shown, or white without a background."""
        if name not in self._hidden:
            self._hidden[name] = self._is_hidden(name)
        return self._hidden[name]

    def _is_hidden(self, name: str | None) -> bool:
        for _ in range(_DEEPEST):
            style = self._styles.get(name or "")
            if style is None:
                return False
            for properties in style.iter(f"{_STYLE}text-properties"):
                display = properties.get(f"{_TEXT}display")
                color = properties.get(f"{_FO}color", "").lower()
                if display is not None or color:
                    return display == "none" or (color == "#ffffff" and not _has_background(style))
            name = style.get(f"{_STYLE}parent-style-name")
        return False

    def is_hidden_slide(self, name: str | None) -> bool:
        """Whether slides of a style are passed over when they are shown."""
        style = self._styles.get(name or "")
        properties = style.find(f"{_STYLE}drawing-page-properties") if style is not None else None
        return properties is not None and properties.get(f"{_PRESENTATION}visibility") == "hidden"


def named_styles(root: Any) -> Mapping[str, Any]:
    """The styles that people name, which hold in all trees of a file; those that programs make hold in one."""
    shared = root.find(f"{_OFFICE}styles") if root is not None else None
    return _by_name(shared) if shared is not None else {}


def _by_name(root: Any) -> dict[str, Any]:
    return {style.get(f"{_STYLE}name", ""): style for style in root.iter(f"{_STYLE}style")}


def _has_background(style: Any) -> bool:
    colors = (inner.get(f"{_FO}background-color", "transparent").lower() for inner in style)
    return any(color not in ("transparent", "#ffffff") for color in colors)
