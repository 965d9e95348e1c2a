"""Jupyter notebooks: cells of markdown and code, and what the code printed as text. Pictures are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpa.ingest.bounded import read_text, within
from vpa.ingest.contract import (
    Item,
    Part,
    SourceDocument,
    SourceFile,
    SourceNote,
    SourceProblem,
    UnreadableError,
    assembled,
)
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
    yield from _notes(cells, file.name)


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
    for number, cell in enumerate(cells, 1):
        at = {"cell": number}
        source = _text(cell.get("source", cell.get("input")))
        if cell.get("cell_type") == "code":
            first = 1 + len(source) - len(source.lstrip("\n"))
            yield Part(source.strip("\n"), "code", {**at, "line": first})
            for text in _outputs(cell.get("outputs")):
                yield Part(text[:_OUTPUT].strip("\n"), "code", at)
        elif cell.get("cell_type") == "heading" and isinstance(cell.get("level"), int):
            yield Part(source.strip(), "heading", at, level=cell["level"])
        else:
            yield from (part._replace(at={**part.at, **at}) for part in markdown_parts(source))


def _outputs(outputs: Any) -> Iterator[str]:
    """The texts that a cell printed, and the errors with which it ended."""
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        text = _text(output.get("text")) or _text(data.get("text/plain") if isinstance(data, dict) else None)
        if output.get("output_type") in ("error", "pyerr"):
            text = ": ".join(filter(None, (_text(output.get("ename")), _text(output.get("evalue")))))
        if text.strip() and not _only_names_an_object(text):
            yield text


def _notes(cells: list[dict[str, Any]], name: str) -> Iterator[SourceNote]:
    """What is left out of outputs."""
    outputs = [output for cell in cells for output in _outputs(cell.get("outputs"))]
    if cut := sum(len(output) > _OUTPUT for output in outputs):
        yield SourceNote(name, f"left out what {cut} outputs have beyond {_OUTPUT} characters")


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
