"""What stands on pages of a PDF and is no text of theirs: values filled into forms, text that was typed on, notes."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from vpa.ingest.cleaning import cleaned, squeezed
from vpa.ingest.contract import Part
from vpa.ingest.documents import comment_text

# PDFium's numbers of kinds of annotations.
_FREE_TEXT: Final = 3
_WIDGET: Final = 20
# Notes, and marks that may have one: text, lines and shapes, highlights, stamps, carets and ink.
_NOTES: Final = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
# Flags of annotations that are not shown: invisible, hidden, not on screens.
_UNSEEN: Final = 1 << 0 | 1 << 1 | 1 << 5
_CHECK_BOX: Final = 2
_RADIO_BUTTON: Final = 3
# Of fields with a value: combo boxes, lists, text.
_FILLED: Final = frozenset({4, 5, 6})
_PASSWORD: Final = 1 << 13
# Annotations of one page, and bytes of one text; more are made to harm.
_MOST: Final = 10_000
_LONGEST: Final = 1 << 20
_INDEX: Final = re.compile(r"\[\d+\]")


def annotation_parts(opened: Any, pages: Sequence[int]) -> Iterator[Part]:
    """The fields that are filled in, typed-on text, and the notes of pages (from 0), each with its page."""
    import pypdfium2
    from pypdfium2 import raw

    if not pages:
        return
    try:
        opened.init_forms()
    except pypdfium2.PdfiumError:
        # The pages are read without their fields.
        return
    for index in pages:
        page = raw.FPDF_LoadPage(opened.raw, index)
        if not page:
            continue
        try:
            yield from _page_parts(_Page(raw, page, opened.formenv.raw if opened.formenv else None), index + 1)
        finally:
            raw.FPDF_ClosePage(page)


def _page_parts(page: _Page, number: int) -> Iterator[Part]:
    for annotation in page.annotations():
        kind = annotation.kind
        if kind == _WIDGET:
            yield Part(annotation.field(), "row", {"page": number})
        elif kind == _FREE_TEXT:
            yield Part(cleaned(annotation.said("Contents")).strip(), at={"page": number})
        elif kind in _NOTES:
            text = comment_text(squeezed(annotation.said("Contents")), author=annotation.said("T"))
            yield Part(text, at={"page": number})


class _Page:
    def __init__(self, raw: Any, page: Any, form: Any) -> None:
        self._raw = raw
        self._page = page
        self._form = form

    def annotations(self) -> Iterator[_Annotation]:
        """Those that people see, in the order of the file."""
        for index in range(min(self._raw.FPDFPage_GetAnnotCount(self._page), _MOST)):
            annotation = self._raw.FPDFPage_GetAnnot(self._page, index)
            if not annotation:
                continue
            try:
                if not self._raw.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
                    yield _Annotation(self._raw, annotation, self._form)
            finally:
                self._raw.FPDFPage_CloseAnnot(annotation)


class _Annotation:
    def __init__(self, raw: Any, annotation: Any, form: Any) -> None:
        self._raw = raw
        self._annotation = annotation
        self._form = form
        self.kind: int = raw.FPDFAnnot_GetSubtype(annotation)

    def said(self, key: str) -> str:
        """One of its entries, such as its text ("Contents") and who made it ("T")."""
        return _text(self._raw.FPDFAnnot_GetStringValue, self._annotation, key.encode())

    def field(self) -> str:
        """The label of a field and its value; empty where nothing is filled in."""
        if not self._form:
            return ""
        value = self._value()
        return f"{self._label()}: {value}".removeprefix(": ") if value else ""

    def _value(self) -> str:
        raw, form, annotation = self._raw, self._form, self._annotation
        kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
        if kind in (_CHECK_BOX, _RADIO_BUTTON):
            # How it looks now: the value of a field of several buttons is that of one of them.
            return squeezed(self.said("AS")).replace("Off", "")
        if kind not in _FILLED or raw.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
            return ""
        return squeezed(_text(raw.FPDFAnnot_GetFormFieldValue, form, annotation))

    def _label(self) -> str:
        """What a field is called to people, or else to programs."""
        label = squeezed(_text(self._raw.FPDFAnnot_GetFormFieldAlternateName, self._form, self._annotation))
        name = squeezed(_text(self._raw.FPDFAnnot_GetFormFieldName, self._form, self._annotation))
        return label or _INDEX.sub("", name).rpartition(".")[2]


def _text(get: Callable[..., int], *arguments: Any) -> str:
    """A text that PDFium writes in UTF-16 into a buffer, whose size it says first."""
    size = get(*arguments, None, 0)
    if not 2 < size <= _LONGEST:
        return ""
    buffer = ctypes.create_string_buffer(size)
    get(*arguments, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
