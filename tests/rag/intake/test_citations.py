"""Each result says where it stands: another program opens the file at that place, and the words are there."""

from __future__ import annotations

import json
import mailbox
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pypdf
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

import vpa
from vpa.config.settings import DeploymentConfig

TOPICS = ["harbour", "lighthouse", "anchor", "compass", "rudder", "mast", "keel", "buoy"]


def sentence(topic: str, number: int) -> str:
    return f"The {topic} of ship number {number} was repaired in the year {1900 + number}."


def paragraphs(topic: str) -> list[str]:
    return [" ".join(sentence(topic, number) for number in range(start, start + 4)) for start in range(0, 24, 4)]


def write_pdf(path: Path) -> None:
    canvas = Canvas(str(path), pagesize=A4)
    for topic in TOPICS:
        text = canvas.beginText(60, 780)
        for line in (line for paragraph in paragraphs(topic) for line in re.findall(r".{1,80}(?:\s|$)", paragraph)):
            text.textLine(line.strip())
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()


def in_pdf(path: Path, at: dict[str, Any]) -> str:
    pages = pypdf.PdfReader(path).pages
    return " ".join(pages[n - 1].extract_text() for n in range(at["page"], at.get("page_end", at["page"]) + 1))


def write_pptx(path: Path) -> None:
    slides = pptx.Presentation()
    for topic in TOPICS:
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = topic
        slide.placeholders[1].text = "\n".join(paragraphs(topic)[:3])
    slides.save(path)


def in_pptx(path: Path, at: dict[str, Any]) -> str:
    assert "slide_end" not in at
    shapes = pptx.Presentation(path).slides[at["slide"] - 1].shapes
    return " ".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)


def write_xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for topic in TOPICS[:3]:
        sheet = book.create_sheet(topic)
        sheet.append(["ship", "repair"])
        for number in range(60):
            sheet.append([number, sentence(topic, number)])
    book.save(path)


def in_xlsx(path: Path, at: dict[str, Any]) -> str:
    sheet = openpyxl.load_workbook(path)[at["sheet"]]
    rows = range(at["row"], at.get("row_end", at["row"]) + 1)
    header = " ".join(str(cell.value) for cell in sheet[1])
    return f"{at['sheet']} {header} " + " ".join(str(cell.value) for row in rows for cell in sheet[row])


def write_csv(path: Path) -> None:
    rows = [f'{number},"{sentence(topic, number)}"' for topic in TOPICS for number in range(10)]
    path.write_text("\n".join(["ship,repair", *rows]))


def in_lines(path: Path, at: dict[str, Any], *, key: str = "line", more: str = "") -> str:
    lines = path.read_text().split("\n")
    return more + " ".join(lines[at[key] - 1 : at.get(f"{key}_end", at[key])])


def write_docx(path: Path) -> None:
    document = docx.Document()
    for topic in TOPICS:
        document.add_heading(topic.title(), 1)
        for number, paragraph in enumerate(paragraphs(topic)):
            document.add_heading(f"Part {number}", 2)
            document.add_paragraph(paragraph)
    document.save(str(path))


def in_docx(path: Path, at: dict[str, Any]) -> str:
    """What stands under the first heading of the section, up to the next heading of its level."""
    inside, texts = False, []
    for paragraph in docx.Document(str(path)).paragraphs:
        if paragraph.style is not None and paragraph.style.name == "Heading 1":
            inside = paragraph.text == at["section"][0]
        if inside:
            texts.append(paragraph.text)
    return " ".join(texts)


def write_markdown(path: Path) -> None:
    sections = [f"# {topic}\n\n" + "\n\n".join(paragraphs(topic)) for topic in TOPICS]
    path.write_text("---\ntitle: Ships\n---\n\n" + "\n\n".join(sections))


def write_text(path: Path) -> None:
    path.write_text("\n".join(line for topic in TOPICS for line in paragraphs(topic)))


def write_code(path: Path) -> None:
    functions = [
        f'def {topic}_{n}():\n    """{sentence(topic, n)}"""\n    return {n}\n' for topic in TOPICS for n in range(9)
    ]
    path.write_text("\n\n".join(functions))


