"""What the graphics of Office files say: charts with their titles and values, and diagrams (SmartArt)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from vpa.ingest.cleaning import squeezed
from vpa.ingest.contract import Location, Part, UnreadableError
from vpa.ingest.tables import table_parts
from vpa.ingest.zipped import xml_tree

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C: Final = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
# Points that lay a diagram out.
_LAYOUT: Final = frozenset({"pres", "parTrans", "sibTrans"})


def graphic_parts(holder: Any, related: Callable[[str], bytes], *, at: Location | None = None) -> Iterator[Part]:
    """The texts of all charts and diagrams below an element; `related` gives the bytes of a related part by its id."""
    for graphic in holder.iter(f"{_C}chart", f"{_DIAGRAM}relIds"):
        name = graphic.get(f"{_R}id") or graphic.get(f"{_R}dm") or ""
        try:
            tree = xml_tree(related(name))
        except (KeyError, AttributeError, UnreadableError):
            # A graphic without its data shows nothing.
            continue
        if graphic.tag == f"{_C}chart":
            yield from chart_parts(tree, at=at or {})
        else:
            yield diagram_part(tree, at=at or {})


def chart_parts(tree: Any, *, at: Location) -> Iterator[Part]:
    """Titles of a chart and of its axes, then its values: a row for each category, a column for each series."""
    yield Part(chart_titles(tree), at=at)
    for plot in tree.iter(f"{_C}plotArea"):
        for kind in plot:
            yield from _rows(list(kind.iterchildren(f"{_C}ser")), at)


def chart_titles(tree: Any) -> str:
    """The titles of a chart and of its axes, a line for each."""
    return "\n".join(filter(None, (_rich_text(title) for title in tree.iter(f"{_C}title"))))


def _rows(series: list[Any], at: Location) -> Iterator[Part]:
    """The rows of the series of one kind of chart, which share their categories."""
    if not series:
        return
    categories: dict[str, str] = {}
    columns: list[dict[str, str]] = []
    for one in series:
        categories = {**_points(one, "cat", "xVal"), **categories}
        columns.append(_points(one, "val", "yVal"))
    places = sorted({place for points in (categories, *columns) for place in points}, key=_order)
    names = ["", *(_name(one) for one in series)]
    rows = [[categories.get(place, ""), *(points.get(place, "") for points in columns)] for place in places]
    if any(names):
        yield from table_parts([names, *rows], at=at, header=True)
    else:
        yield from table_parts(rows, at=at)


def _points(series: Any, *names: str) -> dict[str, str]:
    """By its index, what each point says; of categories in several levels the lowest."""
    for name in names:
        holder = series.find(f"{_C}{name}")
        if holder is not None:
            level = next(holder.iter(f"{_C}lvl"), holder)
            points = level.iter(f"{_C}pt")
            return {point.get("idx", ""): squeezed(point.findtext(f"{_C}v") or "") for point in points}
    return {}


def _name(series: Any) -> str:
    holder = series.find(f"{_C}tx")
    return squeezed(" ".join(value.text or "" for value in holder.iter(f"{_C}v"))) if holder is not None else ""


def _order(place: str) -> int:
    return int(place) if place.isdecimal() and len(place) < 10 else 0


def _rich_text(element: Any) -> str:
    """The text of a title, which is written out or taken from a cell."""
    texts = (value.text or "" for value in element.iter(f"{_A}t", f"{_C}v"))
    return squeezed("".join(texts))


def diagram_part(tree: Any, *, at: Location) -> Part:
    """The texts of a diagram, a line for each."""
    lines = []
    for point in tree.iter(f"{_DIAGRAM}pt"):
        if point.get("type") not in _LAYOUT:
            lines += [squeezed("".join(text.text or "" for text in p.iter(f"{_A}t"))) for p in point.iter(f"{_A}p")]
    return Part("\n".join(filter(None, lines)), at=at)
