"""EPUB books: the chapters of the spine in their order, as HTML is read."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from vpa.ingest.cleaning import moment, squeezed
from vpa.ingest.contract import Item, Part, SourceFile, SourceNote, SourceProblem, UnreadableError
from vpa.ingest.documents import damage_named, document
from vpa.ingest.encoding import decode
from vpa.ingest.markup import parts_of_html
from vpa.ingest.readers.epub_entities import expanded
from vpa.ingest.readers.html import declared_encoding
from vpa.ingest.zipped import member_bytes, opened_zip, xml_tree

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
# What is done to fonts is called encryption as well.
_FONT_METHODS: Final = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read(file: SourceFile) -> Iterator[Item]:
    """One document, and a problem for each chapter that cannot be read; raises UnreadableError."""
    with opened_zip(file, what="an EPUB file") as archive, damage_named("an EPUB file"):
        if _CONTAINER not in archive.NameToInfo:
            raise UnreadableError(f"is not an EPUB file: it holds no {_CONTAINER}")
        if _is_encrypted(archive):
            raise UnreadableError("is encrypted (DRM): only the shop's own program reads it; add a copy without DRM")
        yield from _Book(file, archive).items()


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    if _ENCRYPTION not in archive.NameToInfo:
        return False
    methods = xml_tree(member_bytes(archive, _ENCRYPTION)).iter("{*}EncryptionMethod")
    return any(method.get("Algorithm", "") not in _FONT_METHODS for method in methods)


class _Book:
    def __init__(self, file: SourceFile, archive: zipfile.ZipFile) -> None:
        self._file = file
        self._archive = archive
        self._flags: set[str] = set()
        self._asides: list[Item] = []

    def items(self) -> Iterator[Item]:
        root = next(xml_tree(member_bytes(self._archive, _CONTAINER)).iter("{*}rootfile"), None)
        if root is None:
            raise UnreadableError("is damaged: its container names no book")
        path = root.get("full-path", "")
        package = xml_tree(member_bytes(self._archive, path))
        facts = _facts(package)
        parts = list(self._parts(package, posixpath.dirname(path)))
        title = facts.pop("title")
        if parts or not self._asides:
            yield from document(self._file, parts, title=title, metadata=facts, flags=self._flags)
        yield from self._asides

    def _parts(self, package: Any, folder: str) -> Iterator[Part]:
        items = {item.get("id"): item for item in package.iter("{*}item")}
        for reference in package.iter("{*}itemref"):
            item = items.get(reference.get("idref"))
            if item is None or item.get("media-type") not in _PAGES or "nav" in item.get("properties", "").split():
                continue
            name = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "").partition("#")[0])))
            try:
                yield from self._chapter(name)
            except UnreadableError as error:
                self._asides.append(SourceProblem(self._file.name, f"chapter {name!r} {error}"))

    def _chapter(self, name: str) -> Iterator[Part]:
        data = member_bytes(self._archive, name)
        decoded = decode(data, declared=declared_encoding(data))
        if decoded.broken:
            note = f"chapter {name!r} has {decoded.broken} bytes that are not {decoded.encoding}: they were replaced"
            self._asides.append(SourceNote(self._file.name, note))
        chapter = expanded(decoded.text)
        if chapter.refused:
            note = f"declares entities, as files do that fill the memory; references left out: {chapter.refused}"
            self._asides.append(SourceNote(self._file.name, f"chapter {name!r} {note}"))
        page = parts_of_html(chapter.text)
        self._flags.update(page.flags)
        # Chapters without a heading have their title in the head only.
        if page.title and page.parts and not any(part.kind == "heading" for part in page.parts):
            yield Part(page.title, "heading", level=1)
        yield from page.parts


def _facts(package: Any) -> dict[str, Any]:
    texts: dict[str, str] = {}
    for element in package.iter("{http://purl.org/dc/elements/1.1/}*"):
        name = element.tag.rpartition("}")[2]
        text = squeezed(element.text or "")
        if name == "creator" and texts.get(name):
            texts[name] += f", {text}"
        else:
            texts.setdefault(name, text)
    return {
        "title": texts.get("title", ""),
        "author": texts.get("creator", ""),
        "created": moment(texts.get("date", "")),
        "language": texts.get("language", ""),
    }
