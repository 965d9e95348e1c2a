"""Reads one file with all that is in it: tells its format, calls the reader, and does the same for files inside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias

from vpa.ingest.contract import (
    EmbeddedFile,
    EmptyFileError,
    Limits,
    SourceDocument,
    SourceFile,
    SourceNote,
    SourceProblem,
    SourceSkipped,
    UnknownKindError,
    UnreadableError,
)
from vpa.ingest.detect import detect
from vpa.ingest.formats import FORMATS

_MESSAGES: Final = frozenset({"eml", "mbox"})
# Formats that only hold others: their documents belong to the files inside.
_CONTAINERS: Final = frozenset({"zip", "tar", "gz", "xz", "bz2"})


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document, and the file, perhaps inside another one, that it stands in. `inner` is "" for the file itself."""

    document: SourceDocument
    inner: str
    format: str


ReadItem: TypeAlias = ReadDocument | SourceProblem | SourceNote | SourceSkipped


@dataclass(slots=True)
class FileReading:
    """One file being read. `formats` are those that were met, for the ledger."""

    limits: Limits
    ocr_languages: str
    directory: str
    formats: set[str] = field(default_factory=set)
    _names: dict[str, int] = field(default_factory=dict)
    _members: int = 0
    _bytes: int = 0

    def read(self, path: Path, name: str) -> Iterator[ReadItem]:
        """Everything in a file, in order. What cannot be read becomes a problem; only MemoryError is raised."""
        yield from self._read(path, own_name=name, name=name, inner="", depth=0, inherited={})

    def _read(
        self, path: Path, *, own_name: str, name: str, inner: str, depth: int, inherited: Mapping[str, Any]
    ) -> Iterator[ReadItem]:
        """`own_name` is what the file itself is called, `inner` the way to it, which no other file inside has."""
        shown = f"{name}/{inner}" if inner else name
        try:
            file, note = self._source(path, own_name, shown)
            if note:
                yield SourceNote(shown, note)
            for item in FORMATS[file.format].load()(file):
                if isinstance(item, SourceDocument):
                    item = replace(item, metadata=with_message(item.metadata, inherited, format=file.format))
                    yield ReadDocument(item, inner, file.format)
                elif isinstance(item, EmbeddedFile):
                    yield from self._read_embedded(item, name=name, inner=inner, depth=depth, inherited=inherited)
                else:
                    yield item
        except UnknownKindError as error:
            yield SourceSkipped(shown, str(error))
        except EmptyFileError as error:
            yield SourceNote(shown, str(error))
        except UnreadableError as error:
            yield SourceProblem(shown, str(error))
        except MemoryError:
            raise
        except RecursionError:
            yield SourceProblem(shown, "is nested too deeply to be read")
        except OSError as error:
            yield SourceProblem(shown, f"cannot be read: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a parser may raise anything for a broken file
            yield SourceProblem(shown, f"cannot be read: {type(error).__name__}: {str(error)[:200]}")

    def _source(self, path: Path, own_name: str, shown: str) -> tuple[SourceFile, str]:
        size = os.stat(path).st_size
        if size > self.limits.file_bytes:
            raise UnreadableError(
                f"has {size >> 20} MB, more than VPA_INGEST_FILE_MB={self.limits.file_bytes >> 20} allows"
            )
        detected = detect(path, own_name)
        self.formats.add(detected.format)
        file = SourceFile(
            path=path,
            name=shown,
            format=detected.format,
            title=_title(own_name),
            limits=self.limits,
            ocr_languages=self.ocr_languages,
        )
        return file, detected.note

    def _read_embedded(
        self, item: EmbeddedFile, *, name: str, inner: str, depth: int, inherited: Mapping[str, Any]
    ) -> Iterator[ReadItem]:
        own = self._unique("/".join(filter(None, (inner, item.place, item.name))))
        self._members += 1
        self._bytes += len(item.data)
        if problem := self._refused(depth):
            yield SourceProblem(f"{name}/{own}", problem)
            return
        handle, path = tempfile.mkstemp(dir=self.directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(item.data)
            yield from self._read(
                Path(path),
                own_name=item.name,
                name=name,
                inner=own,
                depth=depth + 1,
                inherited=_passed_on(item.metadata, inherited),
            )
        finally:
            os.unlink(path)

    def _unique(self, inner: str) -> str:
        """A name that no other file inside has: two attachments may be called the same."""
        count = self._names[inner] = self._names.get(inner, 0) + 1
        return inner if count == 1 else self._unique(f"{inner} ({count})")

    def _refused(self, depth: int) -> str:
        limits = self.limits
        if depth >= limits.depth:
            return f"lies more than {limits.depth} files deep in others (VPA_INGEST_DEPTH)"
        if self._members > limits.members:
            return f"is left out: its file holds more than {limits.members} others (VPA_INGEST_MEMBERS)"
        if self._bytes > limits.unpacked_bytes:
            return (
                f"is left out: its file unpacks to more than {limits.unpacked_bytes >> 20} MB (VPA_INGEST_UNPACKED_MB)"
            )
        return ""


def with_message(own: Mapping[str, Any], inherited: Mapping[str, Any], *, format: str) -> Mapping[str, Any]:
    """Metadata of an attachment: its author is the one who sent it, so that both are forgotten together.

    What the file says itself stands under `author_in_file`. A forwarded message keeps its own author.
    """
    if not inherited:
        return own
    if format in _MESSAGES:
        return {**own, **_forwarded(inherited)}
    renamed = {f"{key}_in_file": own[key] for key in own if key in inherited and own[key] != inherited[key]}
    return {**own, **inherited, **renamed}


def _passed_on(metadata: Mapping[str, Any], inherited: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a file inside another one has from outside."""
    return {**_forwarded(inherited), **metadata} if metadata else inherited


def _forwarded(inherited: Mapping[str, Any]) -> dict[str, Any]:
    names = {"forwarded_by": "author", "forwarded_in": "message_id"}
    return {name: inherited[key] for name, key in names.items() if key in inherited}


def is_container(name: str) -> bool:
    """Whether a format only holds other files."""
    return name in _CONTAINERS


def _title(name: str) -> str:
    return PurePath(name).stem or name


def with_title(document: SourceDocument, title: str) -> SourceDocument:
    """The same document under that title, where it has none."""
    return document if document.title.strip() else replace(document, title=title)
