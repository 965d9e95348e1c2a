"""What the styles of a page hide: attributes, inline styles, and the simple rules of its <style> elements.

No style sheet is fetched. Where one that is not read, a script or another rule may show a text, it is doubtful.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

# More of the styles of a page is not looked at.
_MOST: Final = 1 << 20
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_TOKEN: Final = re.compile(r"[{}]")
_COMPOUND: Final = re.compile(r"(?:[a-z][\w-]*|\*)?(?:[.#][\w-]+)*", re.IGNORECASE)
_PIECE: Final = re.compile(r"[.#]?[\w-]+")
_DECLARATION: Final = re.compile(r"(?<![-\w])([a-z-]+)\s*:\s*([^;]*)", re.IGNORECASE)
_KEPT: Final = frozenset(
    (
        *("display", "visibility", "color", "background", "background-color", "background-image", "font-size"),
        *("opacity", "left", "top", "right", "text-indent"),
    )
)
_ZERO: Final = re.compile(r"[+]?0*(?:\.0*)?(?:px|pt|em|rem|%)?")
_TINY: Final = re.compile(r"0*[01](?:\.\d+)?(?:px|pt)|0*2(?:\.0*)?px|0?\.0\d*r?em")
_FAR: Final = re.compile(r"-\d{4,}(?:\.\d+)?(?:px|pt)|-\d{3,}(?:\.\d+)?(?:r?em|vw|vh|%)")
_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_RGB: Final = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[^)]*\)")
# Shades that no eye tells from white.
_WHITEST: Final = 250
_NO_BACKGROUND: Final = frozenset({"", "none", "transparent", "inherit", "initial", "unset"})
# Elements around a white text that are asked for their background.
_AROUND: Final = 100
_COLORED: Final = '[style*="color"],[style*="background"],[color],[bgcolor],[background]'


class Sight(enum.Enum):
    """Whether people see the text of an element. What is doubtful is read, and flagged."""

    SHOWN = enum.auto()
    DOUBTFUL = enum.auto()
    HIDDEN = enum.auto()


class _Rule(NamedTuple):
    """`pieces` are those of the last element of a selector (`p`, `.note`, `#top`); `is_whole`: it has no other."""

    pieces: frozenset[str]
    style: Mapping[str, str]
    is_whole: bool


class Styles:
    """The styles of one page."""

    def __init__(self, tree: Any) -> None:
        self._rules: dict[str, list[_Rule]] = defaultdict(list)
        text = "\n".join(element.text() or "" for element in tree.css("style"))
        for rule in _rules(_COMMENT.sub(" ", text[:_MOST])):
            self._rules[max(rule.pieces, key=lambda piece: piece[0] in ".#")].append(rule)
        self._has_scripts = tree.css_first("script") is not None
        self._has_others = tree.css_first('link[rel~="stylesheet"]') is not None or "@import" in text

    def sight(self, node: Any) -> Sight:
        """Whether an element itself hides its text; what is around it does not count."""
        attributes = node.attributes
        if not attributes and not self._rules:
            return Sight.SHOWN
        if "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return Sight.HIDDEN
        own = _declarations(attributes.get("style") or "")
        if _hides(own):
            return Sight.HIDDEN
        rules = self._matching(node) if self._rules and node.tag not in ("body", "html") else []
        if any(rule.is_whole and _hides(rule.style) for rule in rules):
            shown = any("display" in style and style["display"] != "none" for style in (own, *_styles(rules)))
            return Sight.DOUBTFUL if shown or self._has_scripts else Sight.HIDDEN
        colors = [rule.style["color"] for rule in rules if rule.is_whole and "color" in rule.style]
        color = own.get("color") or (attributes.get("color") if node.tag == "font" else "") or (colors or [""])[-1]
        if not color or not is_white(color) or self._has_background(node):
            return Sight.SHOWN
        inner = any(child.mem_id != node.mem_id for child in node.css(_COLORED))
        return Sight.DOUBTFUL if inner or self._has_others else Sight.HIDDEN

    def _matching(self, node: Any) -> list[_Rule]:
        attributes = node.attributes
        pieces = {node.tag, "*", *(f".{name}" for name in (attributes.get("class") or "").split())}
        if attributes.get("id"):
            pieces.add(f"#{attributes['id']}")
        return [rule for piece in pieces for rule in self._rules.get(piece, ()) if rule.pieces <= pieces]

    def _has_background(self, node: Any) -> bool:
        """Whether an element or one around it may have a background that is not white."""
        for _ in range(_AROUND):
            if node is None or node.tag == "-document":
                break
            attributes = node.attributes
            styles = (_declarations(attributes.get("style") or ""), *_styles(self._matching(node)))
            if any(map(_is_colored, styles)) or attributes.get("background"):
                return True
            if not is_white(attributes.get("bgcolor") or "white"):
                return True
            node = node.parent
        return False


def is_white(color: str) -> bool:
    """Whether a color of CSS, or of an attribute, is white, or so near to it that nobody sees it on white."""
    color = color.strip().lower().removesuffix("!important").strip()
    if color == "white":
        return True
    if hexadecimal := _HEX.fullmatch(color):
        digits = hexadecimal[1]
        channels = [digit * 2 for digit in digits[:3]] if len(digits) < 6 else [digits[at : at + 2] for at in (0, 2, 4)]
        return all(int(channel, 16) >= _WHITEST for channel in channels)
    rgb = _RGB.fullmatch(color)
    return rgb is not None and all(int(channel[:4]) >= _WHITEST for channel in rgb.groups())


def _styles(rules: list[_Rule]) -> Iterator[Mapping[str, str]]:
    return (rule.style for rule in rules)


def _rules(text: str) -> Iterator[_Rule]:
    """The rules that hold on every screen: those in `@media` and other blocks are left out."""
    depth, start, opened, selector = 0, 0, 0, ""
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            if depth == 0:
                selector, opened = text[start : token.start()].rpartition(";")[2].strip(), token.end()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0 and not selector.startswith("@"):
                yield from _rules_of(selector, _declarations(text[opened : token.start()]))
        start = token.end() if depth == 0 else start


def _rules_of(selectors: str, style: Mapping[str, str]) -> Iterator[_Rule]:
    style = {name: value for name, value in style.items() if name in _KEPT}
    if not style:
        return
    for selector in selectors.split(","):
        elements = re.split(r"[\s>+~]+", selector.strip())
        # States, such as ":hover", and attributes are not looked at: such a rule may hold.
        compound = _COMPOUND.match(elements[-1])
        pieces = frozenset(_name(piece) for piece in _PIECE.findall(compound[0])) if compound else frozenset()
        is_whole = len(elements) == 1 and compound is not None and compound.end() == len(elements[0])
        if pieces or elements[-1].startswith("*"):
            yield _Rule(pieces or frozenset("*"), style, is_whole)


def _name(piece: str) -> str:
    return piece if piece[0] in ".#" else piece.lower()


def _declarations(style: str) -> dict[str, str]:
    return {name.lower(): value.strip().lower() for name, value in _DECLARATION.findall(style)} if style else {}


def _hides(style: Mapping[str, str]) -> bool:
    if not style:
        return False
    value = {name: text.removesuffix("!important").strip() for name, text in style.items()}
    if value.get("display") == "none" or value.get("visibility") in ("hidden", "collapse"):
        return True
    size, opacity = value.get("font-size", ""), value.get("opacity", "")
    if (size and (_ZERO.fullmatch(size) or _TINY.fullmatch(size))) or (opacity and _ZERO.fullmatch(opacity)):
        return True
    return any(_FAR.fullmatch(value.get(name, "")) for name in ("left", "top", "right", "text-indent"))


def _is_colored(style: Mapping[str, str]) -> bool:
    for name in ("background", "background-color", "background-image"):
        value = style.get(name, "").removesuffix("!important").strip()
        if value not in _NO_BACKGROUND and not is_white(value):
            return True
    return False
