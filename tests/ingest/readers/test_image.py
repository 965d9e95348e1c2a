"""Pictures: their text by OCR, with doubts, and what is missing for it."""

from __future__ import annotations

import io
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from reading_files import only, read, read_bytes, refusal
from vpa.ingest.contract import Limits, UnreadableError

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
pytestmark = needs_tesseract


def picture(*lines: str, form: str = "PNG") -> bytes:
    image = Image.new("RGB", (1200, 300 + 100 * len(lines)), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((80, 100 + 60 * number), line, fill="black", font=ImageFont.load_default(48))
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("name", "form"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.tif", "TIFF"), ("a.webp", "WEBP")])
def test_the_text_of_a_picture(tmp_path: Path, name: str, form: str) -> None:
    document = only(read_bytes(tmp_path, name, picture("The quick brown fox", "jumps over the dog", form=form)))
    assert document.content == "The quick brown fox jumps over the dog"
    assert document.flags == ("ocr",)


def test_a_name_that_begins_as_an_option_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "--help.png").write_bytes(picture("Plain words"))
    monkeypatch.chdir(tmp_path)
    assert only(read(Path("--help.png"))).content == "Plain words"


def test_a_language_that_is_not_installed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture("Hello"))
    with pytest.raises(UnreadableError, match="apt-get install tesseract-ocr-xyz"):
        read(path, ocr_languages="eng+xyz")


def test_without_tesseract_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install tesseract-ocr" in refusal(tmp_path, "a.png", picture("Hello"))


def test_ocr_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    data = picture("The quick brown fox")
    assert "took tesseract more than" in refusal(tmp_path, "a.png", data, limits=Limits(seconds=0.001))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"no picture at all", "is not a picture"),
        (picture("x")[:100], "cannot be read by tesseract"),
        (bomb(200_000, 200_000), "pixels, more than 100 million"),
        (picture(), "holds no text"),
    ],
    ids=["empty", "text", "truncated", "bomb", "blank"],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(tmp_path, "x.png", data)
