"""One peer reads a folder: `python ingest_peers.py NAME FOLDER OUT`. Started by ingest.py in the peers' environment.

Each as its own documentation shows: LangChain's DirectoryLoader with a loader for each ending, LlamaIndex's
SimpleDirectoryReader, markitdown file by file. A file that fails is left out. Texts go to OUT as lines of JSON, and a
line with seconds and versions to standard output.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def langchain(folder: Path) -> Iterator[tuple[str, str]]:
    """`DirectoryLoader(glob=…, loader_cls=…)` for each ending that there is a loader for."""
    from langchain_community import document_loaders as loaders

    by_ending = {
        **dict.fromkeys(
            ("txt", "md", "rst", "py", "yaml", "json", "jsonl", "xml", "srt", "vtt", "ipynb"), "TextLoader"
        ),
        **dict.fromkeys(("csv", "tsv"), "CSVLoader"),
        **dict.fromkeys(("html", "xhtml"), "BSHTMLLoader"),
        "pdf": "PyPDFLoader",
        "docx": "Docx2txtLoader",
        "pptx": "UnstructuredPowerPointLoader",
        "xlsx": "UnstructuredExcelLoader",
        "xls": "UnstructuredExcelLoader",
        "odt": "UnstructuredODTLoader",
        "rtf": "UnstructuredRTFLoader",
        "epub": "UnstructuredEPubLoader",
        "eml": "UnstructuredEmailLoader",
    }
    for ending, name in by_ending.items():
        options = {"autodetect_encoding": True} if name in ("TextLoader", "CSVLoader") else {}
        options |= {"open_encoding": "utf-8"} if name == "BSHTMLLoader" else {}
        loader = loaders.DirectoryLoader(
            str(folder),
            glob=f"**/*.{ending}",
            loader_cls=getattr(loaders, name),
            loader_kwargs=options,
            silent_errors=True,
            recursive=True,
        )
        for document in loader.lazy_load():
            yield str(document.metadata["source"]), document.page_content


def llamaindex(folder: Path) -> Iterator[tuple[str, str]]:
    """`SimpleDirectoryReader(input_files=…)` file by file: with a folder, a reader that lacks a library ends it."""
    from llama_index.core import SimpleDirectoryReader

    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with suppress(Exception):
                documents = SimpleDirectoryReader(input_files=[str(path)]).load_data()
                yield str(path), "\n".join(document.text for document in documents)


def markitdown(folder: Path) -> Iterator[tuple[str, str]]:
    """`MarkItDown().convert(path)`."""
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with suppress(Exception):
                yield str(path), converter.convert(str(path)).markdown


PACKAGES = {
    "langchain": ("langchain-community", "unstructured", "pypdf"),
    "llamaindex": ("llama-index-core", "llama-index-readers-file"),
    "markitdown": ("markitdown",),
}


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def main() -> None:
    name, folder, out = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    started = time.perf_counter()
    with open(out, "w") as file:
        for path, text in {"langchain": langchain, "llamaindex": llamaindex, "markitdown": markitdown}[name](
            Path(folder)
        ):
            file.write(json.dumps({"path": path, "text": text}) + "\n")
    seconds = time.perf_counter() - started
    answers.write(json.dumps({"seconds": seconds, "versions": ", ".join(map(_version, PACKAGES[name]))}) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
