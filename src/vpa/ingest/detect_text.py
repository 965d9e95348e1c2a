"""Which format a text has, where its name says nothing or no more than that it is text."""

from __future__ import annotations

import re
from typing import Final

from vpa.ingest.encoding import decode

# What is read of a file to tell its format.
LOOKED_AT: Final = 4096
_SRT: Final = re.compile(r"\s*\d+\s*\n\s*\d+:\d{2}:\d{2}[,.]\d{1,3}\s*-->\s*\d+:\d{2}:\d{2}")
_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_CLOCK: Final = r"\d{1,2}:\d{2}(?::\d{2})?"
_ZONE: Final = r"(?:[+-]\d{4}|\(?[A-Z]{2,5}\)?)"
# "From ann@x.org Thu Jan  1 00:00:00 1970": who sent a message, and when. It stands before each in a mailbox.
MAILBOX_LINE: Final = (
    r"From \S+(?: \S+){0,3}? +"
    rf"(?:(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +)?(?:{_MONTH} +\d{{1,2}}|\d{{1,2}}[ -]{_MONTH})[ ,-]+"
    rf"(?:{_CLOCK}(?: +{_ZONE})? +\d{{4}}|\d{{4}} +{_CLOCK})|\d{{4}}-\d\d-\d\d[T ]{_CLOCK}\S*)"
    rf"(?: +{_ZONE})*(?: +remote from .*)?"
)
_MBOX: Final = re.compile(rf"{MAILBOX_LINE}[ \t]*\n>?[!-9;-~]+[: ]")
_HEADER: Final = re.compile(r"([!-9;-~]+):[ \t]?.*")
# A letter has some of these; a text with two colons in front is none.
_MAIL_HEADERS: Final = frozenset({"from", "date", "message-id", "received", "mime-version", "return-path", "subject"})
_HTML: Final = re.compile(
    r"(?><\?xml[^>]*>\s*)?(?:(?><!--.*?-->)\s*)*+<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)


def text_format(beginning: bytes, *, named: str) -> str:
    """The format of a text by its first bytes; `named` decides where it is more than "text"."""
    if named and named != "text":
        return named
    text = decode(whole_characters(beginning)).text.lstrip("\ufeff \t\r\n").replace("\r\n", "\n")
    if text.startswith("WEBVTT") and "-->" in text:
        return "vtt"
    if _HTML.match(text):
        return "html"
    if text.startswith("<?xml"):
        return "xml"
    if _SRT.match(text):
        return "srt"
    if _MBOX.match(text):
        return "mbox"
    return "eml" if _is_mail(text) else "text"


def whole_characters(beginning: bytes) -> bytes:
    """The beginning of a longer file up to its last line end, so that no character is cut."""
    if len(beginning) < LOOKED_AT:
        return beginning
    return beginning[: beginning.rfind(b"\n") + 1] or beginning


def _is_mail(text: str) -> bool:
    """Whether a block of headers stands in front, with at least three that mail has."""
    names = set()
    for line in text.split("\n"):
        header = _HEADER.fullmatch(line)
        if not line.strip() or (header is None and not line.startswith((" ", "\t"))):
            break
        if header is not None:
            names.add(header[1].lower())
    return len(names & _MAIL_HEADERS) >= 3 and "from" in names
