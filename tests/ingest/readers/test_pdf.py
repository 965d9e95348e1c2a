"""PDF: paragraphs in the order of reading, with their pages, and each way in which a file cannot be read."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path

import pypdf
import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from reading_files import only, places, read, read_bytes, refusal, texts
from vpa.ingest.contract import Limits, SourceDocument, SourceNote, SourceProblem, UnreadableError
from vpa.ingest.readers.pdf_words import Words, is_garbled

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
LEFT = (
    "The left column begins here and it",
    "goes on for several lines so that a",
    "reader can tell that it belongs to-",
    "gether and not to what stands on the",
    "right. It ends with this sentence.",
    "A second paragraph of the left one.",
)
RIGHT = (
    "On the right there is another story",
    "which has nothing to do with the one",
    "on the left, and so a reader must not",
    "mix the two of them. That would be a",
    "great pity for all who search in it.",
    "The right column ends here, finally.",
)
Draw = Callable[[Canvas], None]


def made(*pages: Draw, title: str = "", author: str = "") -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    for page in pages:
        canvas.setFont("Times-Roman", 11)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def block(canvas: Canvas, lines: Sequence[str], *, x: float = 72, y: float = 700) -> float:
    for line in lines:
        canvas.drawString(x, y, line)
        y -= 13
    return y


def article(canvas: Canvas) -> None:
    canvas.setFont("Helvetica-Bold", 20)
    canvas.drawString(72, 780, "A heading of some size")
    canvas.setFont("Times-Roman", 11)
    y = block(canvas, ("This is the first paragraph, whose words are for exam-", "ple divided, and the end of it."))
    y = block(canvas, ("Another paragraph, after a gap, names HMAC-", "SHA1 and goes on."), y=y - 10)
    canvas.setFont("Courier", 10)
    block(canvas, ("def f():", "    return 1"), y=y - 10)


def changed(data: bytes, change: Callable[[pypdf.PdfWriter], None]) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    change(writer)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_headings_paragraphs_and_programs_with_their_pages(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "a.pdf", made(article, author="Ada")))
    assert places(document) == [
        ("A heading of some size", {"page": 1}),
        ("This is the first paragraph, whose words are for example divided, and the end of it.", {"page": 1}),
        ("Another paragraph, after a gap, names HMAC-SHA1 and goes on.", {"page": 1}),
        ("def f():\n    return 1", {"page": 1}),
    ]
    assert [(s.kind, s.level) for s in document.spans] == [("heading", 1), ("text", 0), ("text", 0), ("code", 0)]
    assert document.title == "A heading of some size"
    assert document.metadata["author"] == "Ada"
    assert document.metadata["created"].astimezone(UTC).year >= 2024


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Annual report", "Annual report"),
        ("untitled", "A heading of some size"),
        ("Microsoft Word - x.doc", "A heading of some size"),
    ],
)
def test_the_title_is_that_of_the_properties_if_people_wrote_it(tmp_path: Path, title: str, expected: str) -> None:
    assert only(read_bytes(tmp_path, "a.pdf", made(article, title=title))).title == expected


def columns(canvas: Canvas, *, across: bool) -> None:
    canvas.drawString(72, 760, "A line over both of the columns, which is long enough to span them all")
    if across:
        for number, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
            block(canvas, (left,), y=720 - 13 * number)
            block(canvas, (right,), x=310, y=720 - 13 * number)
    else:
        block(canvas, LEFT, y=720)
        block(canvas, RIGHT, x=310, y=720)


@pytest.mark.parametrize("across", [False, True])
def test_two_columns_are_read_one_after_the_other(tmp_path: Path, across: bool) -> None:
    document = only(read_bytes(tmp_path, "a.pdf", made(lambda canvas: columns(canvas, across=across))))
    assert texts(document) == [
        "A line over both of the columns, which is long enough to span them all",
        "The left column begins here and it goes on for several lines so that a reader can tell that it belongs "
        "together and not to what stands on the right. It ends with this sentence. A second paragraph of the left one.",
        "On the right there is another story which has nothing to do with the one on the left, and so a reader must "
        "not mix the two of them. That would be a great pity for all who search in it. "
        "The right column ends here, finally.",
    ]


def test_the_cells_of_a_table_stay_in_their_rows(tmp_path: Path) -> None:
    def table(canvas: Canvas) -> None:
        for number in range(12):
            for column, text in enumerate((f"name of thing {number}", "12.5 kg", f"some remark {number}")):
                canvas.drawString(72 + 150 * column, 700 - 14 * number, text)

    content = only(read_bytes(tmp_path, "a.pdf", made(table))).content
    assert "name of thing 3 12.5 kg some remark 3" in content


def numbered(number: int, *, body: str) -> Draw:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 810, "The Handbook of Things")
        canvas.drawString(72, 30, f"Page {number} of 9")
        canvas.drawString(72, 700, body)

    return draw


def test_a_paragraph_goes_on_at_the_next_page(tmp_path: Path) -> None:
    def page(y: float, text: str) -> Draw:
        return lambda canvas: canvas.drawString(72, y, text)

    data = made(page(60, "It begins here and is di-"), page(780, "vided there."))
    document = only(read_bytes(tmp_path, "a.pdf", data))
    assert document.content == "It begins here and is divided there."
    assert [s.at for s in document.spans] == [{"page": 1}, {"page": 2}]


def test_the_outline_makes_headings(tmp_path: Path) -> None:
    def page(title: str) -> Draw:
        def draw(canvas: Canvas) -> None:
            canvas.drawString(72, 780, title)
            canvas.drawString(72, 700, f"What {title.lower()} is about.")

        return draw

    def outline(writer: pypdf.PdfWriter) -> None:
        top = writer.add_outline_item(title="Beginning", page_number=0)
        writer.add_outline_item(title="Middle", page_number=1, parent=top)
        writer.add_outline_item(title="End", page_number=2)

    data = changed(made(page("1. Beginning"), page("1.1 Middle"), page("End")), outline)
    document = only(read_bytes(tmp_path, "a.pdf", data))
    headings = [(document.content[s.start : s.end], s.level) for s in document.spans if s.kind == "heading"]
    assert headings == [("1. Beginning", 1), ("1.1 Middle", 2), ("End", 1)]


def test_an_owner_password_does_not_matter(tmp_path: Path) -> None:
    data = changed(made(article), lambda writer: writer.encrypt("", "owner", algorithm="AES-256"))
    assert "first paragraph" in only(read_bytes(tmp_path, "a.pdf", data)).content


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_password_is_named(tmp_path: Path, algorithm: str) -> None:
    data = changed(made(article), lambda writer: writer.encrypt("user", "owner", algorithm=algorithm))
    assert "remove the password first" in refusal(tmp_path, "a.pdf", data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"<html>no</html>", "is not a PDF"),
        (b"%PDF-1.7", "is damaged"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 40, "is damaged"),
        (made(article)[:400], "is damaged"),
        (made(lambda canvas: None), "holds no text"),
    ],
    ids=["empty", "html", "header", "garbage", "truncated", "blank"],
)
def test_what_cannot_be_read_is_named_soon(tmp_path: Path, data: bytes, words: str) -> None:
    started = time.monotonic()
    assert words in refusal(tmp_path, "x.pdf", data)
    assert time.monotonic() - started < 5


def test_a_tree_of_pages_that_is_its_own_child_ends(tmp_path: Path) -> None:
    loop = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R]/Count 5>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )
    assert refusal(tmp_path, "x.pdf", loop).startswith(("holds no text", "is damaged"))


def test_every_truncation_and_many_flips_are_read_or_named(tmp_path: Path) -> None:
    data = made(article, numbered(1, body="x"), numbered(2, body="y"))
    broken = [data[: len(data) * part // 20] for part in range(20)]
    broken += [data[:place] + b"\xff\x00" + data[place + 2 :] for place in range(100, len(data), len(data) // 60)]
    for variant in broken:
        try:
            items = read_bytes(tmp_path, "x.pdf", variant)
        except UnreadableError:
            continue
        assert all(isinstance(item, SourceDocument | SourceNote | SourceProblem) for item in items)


def scan(*lines: str) -> Draw:
    picture = Image.new("L", (1240, 1754), 255)
    font = ImageFont.load_default(48)
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text((120, 200 + 80 * number), line, fill=0, font=font)
    return lambda canvas: canvas.drawImage(ImageReader(picture), 0, 0, *A4)


@needs_tesseract
def test_a_scanned_page_is_read_by_ocr(tmp_path: Path) -> None:
    document = only(read_bytes(tmp_path, "scan.pdf", made(scan("The quick brown fox", "jumps over the dog."), article)))
    assert "quick brown fox" in document.content
    assert document.spans[0].at == {"page": 1}
    assert "ocr" in document.flags
    assert any("first paragraph" in text for text in texts(document))


@needs_tesseract
def test_scans_that_time_does_not_suffice_for_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpa.ingest.readers.pdf_scans._OCR_TIME", 0.0)
    pages = made(*[scan(f"Page number {word}") for word in ("one", "two", "three")])
    document, note = read_bytes(tmp_path, "scan.pdf", pages)
    assert isinstance(document, SourceDocument)
    assert isinstance(note, SourceNote)
    assert "one" in document.content
    assert "pictures that OCR had no time for" in note.message


def test_without_tesseract_a_scan_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install tesseract-ocr" in refusal(tmp_path, "scan.pdf", made(scan("Hello")))
    document, note = read_bytes(tmp_path, "mixed.pdf", made(scan("Hello"), article))
    assert isinstance(document, SourceDocument)
    assert isinstance(note, SourceNote)
    assert note.message.startswith("page 1 is pictures without text")


def test_a_language_that_is_missing_is_named(tmp_path: Path) -> None:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    path = tmp_path / "scan.pdf"
    path.write_bytes(made(scan("Hello"), article))
    _, note = read(path, ocr_languages="eng+xyz")
    assert isinstance(note, SourceNote)
    assert "tesseract-ocr-xyz" in note.message


def test_text_beyond_the_limit_is_cut_and_named(tmp_path: Path) -> None:
    document, problem = read_bytes(tmp_path, "a.pdf", made(article), limits=Limits(text_bytes=60))
    assert isinstance(document, SourceDocument)
    assert isinstance(problem, SourceProblem)
    assert document.content == "A heading of some size"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["an exam-", "ple"], "an example"),
        (["an exam\ufffeple"], "an example"),
        (["a well-", "known one"], "a well-known one"),
        (["state-of-the-", "art"], "state-of-the-art"),
        (["in 1990-", "2000"], "in 1990-2000"),
        (["Anna-", "Lena"], "Anna-Lena"),
        (["HMAC-", "based"], "HMAC-based"),
        (["--dry-", "run"], "--dry-run"),
        (["so -", "he said"], "so - he said"),
        (["foo_", "bar"], "foo_bar"),
        (["e\ufb03cient \ufb01le soft\u00adware"], "efficient file software"),
        (["M¨oller, na¨ıve"], "Möller, na¨ıve"),
        (["\uf0b7 point"], "• point"),
        (["Chapter . . . . . . . 7"], "Chapter … 7"),
    ],
)
def test_lines_become_words(lines: list[str], expected: str) -> None:
    assert Words([*lines, "well-known state-of-the-art words"]).line(lines) == expected


def test_garbage_is_told_from_text() -> None:
    assert is_garbled(["\ue001\ue002\ufffd\ufffd"])
    assert not is_garbled(["Ordinary text, with one \uf0b7 bullet."])
