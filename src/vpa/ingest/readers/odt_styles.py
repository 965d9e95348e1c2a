"""Which styles of an OpenDocument file hide their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_ODF: Final = "urn:oasis:names:tc:opendocument:xmlns"
_TEXT: Final = f"{{{_ODF}:text:1.0}}"
_STYLE: Final = f"{{{_ODF}:style:1.0}}"
_FO: Final = f"{{{_ODF}:xsl-fo-compatible:1.0}}"
_TABLE: Final = f"{{{_ODF}:table:1.0}}"
_DRAW: Final = f"{{{_ODF}:drawing:1.0}}"
_OFFICE: Final = f"{{{_ODF}:office:1.0}}"
_PRESENTATION: Final = f"{{{_ODF}:presentation:1.0}}"
_STYLE_NAMES: Final = (f"{_TEXT}style-name", f"{_TABLE}style-name", f"{_DRAW}style-name", f"{_PRESENTATION}style-name")
# Styles that are derived from others; a circle of them would have no end.
_DEEPEST: Final = 20


class Styles:
    """The styles of one tree, by name, before those that all trees of a file share."""

    def __init__(self, root: Any, shared: Mapping[str, Any]) -> None:
        self._styles = {**shared, **_by_name(root)}
        # The background of slides stands elsewhere, and is dark as often as not.
        self._has_slides = next(root.iter(f"{_DRAW}page"), None) is not None

    def is_unseen(self, element: Any) -> bool:
        """Whether the text of an element is hidden, or white where nothing around it has a background."""
        name = element.get(f"{_TEXT}style-name")
        if name is None:
            return False
        if self._said(name, f"{_TEXT}display") == "none":
            return True
        if self._has_slides or self._said(name, f"{_FO}color").lower() != "#ffffff":
            return False
        around = (element, *element.iterancestors())
        return not any(self._is_colored(holder.get(key)) for holder in around for key in _STYLE_NAMES)

    def _said(self, name: str, key: str) -> str:
        """What a style, or else the one that it is derived from, says of its text."""
        for style in self._derivation(name):
            for properties in style.iter(f"{_STYLE}text-properties"):
                if key in properties.attrib:
                    return str(properties.get(key))
        return ""

    def _is_colored(self, name: str | None) -> bool:
        return name is not None and any(map(_has_background, self._derivation(name)))

    def _derivation(self, name: str) -> Iterator[Any]:
        style = self._styles.get(name)
        for _ in range(_DEEPEST):
            if style is None:
                return
            yield style
            style = self._styles.get(style.get(f"{_STYLE}parent-style-name", ""))

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
    for inner in style:
        fill = inner.get(f"{_DRAW}fill", "solid")
        color = inner.get(f"{_DRAW}fill-color", "#ffffff") if fill != "none" else "#ffffff"
        colors = {inner.get(f"{_FO}background-color", "transparent").lower(), color.lower()}
        if colors - {"transparent", "#ffffff"} or fill in ("gradient", "bitmap", "hatch"):
            return True
    return False
