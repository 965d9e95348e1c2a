"""A mailbox: a document for each message. It is read message by message, however large it is."""

from __future__ import annotations

import email.parser
import re
from collections.abc import Iterator
from typing import Final

from vpa.ingest.contract import Item, SourceDocument, SourceFile, SourceProblem, UnreadableError
from vpa.ingest.detect_text import MAILBOX_LINE
from vpa.ingest.fields import one_line
from vpa.ingest.messages import items_of_message

_LINE: Final = 1 << 20
_START: Final = re.compile(rf"{MAILBOX_LINE}[ \t]*\r?\n?".encode())
# Some programs write no day; then a header must follow.
_START_WITHOUT_DAY: Final = re.compile(rb"From \S+@\S+[ \t]*\r?\n|From -?[ \t]*\r?\n")
_HEADER: Final = re.compile(rb"[!-9;-~]+:")


def read(file: SourceFile) -> Iterator[Item]:
    """A document for each message, with its Message-ID or number as key, and its attachments."""
    keys: set[str] = set()
    number = 0
    for number, message in enumerate(_messages(file), 1):
        origin = f"{file.name}:{number}"
        if message is None:
            limit = file.limits.text_bytes >> 20
            yield SourceProblem(origin, f"is a message longer than {limit} MB: raise VPA_INGEST_TEXT_MB")
            continue
        key = _key(message, number)
        if key in keys:
            # Copies of a message in one mailbox are told apart by their number.
            key = f"{key} {number}"
        keys.add(key)
        yield from _items(file, message, origin, key, number)
    if not number:
        raise UnreadableError("holds no messages: expected lines that begin with 'From '")


def _items(file: SourceFile, message: bytes, origin: str, key: str, number: int) -> Iterator[Item]:
    for item in items_of_message(
        message, origin=origin, title=f"{file.title} {number}", key=key, at={"message": number}
    ):
        if isinstance(item, SourceDocument) and len(item.content) > file.limits.text_bytes:
            yield SourceProblem(origin, "has more text than VPA_INGEST_TEXT_MB allows: raise it")
        else:
            yield item


def _key(message: bytes, number: int) -> str:
    headers = email.parser.BytesHeaderParser().parsebytes(message[: 1 << 16].partition(b"\n\n")[0])
    return one_line(headers.get("Message-ID") or "")[:200].strip("<> ") or str(number)


def _messages(file: SourceFile) -> Iterator[bytes | None]:
    """The bytes of each message without the line in front of it; None for one above `limits.text_bytes`."""
    message: bytearray | None = None
    size = 0
    after_blank = True
    try:
        with file.path.open("rb") as mailbox:
            following = mailbox.readline(_LINE)
            while line := following:
                following = mailbox.readline(_LINE)
                if after_blank and _is_start(line, following):
                    if message is not None:
                        yield _whole(message, size, file)
                    message, size = bytearray(), 0
                elif message is not None:
                    size += len(line)
                    if size <= file.limits.text_bytes:
                        message += _unquoted(line)
                    else:
                        message.clear()
                after_blank = not line.strip()
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
    if message is not None:
        yield _whole(message, size, file)


def _is_start(line: bytes, following: bytes) -> bool:
    if not line.startswith(b"From "):
        return False
    if _START.fullmatch(line):
        return True
    return _START_WITHOUT_DAY.fullmatch(line) is not None and _HEADER.match(following) is not None


def _whole(message: bytearray, size: int, file: SourceFile) -> bytes | None:
    return bytes(message) if size <= file.limits.text_bytes else None


def _unquoted(line: bytes) -> bytes:
    return line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line
