"""Well-formed files of formats that a library writes (PDF, Office, OpenDocument, PNG). Needs the `dev` extra."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

from samples import Text, text_of

_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def pdf(text: Text, *, columns: int = 1) -> bytes:
    """Pages of one or two columns with a header and page numbers, in a TrueType font where there is one."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph

    font = "Helvetica"
    if os.path.exists(_FONT):
        pdfmetrics.registerFont(TTFont("DejaVu", _FONT))
        font = "DejaVu"
    width, height = A4
    inner = (width - 100 - 20 * (columns - 1)) / columns
    frames = [Frame(50 + n * (inner + 20), 60, inner, height - 130) for n in range(columns)]

    def furniture(canvas: Any, document: Any) -> None:
        canvas.setFont(font, 8)
        canvas.drawString(50, height - 40, "Annual survey of the harbour")
        canvas.drawString(width / 2, 30, str(document.page))

    buffer = io.BytesIO()
    made = BaseDocTemplate(buffer, pagesize=A4, title=text.title, author="Harbour Office", invariant=1)
    made.addPageTemplates([PageTemplate(frames=frames, onPage=furniture)])
    head = ParagraphStyle("head", fontName=font, fontSize=16, leading=20, spaceAfter=8)
    body = ParagraphStyle("body", fontName=font, fontSize=10, leading=13, spaceAfter=8, alignment=4)
    story: list[Any] = [Paragraph(text.title, head)]
    for heading, paragraphs in text.sections * 4:
        story += [Paragraph(heading, head), *(Paragraph(one, body) for one in paragraphs)]
    made.build(story)
    return buffer.getvalue()


def docx(text: Text) -> bytes:
    """Headings, paragraphs, a list and a table, with a header and a footer."""
    import docx as library

    made = library.Document()
    made.core_properties.title = text.title
    made.add_heading(text.title, 0)
    for heading, paragraphs in text.sections:
        made.add_heading(heading, 1)
        for one in paragraphs:
            made.add_paragraph(one)
    made.add_paragraph(text.sections[0][0], style="List Bullet")
    table = made.add_table(rows=0, cols=len(text.rows[0]))
    for row in text.rows:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = value
    return _saved(made)


def pptx(text: Text) -> bytes:
    """A slide a section, with notes; the table on the last one."""
    import pptx as library
    from pptx.util import Inches

    made = library.Presentation()
    made.core_properties.title = text.title
    for heading, paragraphs in text.sections:
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text = heading
        slide.placeholders[1].text = "\n".join(paragraphs)
        slide.notes_slide.notes_text_frame.text = f"Say: {paragraphs[0]}"
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "Table"
    rows = text.rows
    shape = slide.shapes.add_table(len(rows), len(rows[0]), Inches(1), Inches(2), Inches(8), Inches(4))
    for n, row in enumerate(rows):
        for m, value in enumerate(row):
            shape.table.cell(n, m).text = value
    return _saved(made)


def xlsx(text: Text) -> bytes:
    """The table, and the sections on a second sheet."""
    import openpyxl

    made = openpyxl.Workbook()
    first = made.active
    first.title = "Stations"
    for row in text.rows:
        first.append(list(row))
    second = made.create_sheet("Sections")
    second.append(["heading", "text"])
    for heading, paragraphs in text.sections:
        second.append([heading, paragraphs[0]])
    return _saved(made)


def odt(text: Text) -> bytes:
    """Headings, paragraphs and a table."""
    from odf.opendocument import OpenDocumentText
    from odf.table import Table, TableCell, TableRow
    from odf.text import H, P

    made = OpenDocumentText()
    made.text.addElement(H(outlinelevel=1, text=text.title))
    for heading, paragraphs in text.sections:
        made.text.addElement(H(outlinelevel=2, text=heading))
        for one in paragraphs:
            made.text.addElement(P(text=one))
    table = Table(name="T")
    for row in text.rows:
        line = TableRow()
        for value in row:
            cell = TableCell()
            cell.addElement(P(text=value))
            line.addElement(cell)
        table.addElement(line)
    made.text.addElement(table)
    return _saved(made)


def ods(text: Text) -> bytes:
    """The table."""
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    made = OpenDocumentSpreadsheet()
    table = Table(name="Stations")
    for row in text.rows:
        line = TableRow()
        for value in row:
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
            line.addElement(cell)
        table.addElement(line)
    made.spreadsheet.addElement(table)
    return _saved(made)


def odp(text: Text) -> bytes:
    """A slide a section."""
    from odf.draw import Frame, Page, TextBox
    from odf.opendocument import OpenDocumentPresentation
    from odf.style import MasterPage, PageLayout
    from odf.text import P

    made = OpenDocumentPresentation()
    layout = PageLayout(name="L")
    made.automaticstyles.addElement(layout)
    master = MasterPage(name="M", pagelayoutname=layout)
    made.masterstyles.addElement(master)
    for number, (heading, paragraphs) in enumerate(text.sections):
        page = Page(masterpagename=master, name=f"s{number}")
        frame = Frame(width="20cm", height="10cm", x="1cm", y="1cm")
        box = TextBox()
        for one in (heading, *paragraphs):
            box.addElement(P(text=one))
        frame.addElement(box)
        page.addElement(frame)
        made.presentation.addElement(page)
    return _saved(made)


def png(text: Text) -> bytes:
    """A picture of some lines."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (1400, 500), 255)
    font = ImageFont.truetype(_FONT, 28) if os.path.exists(_FONT) else ImageFont.load_default(28)
    draw = ImageDraw.Draw(picture)
    for n, (heading, _) in enumerate(text.sections):
        draw.text((40, 40 + 80 * n), heading, fill=0, font=font)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _saved(made: Any) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


_MAKERS: dict[str, Callable[[Text], bytes]] = {
    "pdf": pdf,
    "columns.pdf": lambda text: pdf(text, columns=2),
    "docx": docx,
    "pptx": pptx,
    "xlsx": xlsx,
    "odt": odt,
    "ods": ods,
    "odp": odp,
    "png": png,
}
ENDINGS = tuple(_MAKERS)


def sample(ending: str, seed: int = 1) -> bytes:
    """The bytes of a well-formed file."""
    return _MAKERS[ending](text_of(seed))
