"""Plain text: the file is the document. A chat that WhatsApp exported is a conversation."""

from __future__ import annotations

from collections.abc import Iterator

from vpa.ingest.bounded import read_text
from vpa.ingest.contract import Item, SourceDocument, SourceFile
from vpa.ingest.conversations import document_of
from vpa.ingest.conversations.whatsapp import whatsapp_conversation


def read(file: SourceFile) -> Iterator[Item]:
    """One document with the file's name as title."""
    whole = read_text(file)
    yield from whole.notes
    conversation = whatsapp_conversation(whole.text, title=file.title)
    if conversation is not None:
        yield document_of(conversation, origin=file.name)
    else:
        yield SourceDocument(title=file.title, content=whole.text, origin=file.name)
