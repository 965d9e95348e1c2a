"""Files inside of files: what they are called, which format they have, and what they tell of their message."""

from __future__ import annotations

import warnings
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import vpa
from vpa.ingest.contract import Limits
from vpa.ingest.reading import FileReading, ReadDocument, with_message

START = b"From ann@x.org Thu Jan  1 00:00:00 1970\n"
PAGE = b"<div><script>var evil</script><p>Report</p></div>"


def read(folder: Path, path: Path) -> list[ReadDocument]:
    items = list(FileReading(Limits(), "eng", str(folder)).read(path, path.name))
    documents = [item for item in items if isinstance(item, ReadDocument)]
    assert len(items) == len(documents)
    return documents


def message(number: int, *attached: tuple[str, bytes]) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = f"Subject {number}"
    made["From"] = f"Ann {number} <ann{number}@x.org>"
    made["Date"] = "Mon, 06 Sep 2021 16:45:00 +0200"
    made["Message-ID"] = f"<{number}@x>"
    made.set_content(f"Text {number}")
    for name, data in attached:
        made.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return made


def test_members_of_one_name_have_the_format_of_their_name(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("data.csv", "name,age\nAnn,3\nBob,4\n")
        archive.writestr("data.csv", "name,age\nCarl,5\nDora,6\n")
    first, second = read(tmp_path, path)
    assert (first.inner, second.inner) == ("data.csv", "data.csv (2)")
    assert second.format == "csv"
    assert second.document.title == "data"
    assert second.document.content == "name: Carl; age: 5\nname: Dora; age: 6"


def test_attachments_of_a_mailbox_say_which_message_they_hang_on(tmp_path: Path) -> None:
    path = tmp_path / "m.mbox"
    attached = [("page.html", PAGE), ("page.html", PAGE)]
    path.write_bytes(b"\n".join(START + message(number, *attached).as_bytes() for number in (1, 2)))
    documents = [item for item in read(tmp_path, path) if item.inner]
    assert [item.inner for item in documents] == [
        "message 1/page.html",
        "message 1/page.html (2)",
        "message 2/page.html",
        "message 2/page.html (2)",
    ]
    assert [item.document.content for item in documents] == ["Report"] * 4
    assert documents[-1].document.metadata == {
        "author": "Ann 2 <ann2@x.org>",
        "message_id": "<2@x>",
        "message_subject": "Subject 2",
        "sent": datetime(2021, 9, 6, 14, 45, tzinfo=UTC),
    }


def test_an_attachment_with_an_author_of_its_own_is_still_of_who_sent_it() -> None:
    sent: dict[str, Any] = {"author": "Ann", "message_id": "<1@x>"}
    assert with_message({"author": "Bob", "pages": 3}, sent, format="pdf") == {
        "author": "Ann",
        "author_in_file": "Bob",
        "message_id": "<1@x>",
        "pages": 3,
    }
    own = {"author": "Bob", "message_id": "<2@x>"}
    assert with_message(own, sent, format="eml") == {**own, "forwarded_by": "Ann", "forwarded_in": "<1@x>"}


def test_what_hangs_on_a_forwarded_message_knows_both(tmp_path: Path) -> None:
    outer = message(1)
    outer.add_attachment(message(2, ("notes.txt", b"Some notes")))
    path = tmp_path / "a.eml"
    path.write_bytes(outer.as_bytes())
    first, forwarded, notes = read(tmp_path, path)
    assert "forwarded_by" not in first.document.metadata
    for item in (forwarded, notes):
        assert item.document.metadata["author"] == "Ann 2 <ann2@x.org>"
        assert item.document.metadata["forwarded_by"] == "Ann 1 <ann1@x.org>"
        assert item.document.metadata["forwarded_in"] == "<1@x>"


async def test_attachments_are_forgotten_with_their_message(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(message(1, ("notes.txt", b"Some notes of Ann")).as_bytes())
    (tmp_path / "b.txt").write_text("Another text")
    async with vpa.create_enhanced_rag_system(embedder="hashing") as rag:
        await rag.ingest(tmp_path)
        assert (await rag.forget(metadata={"author": "Ann 1 <ann1@x.org>"})).documents == 2
        assert [document.document_id.rpartition("/")[2] for document in await rag.list_documents()] == ["b.txt"]
