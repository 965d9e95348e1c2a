"""Damaged files: each format cut, garbled, zeroed, empty, under a wrong name."""

from __future__ import annotations

import random
from collections.abc import Iterator

import sample_office
import samples
from case import Case

_BINARY = frozenset(
    "pdf columns.pdf docx pptx xlsx odt ods odp png epub zip tar tar.gz tar.xz txt.gz txt.xz txt.bz2".split()  # noqa: SIM905
)


def damaged() -> Iterator[Case]:
    """Some of each format."""
    for module in (samples, sample_office):
        for ending in module.ENDINGS:
            data = module.sample(ending)
            yield from _cuts(ending, data)
            yield Case("garbled", f"garbled.{ending}", _garbled(data))
            if ending in _BINARY:
                half = len(data) // 2
                yield Case("zeroed tail", f"zeroed.{ending}", data[:half] + bytes(len(data) - half))


def _cuts(ending: str, data: bytes) -> Iterator[Case]:
    shares = (0.02, 0.3, 0.7, 0.98) if ending in _BINARY else (0.4,)
    for share in shares:
        yield Case("cut", f"cut-{int(share * 100):02}.{ending}", data[: max(1, int(len(data) * share))])


def _garbled(data: bytes) -> bytes:
    rng = random.Random(len(data))
    result = bytearray(data)
    for _ in range(max(3, len(data) // 200)):
        result[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(result)


def empty(endings: list[str]) -> Iterator[Case]:
    """No bytes at all, one of each ending that a reader knows."""
    for ending in endings:
        yield Case("empty", f"empty{ending}", b"", "named")
    for ending in ("txt", "md", "csv", "json", "html"):
        yield Case("empty", f"blank.{ending}", b" \r\n\t \n", "named")


def wrong_names() -> Iterator[Case]:
    """Bytes of one format under the ending of another; programs and rubbish as documents."""
    pairs = (
        ("pdf", "txt"),
        ("pdf", "docx"),
        ("docx", "pdf"),
        ("docx", "xlsx"),
        ("png", "txt"),
        ("png", "pdf"),
        ("zip", "docx"),
        ("zip", "epub"),
        ("html", "pdf"),
        ("txt", "docx"),
        ("txt", "pdf"),
        ("txt", "png"),
        ("txt", "zip"),
        ("csv", "xlsx"),
        ("xlsx", "csv"),
        ("tar", "zip"),
        ("mbox", "txt"),
        ("rtf", "doc"),
        ("json", "xml"),
        ("xml", "json"),
        ("html", "md"),
    )
    for is_, named in pairs:
        module = sample_office if is_ in sample_office.ENDINGS else samples
        yield Case(
            "wrong name", f"{is_}-as.{named}", module.sample(is_), "either" if named in ("md", "doc") else "named"
        )
    rng = random.Random(0)
    for ending in ("txt", "md", "pdf", "docx", "json", "html", "csv", "py", "eml", "srt", "rtf", "mbox"):
        expected = "either" if ending in ("eml", "mbox") else "named"
        yield Case("wrong name", f"noise.{ending}", rng.randbytes(20_000), expected)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + rng.randbytes(5000)
    for ending in ("txt", "pdf", "py", "doc"):
        yield Case("wrong name", f"program.{ending}", elf, "named")
    yield Case("wrong name", "dos-program.txt", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff" + rng.randbytes(4000), "named")
