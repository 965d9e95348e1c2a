"""Pictures (PNG, JPEG, TIFF, …): their text by OCR, with the tesseract program."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpa.ingest.cleaning import cleaned
from vpa.ingest.contract import EmptyFileError, Item, Location, Part, SourceFile, UnreadableError
from vpa.ingest.documents import document

INSTALL: Final = "install tesseract (apt-get install tesseract-ocr)"
_MOST_PIXELS: Final = 100_000_000
# Words that tesseract is less sure of, in per cent, are doubtful, and so is a text whose words are on average.
_SURE: Final = 60
_BLOCK: Final = ("page_num", "block_num", "par_num")


@dataclass(frozen=True, slots=True)
class Recognition:
    """What OCR made of a picture: paragraphs, and "ocr" with "ocr_doubtful" where tesseract is not sure of the text."""

    parts: tuple[Part, ...]
    flags: tuple[str, ...]


def read(file: SourceFile) -> Iterator[Item]:
    """One document; raises UnreadableError."""
    check_languages(file.ocr_languages)
    _check_picture(file.path)
    recognition = recognised(file.path, file)
    if not recognition.parts:
        raise EmptyFileError("holds no text that tesseract could recognise")
    yield from document(file, recognition.parts, flags=recognition.flags)


def check_languages(languages: str) -> None:
    """Raises UnreadableError where tesseract, or a language that is asked for, is not installed."""
    if shutil.which("tesseract") is None:
        raise UnreadableError(f"is a picture, and reading its text needs tesseract: {INSTALL}")
    listed = _run(["--list-langs"], seconds=20).splitlines()[1:]
    missing = [language for language in languages.split("+") if language not in listed]
    if missing:
        packages = " ".join(f"tesseract-ocr-{language.replace('_', '-')}" for language in missing)
        raise UnreadableError(
            f"needs {', '.join(missing)} for OCR, and tesseract has {', '.join(listed) or 'no language'}: "
            f"apt-get install {packages}, or ask for another language"
        )


def recognised(path: Path, file: SourceFile, *, at: Location | None = None) -> Recognition:
    """The text of a picture, in the languages and the time that `file` allows; raises UnreadableError."""
    whole = str(path.resolve())
    table = _run([whole, "stdout", "-l", file.ocr_languages, "--psm", "3", "tsv"], seconds=file.limits.seconds)
    paragraphs: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    sure: list[float] = []
    for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        word = cleaned(row.get("text") or "").strip()
        if word:
            paragraphs.setdefault(tuple(row[key] for key in _BLOCK), []).append((row["line_num"], word))
            sure.append(float(row["conf"]))
    doubtful = bool(sure) and (sum(sure) / len(sure) < _SURE or 2 * sum(one < _SURE for one in sure) > len(sure))
    parts = tuple(Part(_paragraph(words), at=at or {}) for words in paragraphs.values())
    return Recognition(parts, ("ocr", "ocr_doubtful") if doubtful else ("ocr",))


def _paragraph(words: list[tuple[str, str]]) -> str:
    """Words in lines as one text; a word that is divided at the end of a line is put together."""
    text, before = "", ""
    for line, word in words:
        if line != before and len(text) > 1 and text.endswith("-") and text[-2].isalpha() and word[0].islower():
            text = text[:-1] + word
        else:
            text += f" {word}" if text else word
        before = line
    return text


def _run(arguments: list[str], *, seconds: float) -> str:
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        finished = subprocess.run(
            ["tesseract", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableError(f"took tesseract more than {seconds:g} s: make the picture smaller") from error
    except OSError as error:
        raise UnreadableError(f"is a picture, and tesseract cannot be run ({error}): {INSTALL}") from error
    if finished.returncode:
        lines = finished.stderr.decode("utf-8", "replace").split("\n")
        reason = next((line.strip() for line in lines if line.strip()), f"it ended with {finished.returncode}")
        raise UnreadableError(f"cannot be read by tesseract ({cleaned(reason)[:200]}): save the picture as PNG")
    return finished.stdout.decode("utf-8", "replace")


def _check_picture(path: Path) -> None:
    """Refuses empty files, and pictures of which a small file claims very many pixels."""
    if not path.stat().st_size:
        raise EmptyFileError()
    size = _size(path)
    if size and size[0] * size[1] > _MOST_PIXELS:
        raise UnreadableError(
            f"has {size[0]} × {size[1]} pixels, more than {_MOST_PIXELS // 1_000_000} million: make the picture smaller"
        )


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height of the header; None where Pillow is missing, which only says that tesseract decides."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        return None
    # What Pillow does about such pictures itself is a warning, and an exception of its own at twice the size.
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as picture:
            return picture.size
    except UnidentifiedImageError as error:
        raise UnreadableError("is not a picture of a known format, or damaged: save it as PNG") from error
    except Exception as error:
        raise UnreadableError(f"is damaged: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = most
