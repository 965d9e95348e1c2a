"""Jupyter notebooks: cells of markdown and code, and what the code printed as text. Pictures are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpa.ingest.bounded import read_text, within
from vpa.ingest.contract import Item, Part, SourceDocument, SourceFile, SourceProblem, UnreadableError, assembled
from vpa.ingest.fields import document_fields
from vpa.ingest.readers.jsonl import cleaned
from vpa.ingest.readers.markdown import markdown_parts, title_of_markdown
from vpa.kit.strict_json import parse_json

# More of an output is a table or a log that nobody searches.
_OUTPUT: Final = 4000


def read(file: SourceFile) -> Iterator[Item]:
    """One document; its title is that of the notebook or its first heading."""
    whole = read_text(file)
    yield from whole.notes
    notebook = _parsed(whole.text, file.name)
    cells = [cell for cell in _cells(notebook) if isinstance(cell, dict)]
    content, spans = assembled(within(_parts(cells), file.limits))
    if not content:
        raise UnreadableError("is a notebook without text")
    fields = notebook.get("metadata")
    fields = fields if isinstance(fields, dict) else {}
    yield SourceDocument(
        title=_title(fields, cells) or file.title,
        content=content,
        metadata=document_fields({key: fields[key] for key in ("authors", "date", "tags") if key in fields}),
        origin=file.name,
        spans=spans,
    )


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        notebook = parse_json(text)
    except ValueError as error:
        raise UnreadableError(f"cannot be read as a notebook: {error}") from None
    notebook = cleaned(notebook, name) if "\\u" in text else notebook
    if isinstance(notebook, SourceProblem):
        raise UnreadableError(notebook.message)
    if not isinstance(notebook, dict) or not isinstance(_cells(notebook), list):
        raise UnreadableError("is JSON without cells, not a notebook: save it again with Jupyter")
    return notebook


def _cells(notebook: Mapping[str, Any]) -> Any:
    if "cells" in notebook:
        return notebook["cells"]
    # Before version 4 cells were in worksheets.
    sheets = notebook.get("worksheets")
    sheet = sheets[0] if isinstance(sheets, list) and sheets else None
    return sheet.get("cells") if isinstance(sheet, dict) else None


def _parts(cells: list[dict[str, Any]]) -> Iterator[Part]:
    for cell in cells:
        source = _text(cell.get("source", cell.get("input")))
        if cell.get("cell_type") == "code":
            yield Part(source.strip("\n"), "code")
            yield from _outputs(cell.get("outputs"))
        elif cell.get("cell_type") == "heading" and isinstance(cell.get("level"), int):
            yield Part(source.strip(), "heading", level=cell["level"])
        else:
            yield from markdown_parts(source)


def _outputs(outputs: Any) -> Iterator[Part]:
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        text = _text(output.get("text")) or _text(data.get("text/plain") if isinstance(data, dict) else None)
        if text.strip() and not _only_names_an_object(text):
            yield Part(text[:_OUTPUT].strip("\n"), "code")


def _only_names_an_object(text: str) -> bool:
    """Whether an output says no more than that there is a picture: `<Figure size 640x480 with 1 Axes>`."""
    return text.startswith("<") and text.rstrip().endswith(">") and "\n" not in text.strip()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _title(fields: Mapping[str, Any], cells: list[dict[str, Any]]) -> str:
    if isinstance(fields.get("title"), str) and fields["title"].strip():
        return " ".join(fields["title"].split())
    titles = (title_of_markdown(_text(cell.get("source"))) for cell in cells if cell.get("cell_type") == "markdown")
    return next(filter(None, titles), "")
