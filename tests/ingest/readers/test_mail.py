"""Mail: subject, people and day from the headers, the text, and attachments as files; hostile headers do no harm."""

from __future__ import annotations

import random
import tracemalloc
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.source_files import document, items, texts
from vpa.ingest.contract import EmbeddedFile, SourceDocument, SourceNote, SourceProblem, UnreadableError
from vpa.ingest.messages import items_of_message


def message(text: str = "Hällo\n\n> quoted", **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = headers.get("subject", "Grüße, und mehr")
    made["From"] = "Jörg Weiß <j@x.de>"
    made["To"] = 'a@b.c, "D, É" <d@e.f>'
    made["Cc"] = "g@h.i"
    made["Date"] = "Mon, 06 Sep 2021 16:45:00 +0200"
    made["Message-ID"] = headers.get("message_id", "<1@x>")
    made.set_content(text)
    return made


def documents(read: list[object]) -> list[SourceDocument]:
    return [item for item in read if isinstance(item, SourceDocument)]


def test_a_message_is_a_document_with_its_headers(tmp_path: Path) -> None:
    read = document(tmp_path, "a.eml", message().as_bytes())
    assert (read.title, read.content, texts(read)) == ("Grüße, und mehr", "Hällo\n\n> quoted", ["Hällo", "> quoted"])
    assert read.metadata == {
        "author": "Jörg Weiß <j@x.de>",
        "recipients": ["a@b.c", "D, É <d@e.f>", "g@h.i"],
        "created": datetime(2021, 9, 6, 14, 45, tzinfo=UTC),
        "message_id": "<1@x>",
    }


def test_attachments_are_files_named_by_their_last_component(tmp_path: Path) -> None:
    made = message()
    for name in ("../../etc/a.pdf", "C:\\x\\b.docx", "ü\n.txt", ""):
        made.add_attachment(b"data", maintype="application", subtype="pdf", filename=name)
    inner = message("inner", subject="Re: a/b")
    made.add_attachment(inner)
    files = [item for item in items(tmp_path, "a.eml", made.as_bytes()) if isinstance(item, EmbeddedFile)]
    assert [file.name for file in files[:2]] == ["a.pdf", "b.docx"]
    assert [file.name for file in files[3:]] == ["attachment 4.pdf", "Re: a b.eml"]
    assert all("/" not in file.name and "\\" not in file.name for file in files)
    assert files[0].data == b"data"
    assert documents(items(tmp_path, "a.eml", files[-1].data))[0].content == "inner"


def test_plain_text_comes_before_html_and_html_is_read_where_it_is_alone(tmp_path: Path) -> None:
    made = message("plain")
    made.add_alternative("<p>marked</p>", subtype="html")
    assert document(tmp_path, "a.eml", made.as_bytes()).content == "plain"
    alone = b"Subject: x\nContent-Type: text/html; charset=utf-8\n\n<html><style>p {}</style><p>One &amp; two</p>"
    read = items(tmp_path, "a.eml", alone + b"<p>Three</p>")
    assert documents(list(read))[0].content == "One & two\n\nThree"
    assert all(isinstance(item, SourceDocument | SourceNote) for item in read)


def test_a_message_of_attachments_has_its_subject_as_text(tmp_path: Path) -> None:
    made = message("")
    made.add_attachment(b"data", maintype="image", subtype="png", filename="a.png")
    first, second = items(tmp_path, "a.eml", made.as_bytes())
    assert isinstance(first, SourceDocument)
    assert first.content == "Grüße, und mehr"
    assert isinstance(second, EmbeddedFile)


@pytest.mark.parametrize(
    "headers",
    [
        b"Subject: =?no-such?b?AAAA?=",
        b"Subject: =?utf-8?b?A?=",
        b"Subject: Gr\xfc\xdfe",
        "Subject: Grüße".encode(),
        b"Subject: " + b"=?utf-8?q?x?= " * 50_000,
        b"From: " + b"(" * 100_000,
        b"From: " + b"<" * 10_000 + b",;:@" * 1000,
        b"Date: Mon, 99 Foo 99999999999 99:99:99 +9999999",
        b'Content-Type: text/plain; charset="zip"',
        b"Content-Type: text/plain; charset*=utf-8''%ff%zz",
        b"Content-Type: text/plain; name*0*=x; name*2*=y; name*999999=z",
        b"Content-Type: multipart/mixed",
        b"Content-Type: ////;;;=",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-Disposition: attachment; filename*=no''such",
        b"Subject: a\0b",
        b"\xff\xfe: x",
        b":",
    ],
)
def test_hostile_headers_do_no_harm(tmp_path: Path, headers: bytes) -> None:
    for item in items(tmp_path, "a.eml", headers + b"\n\nbody text"):
        assert isinstance(item, SourceDocument | SourceNote | SourceProblem | EmbeddedFile)
    items(tmp_path, "a.mbox", b"From x Thu Jan  1 00:00:00 1970\n" + headers + b"\n\nbody text")


def test_raw_bytes_in_headers_are_decoded(tmp_path: Path) -> None:
    assert document(tmp_path, "a.eml", "Subject: Grüße\n\nx".encode()).title == "Grüße"
    assert document(tmp_path, "a.eml", "Subject: Grüße\n\nx".encode("cp1252")).title == "Grüße"


def test_parts_in_parts_end(tmp_path: Path) -> None:
    data = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    for item in items(tmp_path, "a.eml", b"Subject: x\n" + data + b"\n\ntext"):
        assert isinstance(item, SourceDocument | SourceNote | SourceProblem)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_problem(data: bytes) -> None:
    for item in items_of_message(b"Subject: x\n" + data, origin="a", title="a"):
        assert isinstance(item, SourceDocument | SourceProblem | EmbeddedFile | SourceNote)


@given(seed=st.integers(0, 10_000))
def test_broken_messages_are_read_or_a_problem(seed: int) -> None:
    made = message()
    made.add_attachment(b"data", maintype="application", subtype="pdf", filename="ü.pdf")
    made.add_attachment(message("inner"))
    data = bytearray(made.as_bytes())
    rng = random.Random(seed)
    for _ in range(30):
        data[rng.randrange(len(data))] = rng.randrange(256)
    for item in items_of_message(bytes(data), origin="a", title="a"):
        assert isinstance(item, SourceDocument | SourceProblem | EmbeddedFile | SourceNote)


START = b"From a@b Thu Jan  1 00:00:00 1970\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_each_message_of_a_mailbox_is_a_document(tmp_path: Path, end: bytes) -> None:
    data = START + b"Subject: one\nMessage-ID: <1@x>\n\nHello\n>From here\n\nFrom there on it is text\n\n"
    data += START + b"Subject: two\n\nBye\n\n" + START + b"Message-ID: <1@x>\n\nAgain\n"
    read = documents(list(items(tmp_path, "a.mbox", data.replace(b"\n", end))))
    assert [(item.key, item.title, item.origin) for item in read] == [
        ("1@x", "one", "a.mbox:1"),
        ("2", "two", "a.mbox:2"),
        ("1@x 3", "a 3", "a.mbox:3"),
    ]
    assert [text.split("\r")[0] for text in texts(read[0])][1:] == ["From there on it is text"]
    assert read[0].content.startswith("Hello\nFrom here")
    assert read[1].spans[0].at == {"message": 2}


def test_a_line_that_begins_with_from_is_text_unless_it_has_a_sender_and_a_day(tmp_path: Path) -> None:
    lines = ["From 9:00 to 17:00 the office is open.", "From yesterday", "From Monday 3 June on: 10:00", "From ann@x"]
    text = "\n\n".join(lines)
    data = START + b"Subject: one\n\n" + text.encode() + b"\n\nFrom ann@x.org\nSubject: two\n\nBye\n"
    data += b"text before it\n" + START + b"\n" + b"From bob Mon, 6 Sep 2021 16:45:00 +0200\nSubject: three\n\nend\n"
    read = documents(list(items(tmp_path, "a.mbox", data)))
    assert [item.title for item in read] == ["one", "two", "three"]
    assert [line for line in lines if line not in read[0].content] == []
    assert read[1].content == f"Bye\ntext before it\n{START.decode().strip()}"


def test_attachments_of_a_mailbox_are_files(tmp_path: Path) -> None:
    made = message()
    made.add_attachment(b"data", maintype="application", subtype="pdf", filename="a.pdf")
    read = items(tmp_path, "a.mbox", START + made.as_bytes() + b"\n" + START + message().as_bytes())
    assert [type(item) for item in read] == [SourceDocument, EmbeddedFile, SourceDocument]


def test_a_mailbox_takes_the_memory_of_one_message(tmp_path: Path) -> None:
    data = b"".join(START + b"Subject: %d\n\n" % number + b"x" * 50 * 1000 + b"\n\n" for number in range(500))
    large = START + b"Subject: large\n\n" + b"y\n" * (1 << 20) + b"\n" + START + b"Subject: last\n\nend\n"
    path = tmp_path / "file"
    tracemalloc.start()
    read = items(tmp_path, "a.mbox", data + large, text_bytes=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 25 << 20
    assert isinstance(read[-1], SourceDocument)
    assert isinstance(read[-2], SourceProblem)
    assert "is a message longer than 1 MB" in read[-2].message
    assert len(read) == 502
    assert peak < 110 << 20


@pytest.mark.parametrize("data", [b"", b"no mailbox\n", b"\xff\0\xfe"])
def test_what_is_no_mailbox_says_so(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableError, match="holds no messages"):
        items(tmp_path, "a.mbox", data)
