"""Names and things that are no files: pipes, sockets, links, folders named like files, sizes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from case import Case

_TEXT = b"This text stands in a file whose name is strange: tides, winds and the light of the tower.\n"


def names() -> Iterator[Case]:
    """Each must be read, whatever it is called."""
    odd = (
        "new\nline.txt",
        "tab\t.txt",
        "escape\x1b[31m.txt",
        "bell\x07.txt",
        "\u202egnp.txt",
        "zero\u200bwidth.txt",
        os.fsdecode(b"caf\xe9.txt"),
        os.fsdecode(b"\xff\xfe\xfd.txt"),
        "x" * 250 + ".txt",
        "ü" * 120 + ".txt",
        "-rf.txt",
        "--sync.txt",
        " leading space.txt",
        "trailing space .txt",
        "dots...txt",
        "quote'\".txt",
        "$(touch owned).txt",
        "back\\slash.txt",
        "percent%2e%2e.txt",
        "star*?.txt",
        "semi;colon:colon.txt",
        "#hash.txt",
        "no ending",
        "UPPER.TXT",
        "con.txt",
        "e\u0301.txt",
        "\u00e9.txt",
        "😀.txt",
        "{}[]().txt",
        "file.txt.txt.txt",
    )
    for number, name in enumerate(odd):
        yield Case("names", name, b"%d. " % number + _TEXT, "read")
    yield Case("names", "folder.txt/inside.txt", _TEXT + b"inside", "read")
    yield Case("names", "/".join(["deep"] * 300) + "/x.txt", _TEXT + b"deep", "read")


def special(outside: Path) -> Iterator[Case]:
    """`outside` is a folder with secrets that links lead to."""

    def link(target: str) -> Callable[[Path], None]:
        return lambda path: path.symlink_to(target)

    def unreadable(path: Path) -> None:
        path.write_bytes(_TEXT)
        path.chmod(0)

    yield Case("special", "pipe.txt", lambda path: os.mkfifo(path), "named")
    yield Case("special", "socket.txt", _socket, "named")
    yield Case("special", "null.txt", link("/dev/null"), "named")
    yield Case("special", "zero.txt", link("/dev/zero"), "named")
    yield Case("special", "dangling.txt", link("nowhere.txt"), "named")
    yield Case("special", "self.txt", link("self.txt"), "named")
    yield Case("special", "out.txt", link(str(outside / "secret.txt")), "named")
    yield Case("special", "out-folder", link(str(outside)), "named")
    yield Case("special", "loop-folder", link("."), "named")
    yield Case("special", "proc.txt", link("/proc/self/environ"), "named")
    # Whoever runs as root reads it.
    yield Case("special", "unreadable.txt", unreadable, "either" if os.geteuid() == 0 else "named")


def _socket(path: Path) -> None:
    # The path of a socket has 107 bytes at most: it is made from its folder.
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def sizes() -> Iterator[Case]:
    """Sparse: little on disk, much to read."""

    def sparse(size: int, beginning: bytes) -> Callable[[Path], None]:
        def make(path: Path) -> None:
            with path.open("wb") as file:
                file.write(beginning)
                file.truncate(size)

        return make

    for name, beginning in (
        ("4-gb.txt", b"text\n"),
        ("4-gb.pdf", b"%PDF-1.7\n"),
        ("4-gb.zip", b"PK\3\4"),
        ("4-gb.mbox", b"From a@b Tue Apr  1 10:00:00 2025\n"),
        ("4-gb.jsonl", b'{"id": "a", "text": "b"}\n'),
    ):
        yield Case("sizes", name, sparse(4 << 30, beginning), "named", True)
    for name, beginning in (
        ("900-mb.txt", b"text\n"),
        ("900-mb.pdf", b"%PDF-1.7\n"),
        ("900-mb.docx", b"PK\3\4"),
        ("900-mb.csv", b"a,b\n"),
        ("900-mb.json", b'{"a": '),
        ("900-mb.html", b"<html>"),
        ("900-mb.xml", b"<a>"),
        ("900-mb.eml", b"From: a\nSubject: b\n\n"),
        ("900-mb.mbox", b"From a@b Tue Apr  1 10:00:00 2025\n"),
        ("900-mb.jsonl", b'{"id": "a-sparse", "text": "b"}\n'),
        ("900-mb.rtf", b"{\\rtf1 "),
        ("900-mb.srt", b"1\n00:00:01,000 --> 00:00:02,000\ntext\n"),
        ("900-mb.png", b"\x89PNG\r\n\x1a\n"),
        ("900-mb.tar", b""),
        ("900-mb.py", b"x = 1\n"),
    ):
        yield Case("sizes", name, sparse(900 << 20, beginning), is_slow=True)
