"""Word documents: what hangs on the text, and templates and files with macros."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml

from reading_files import only, read_bytes, texts

NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
)


def element(xml: str) -> Any:
    name, _, rest = xml.partition(">")
    tag, _, attributes = name.partition(" ")
    return parse_xml(f"{tag} {NAMES} {attributes}>{rest}")


def saved(opened: Any) -> bytes:
    buffer = io.BytesIO()
    opened.save(buffer)
    return buffer.getvalue()


def related(opened: Any, kind: str, xml: str) -> str:
    """The id of a part that is added to a document."""
    data = xml.replace(">", f" {NAMES}>", 1).encode()
    part = Part(PackURI(f"/word/{kind}.xml"), "application/xml", data, opened.part.package)
    return str(
        opened.part.relate_to(part, f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}")
    )


def test_notes_and_comments_follow_their_paragraph(tmp_path: Path) -> None:
    opened = docx.Document()
    first = opened.add_paragraph("Claim")
    opened.add_paragraph("Next.")
    opened.add_comment(first.runs, text="Is this so?", author="Ann")
    line = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    separator = f'<w:footnote w:type="separator" w:id="0">{line.format("no")}</w:footnote>'
    note = f'<w:footnote w:id="1">{line.format("A source.")}{line.format("Another.")}</w:footnote>'
    related(opened, "footnotes", f"<w:footnotes>{separator}{note}</w:footnotes>")
    note = f'<w:endnote w:id="1">{line.format("At the end.")}</w:endnote>'
    loose = f'<w:endnote w:id="2">{line.format("Loose.")}</w:endnote>'
    related(opened, "endnotes", f"<w:endnotes>{note}{loose}</w:endnotes>")
    for kind in ("footnote", "endnote"):
        first._p.append(element(f'<w:r><w:{kind}Reference w:id="1"/></w:r>'))
    assert texts(only(read_bytes(tmp_path, "x.docx", saved(opened)))) == [
        "Claim",
        "Comment by Ann: Is this so?",
        "A source. Another.",
        "At the end.",
        "Next.",
        "Loose.",
    ]


def test_headers_and_footers_that_a_page_shows_come_once_at_the_end(tmp_path: Path) -> None:
    opened = docx.Document()
    opened.add_paragraph("Text.")
    for section in (opened.sections[0], opened.add_section()):
        section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text = "Confidential"
        section.footer.paragraphs[0].text = "- 3 -"
        section.first_page_header.paragraphs[0].text = "Never shown"
        section.even_page_footer.paragraphs[0].text = "Never shown"
    opened.sections[1].footer.paragraphs[0].text = "Company Ltd"
    document = only(read_bytes(tmp_path, "x.docx", saved(opened)))
    assert texts(document) == ["Text.", "Confidential", "Company Ltd"]
    opened.sections[0].different_first_page_header_footer = True
    opened.settings.odd_and_even_pages_header_footer = True
    assert "Never shown" in only(read_bytes(tmp_path, "x.docx", saved(opened))).content


def test_text_boxes_in_tables_and_in_boxes_are_read_once(tmp_path: Path) -> None:
    line = "<w:p><w:r><w:t>{}</w:t>{}</w:r></w:p>"
    inner = f"<w:pict><w:txbxContent>{line.format('Inner', '')}</w:txbxContent></w:pict>"
    box = f"<w:pict><w:txbxContent>{line.format('Outer', inner)}</w:txbxContent></w:pict>"
    opened = docx.Document()
    opened.add_table(rows=1, cols=1).cell(0, 0).paragraphs[0]._p.append(element(f"<w:r><w:t>Cell</w:t>{box}</w:r>"))
    assert texts(only(read_bytes(tmp_path, "x.docx", saved(opened)))) == ["Cell", "Outer", "Inner"]


def test_what_a_tracked_change_deleted_stays_out(tmp_path: Path) -> None:
    opened = docx.Document()
    paragraph = opened.add_paragraph("Text")._p
    paragraph.append(element("<w:del><w:r><w:delText> removedword</w:delText></w:r></w:del>"))
    paragraph.append(element("<w:ins><w:r><w:t> added</w:t></w:r></w:ins>"))
    assert only(read_bytes(tmp_path, "x.docx", saved(opened))).content == "Text added"


def test_formulas_and_custom_elements_are_text(tmp_path: Path) -> None:
    opened = docx.Document()
    formula = "<m:oMath><m:r><m:t>E=m</m:t></m:r><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e></m:sSup></m:oMath>"
    opened.add_paragraph("As ")._p.append(element(formula))
    custom = "<w:customXml><w:p><w:r><w:t>Custom.</w:t></w:r></w:p></w:customXml>"
    opened.element.body.insert(1, element(custom))
    assert texts(only(read_bytes(tmp_path, "x.docx", saved(opened)))) == ["As E=mc", "Custom."]


CHART = (
    "<c:chartSpace><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    "<c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>2020</c:v></c:pt></c:strCache>"
    "</c:strRef></c:tx><c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>North</c:v></c:pt></c:strCache></c:strRef>"
    "</c:cat><c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>5</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser>"
    "</c:barChart></c:plotArea></c:chart></c:chartSpace>"
)
DIAGRAM = (
    "<dgm:dataModel><dgm:ptLst><dgm:pt type='doc'/>"
    "<dgm:pt><dgm:t><a:p><a:r><a:t>Plan</a:t></a:r></a:p></dgm:t></dgm:pt>"
    "<dgm:pt type='pres'><dgm:t><a:p><a:r><a:t>layout</a:t></a:r></a:p></dgm:t></dgm:pt>"
    "<dgm:pt><dgm:t><a:p><a:r><a:t>Do</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>"
)


def test_charts_and_diagrams_follow_their_paragraph(tmp_path: Path) -> None:
    opened = docx.Document()
    paragraph = opened.add_paragraph("See")._p
    opened.add_paragraph("Next.")
    chart, diagram = related(opened, "chart", CHART), related(opened, "diagramData", DIAGRAM)
    paragraph.append(
        element(f'<w:r><w:drawing><c:chart r:id="{chart}"/><dgm:relIds r:dm="{diagram}"/></w:drawing></w:r>')
    )
    paragraph.append(element('<w:r><w:drawing><c:chart r:id="rId999"/></w:drawing></w:r>'))
    assert texts(only(read_bytes(tmp_path, "x.docx", saved(opened)))) == [
        "See",
        "Sales",
        "North; 2020: 5",
        "Plan\nDo",
        "Next.",
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.docm", "application/vnd.ms-word.document.macroEnabled.main+xml"),
        ("a.dotx", "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml"),
        ("a.dotm", "application/vnd.ms-word.template.macroEnabledTemplate.main+xml"),
    ],
)
def test_templates_and_files_with_macros_are_read(tmp_path: Path, name: str, kind: str) -> None:
    opened = docx.Document()
    opened.add_paragraph("Text.")
    opened.part._content_type = kind
    assert only(read_bytes(tmp_path, name, saved(opened))).content == "Text."


def test_a_file_without_properties_has_no_made_up_title(tmp_path: Path) -> None:
    opened = docx.Document()
    opened.add_paragraph("Text.")
    for name, relation in list(opened.part.package.rels.items()):
        if relation.reltype == RELATIONSHIP_TYPE.CORE_PROPERTIES:
            del opened.part.package.rels[name]
    document = only(read_bytes(tmp_path, "mine.docx", saved(opened)))
    assert (document.title, dict(document.metadata)) == ("mine", {})
