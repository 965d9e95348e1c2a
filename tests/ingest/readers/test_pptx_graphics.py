"""Slides: charts, diagrams, formulas and comments, and templates and shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.oxml import parse_xml
from pptx.util import Inches

from reading_files import only, places, read_bytes, texts

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMES = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    f'xmlns:r="{RELATIONS}"'
)


def slide(title: str = "Title") -> tuple[Any, Any]:
    opened = pptx.Presentation()
    made = opened.slides.add_slide(opened.slide_layouts[5])
    made.shapes.title.text = title
    return opened, made


def saved(opened: Any) -> bytes:
    buffer = io.BytesIO()
    opened.save(buffer)
    return buffer.getvalue()


def related(part: Any, kind: str, xml: str, *, types: str = RELATIONS) -> str:
    """The id of a part that is added to another one."""
    name = PackURI(f"/ppt/{kind}/{kind}1.xml")
    data = xml.replace(">", f" {NAMES}>", 1).encode()
    return str(part.relate_to(Part(name, "application/xml", part.package, data), f"{types}/{kind}"))


def test_a_chart_has_its_titles_categories_and_series(tmp_path: Path) -> None:
    opened, made = slide()
    data = CategoryChartData()
    data.categories = ["North", "South"]
    data.add_series("2020", (5, 2.5))
    data.add_series("2021", (6, None))
    place = (Inches(1), Inches(1), Inches(4), Inches(3))
    chart = made.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Sales"
    chart.value_axis.axis_title.text_frame.text = "Tons"
    document = only(read_bytes(tmp_path, "a.pptx", saved(opened)))
    assert places(document)[1:] == [
        ("Sales\nTons", {"slide": 1}),
        ("North; 2020: 5; 2021: 6", {"slide": 1}),
        ("South; 2020: 2.5", {"slide": 1}),
    ]


def test_points_of_two_axes_have_both_values(tmp_path: Path) -> None:
    opened, made = slide()
    data = XyChartData()
    series = data.add_series("Run")
    series.add_data_point(0.5, 7)
    made.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, 0, 0, Inches(4), Inches(3), data)
    assert texts(only(read_bytes(tmp_path, "a.pptx", saved(opened))), "row") == ["0.5; Run: 7"]


def test_a_diagram_is_read(tmp_path: Path) -> None:
    opened, made = slide()
    point = "<dgm:pt><dgm:t><a:p><a:r><a:t>{}</a:t></a:r></a:p></dgm:t></dgm:pt>"
    data = f"<dgm:dataModel><dgm:ptLst>{point.format('Plan')}{point.format('Do')}</dgm:ptLst></dgm:dataModel>"
    name = related(made.part, "diagramData", data)
    made.shapes._spTree.append(
        parse_xml(
            f"<p:graphicFrame {NAMES}><p:nvGraphicFramePr><p:cNvPr id='9' name='d'/><p:cNvGraphicFramePr/><p:nvPr/>"
            "</p:nvGraphicFramePr><p:xfrm><a:off x='0' y='0'/><a:ext cx='1' cy='1'/></p:xfrm><a:graphic><a:graphicData "
            "uri='http://schemas.openxmlformats.org/drawingml/2006/diagram'>"
            f"<dgm:relIds r:dm='{name}'/></a:graphicData></a:graphic></p:graphicFrame>"
        )
    )
    assert texts(only(read_bytes(tmp_path, "a.pptx", saved(opened)))) == ["Title", "Plan\nDo"]


def test_a_shape_that_is_written_twice_is_read_once(tmp_path: Path) -> None:
    opened, made = slide()
    shape = "<p:sp><p:txBody><a:p><a:r><a:t>{}</a:t></a:r>{}</a:p></p:txBody></p:sp>"
    formula = "<m:oMath><m:r><m:t>E=m</m:t></m:r></m:oMath>"
    both = (
        f"<mc:AlternateContent {NAMES}><mc:Choice Requires='a14'>{shape.format('As ', formula)}</mc:Choice>"
        f"<mc:Fallback>{shape.format('picture', '')}</mc:Fallback></mc:AlternateContent>"
    )
    made.shapes._spTree.append(parse_xml(both))
    assert texts(only(read_bytes(tmp_path, "a.pptx", saved(opened)))) == ["Title", "As E=m"]


def test_comments_say_who_made_them(tmp_path: Path) -> None:
    opened, made = slide()
    authors = "<p:cmAuthorLst><p:cmAuthor id='0' name='Ann'/></p:cmAuthorLst>"
    related(opened.part, "commentAuthors", authors)
    related(made.part, "comments", "<p:cmLst><p:cm authorId='0'><p:text>Is this so?</p:text></p:cm></p:cmLst>")
    assert texts(only(read_bytes(tmp_path, "a.pptx", saved(opened)))) == ["Title", "Comment by Ann: Is this so?"]


def test_threads_of_comments_are_read(tmp_path: Path) -> None:
    opened, made = slide()
    types = "http://schemas.microsoft.com/office/2018/10/relationships"
    names = "xmlns:p188='http://schemas.microsoft.com/office/powerpoint/2018/8/main'"
    said = "<p188:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></p188:txBody>"
    reply = f"<p188:replyLst><p188:reply authorId='{{2}}'>{said.format('Yes')}</p188:reply></p188:replyLst>"
    thread = f"<p188:cmLst {names}><p188:cm authorId='{{1}}'>{reply}{said.format('Sure?')}</p188:cm></p188:cmLst>"
    authors = f"<p188:authorLst {names}><p188:author id='{{1}}' name='Ann'/></p188:authorLst>"
    related(opened.part, "authors", authors, types=types)
    related(made.part, "comments", thread, types=types)
    assert texts(only(read_bytes(tmp_path, "a.pptx", saved(opened)))) == [
        "Title",
        "Comment by Ann: Sure?",
        "Comment: Yes",
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.potx", "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml"),
        ("a.ppsx", "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml"),
        ("a.pptm", "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml"),
        ("a.ppsm", "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml"),
        ("a.potm", "application/vnd.ms-powerpoint.template.macroEnabled.main+xml"),
    ],
)
def test_templates_shows_and_files_with_macros_are_read(tmp_path: Path, name: str, kind: str) -> None:
    opened, _ = slide("Plan")
    opened.part._content_type = kind
    assert only(read_bytes(tmp_path, name, saved(opened))).content == "Plan"
