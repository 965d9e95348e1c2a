"""Bytes of a file as lines of bounded length, in UTF-8; `.gz` and `.xz` are unpacked, UTF-16 and UTF-32 decoded."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final, cast

# A line of JSON takes some 30 times its size in memory while it is read.
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_PART: Final = 1 << 16
# The longer marks first: that of UTF-32 begins as that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(beginning: bytes) -> str:
    """The encoding that a byte order mark names; UTF-8 without one."""
    return next((name for mark, name in _MARKS if beginning.startswith(mark)), "utf-8-sig")


def read_lines(path: Path) -> Iterator[bytes | None]:
    """Each line with its end, None for one that is longer than `MAX_LINE_BYTES`, of which no more is kept.

    Raises what reading raises, also for damaged packs, and UnicodeDecodeError.
    """
    with closing(_opened(path)) as file:
        encoding = encoding_of(file.peek(4)[:4])
        if encoding == "utf-8-sig":
            yield from _bounded(file)
            return
        with io.TextIOWrapper(cast(IO[bytes], file), encoding=encoding, newline="\n") as text:
            while line := text.readline(MAX_LINE_BYTES + 1):
                too_long = len(line) > MAX_LINE_BYTES
                while not line.endswith("\n") and (more := text.readline(_PART)):
                    line, too_long = more, True
                yield None if too_long else line.encode()


def _bounded(file: Any) -> Iterator[bytes | None]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES:
            yield line
            continue
        while not line.endswith(b"\n") and (more := file.readline(_PART)):
            line = more
        yield None


def _opened(path: Path) -> Any:
    ending = path.suffix.lower()
    if ending == ".gz":
        return gzip.open(path, "rb")
    return io.BufferedReader(cast(Any, lzma.open(path, "rb"))) if ending == ".xz" else path.open("rb")