def write_srt(path: Path) -> None:
    cues = []
    for number in range(80):
        start = f"00:{number // 6:02}:{number % 6 * 10:02},000"
        cues.append(f"{number + 1}\n{start} --> {start[:-3]}900\n{sentence(TOPICS[number // 10], number)}\n")
    path.write_text("\n".join(cues))


def in_srt(path: Path, at: dict[str, Any]) -> str:
    minute, second = divmod(int(at["seconds"]), 60)
    text = path.read_text()
    return text[text.index(f"00:{minute:02}:{second:02},000") :]


def write_mbox(path: Path) -> None:
    box = mailbox.mbox(path)
    for topic in TOPICS:
        box.add(
            f"From: ann@example.org\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: {topic}\n\n{paragraphs(topic)[0]}\n"
        )
    box.close()


def in_mbox(path: Path, at: dict[str, Any]) -> str:
    box = mailbox.mbox(path)
    text = box[at["message"] - 1].as_string()
    box.close()
    return text


def write_chat(path: Path) -> None:
    turns = [
        {"role": "user" if n % 2 == 0 else "assistant", "content": sentence(t, n)} for n, t in enumerate(TOPICS * 3)
    ]
    path.write_text(json.dumps(turns))


def in_chat(path: Path, at: dict[str, Any]) -> str:
    turn = json.loads(path.read_text())[at["message"] - 1]
    assert turn["role"] == at["speaker"]
    return f"{turn['role']} {turn['content']}"


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path, dict[str, Any]], str]]] = {
    "ships.pdf": (write_pdf, in_pdf),
    "ships.pptx": (write_pptx, in_pptx),
    "ships.xlsx": (write_xlsx, in_xlsx),
    "ships.csv": (write_csv, lambda path, at: in_lines(path, at, key="row", more="ship repair ")),
    "ships.docx": (write_docx, in_docx),
    "ships.md": (write_markdown, in_lines),
    "ships.txt": (write_text, in_lines),
    "ships.py": (write_code, in_lines),
    "ships.srt": (write_srt, in_srt),
    "ships.mbox": (write_mbox, in_mbox),
    "chat.json": (write_chat, in_chat),
}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


@pytest.fixture
async def rag() -> AsyncIterator[vpa.EnhancedRAGSystem]:
    config = DeploymentConfig(embedding_model="hashing", ingest_processes=1, chunk_size=600, chunk_overlap=80)
    async with vpa.create_enhanced_rag_system(config) as system:
        yield system


@pytest.mark.parametrize("name", KINDS)
async def test_the_words_of_a_result_stand_where_it_says(rag: vpa.EnhancedRAGSystem, tmp_path: Path, name: str) -> None:
    write, opened = KINDS[name]
    write(tmp_path / name)
    report = await rag.ingest(tmp_path / name)
    assert (report.failed, report.notes) == ([], [])
    results = {}
    for topic in TOPICS:
        for result in await rag.search_knowledge(f"{topic} repaired", top_k=8):
            results[result.chunk_id] = result
    assert len(results) >= 8
    for result in results.values():
        assert result.place, result
        document = await rag.get_document(result.document_id)
        assert document.content[result.start : result.end] == result.content
        there = set(words(opened(tmp_path / name, result.location)))
        missing = [word for word in words(result.content) if word not in there]
        assert not missing, (result.place, result.content, missing[:5])


async def test_places_are_said_in_words(rag: vpa.EnhancedRAGSystem, tmp_path: Path) -> None:
    places = {
        "ships.pdf": r"pages? \d+(–\d+)?",
        "ships.pptx": r"slide \d",
        "ships.xlsx": r"Sheet ‘\w+’, rows? \d+(–\d+)?",
        "ships.docx": r"\w+ › Part \d",
        "ships.md": r"\w+",
        "ships.txt": r"lines? \d+(–\d+)?",
        "ships.srt": r"0:\d\d:\d\d",
        "chat.json": r"message \d+, (user|assistant)",
    }
    for name, pattern in places.items():
        KINDS[name][0](tmp_path / name)
        await rag.ingest(tmp_path / name)
        results = await rag.search_knowledge("harbour repaired", filters={"source": name})
        assert results
        for result in results:
            assert re.search(pattern, result.place), (name, result.place)
