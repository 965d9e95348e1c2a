"""Writes docs/reference.md, every public class, verb, function, option object and error; --check says whether it is
current.

    python scripts/reference.py [--check]
"""

from __future__ import annotations

import argparse
import ast
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import vpa
from vpa.base import errors

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
# By concept; what is public and in none of them fails the script.
GROUPS: dict[str, tuple[str, ...]] = {
    "Connecting": ("connect", "VectorDatabaseManager", "VectorDatabaseConfig", "VectorDatabaseProvider"),
    "Collections": ("Collection", "CollectionInfo", "Metric"),
    "Records and results": ("Record", "RecordBatch", "Written", "Match", "Matches", "Usage", "Scope", "ALL_SCOPES"),
    "Filters": ("F", "Filter"),
    "Documents": (
        "create_enhanced_rag_system",
        "EnhancedRAGSystem",
        "SearchResult",
        "IngestReport",
        "FilesReport",
        "ForgetReport",
    ),
    "Retrieval": ("Fusion", "Recency", "Reranker", "Why", "MatchedWord", "build_context", "Context", "Citation"),
    "Embedders": ("as_embedder", "Embedder", "EmbeddingIdentity"),
    "Moving and checking": (
        "migrate",
        "verify",
        "export_parquet",
        "import_parquet",
        "backup",
        "audit",
        "repair",
        "check",
        "check_recall",
    ),
    "Options": (
        "IndexOptions",
        "ChromaOptions",
        "MilvusOptions",
        "PgvectorOptions",
        "PineconeOptions",
        "QdrantOptions",
        "WeaviateOptions",
    ),
    "Settings": ("create_vector_database_manager",),
}
ELSEWHERE = {"__version__", "errors", "sync"}
INTRODUCTION = """# Reference

Made by `scripts/reference.py` from signatures and docstrings. `await` what is marked `async`; `vpa.sync` has the same
names without it. What the verbs mean on every store is in [semantics.md](semantics.md), how to begin in
[collections.md](collections.md) and [rag.md](rag.md).
"""


def signature(function: Any, name: str) -> str:
    """As it stands in the source, formatted."""
    source = inspect.unwrap(function)
    node = ast.parse(textwrap.dedent(inspect.getsource(source))).body[0]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise SystemExit(f"reference: {name} is no function")
    node.name, node.body, node.decorator_list = name, [ast.Expr(ast.Constant(...))], []
    if node.args.args and node.args.args[0].arg in ("self", "cls"):
        node.args.args.pop(0)
    # What stands for it in the source is private.
    return ast.unparse(node).replace("=_SCOPE", "=Scope()").replace("= _SCOPE", "= Scope()")


def _formatted(code: str) -> str:
    command = [
        str(Path(sys.executable).with_name("ruff")),
        "format",
        "--quiet",
        "--isolated",
        "--line-length",
        "100",
        "-",
    ]
    text = subprocess.run(command, input=code, capture_output=True, text=True, check=True).stdout
    return text.replace(":\n    ...\n", "\n").replace(": ...", "").strip()


def _described(value: Any) -> str:
    # Those that dataclasses and types make of their fields say nothing.
    text = (getattr(value, "__doc__", None) or "").strip()
    return "" if text.startswith(f"{getattr(value, '__name__', '')}(") else inspect.cleandoc(text)


def _function(function: Any, name: str) -> Iterator[str]:
    yield f"```py\n{signature(function, name)}\n```\n"
    yield f"{_described(function)}\n"


def _fields(kind: type[Any]) -> Iterator[str]:
    """The fields of a value, in order, with type and default."""
    node = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(node, ast.ClassDef) or not hasattr(kind, "__dataclass_fields__"):
        return
    lines = [ast.unparse(one) for one in node.body if isinstance(one, ast.AnnAssign) and ast.unparse(one)[0] != "_"]
    if lines:
        yield "```py\n" + "\n".join(lines) + "\n```\n"


def _is_ours(member: Any) -> bool:
    # Enumerations are strings and have their methods.
    home = getattr(inspect.unwrap(member), "__module__", None) if inspect.isroutine(member) else None
    return home is not None and home.startswith("vpa.")


def _members(kind: type[Any]) -> Iterator[str]:
    verbs: list[str] = []
    for name, member in inspect.getmembers(kind):
        if name.startswith("_"):
            continue
        if kind is vpa.VectorDatabaseManager and getattr(vpa.Collection, name, None) is member:
            verbs.append(f"`{name}`")
            continue
        if isinstance(member, property):
            yield f"#### `{kind.__name__}.{name}`\n"
            yield f"{_described(member)}\n"
        elif _is_ours(member):
            yield f"#### `{kind.__name__}.{name}()`\n"
            yield from _function(member, name)
    if verbs:
        yield f"And every verb of `Collection`, on the configured collection: {', '.join(verbs)}.\n"


def _entry(name: str) -> Iterator[str]:
    value = getattr(vpa, name)
    if inspect.isfunction(value):
        yield f"### `{name}()`\n"
        yield from _function(value, name)
        return
    yield f"### `{name}`\n"
    yield f"{_described(value if isinstance(value, type) else type(value))}\n"
    if isinstance(value, type):
        yield from _fields(value)
        yield from _members(value)


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "All are in `vpa` and `vpa.errors`; `code` and `retryable` are attributes of each.\n"
    yield "| error | is a | code | retryable | when |\n|---|---|---|---|---|"
    for name, kind in sorted(vars(errors).items()):
        if isinstance(kind, type) and issubclass(kind, errors.VectorDatabaseError):
            base = kind.__bases__[0].__name__
            when = " ".join(_described(kind).split()).replace("|", "\\|")
            yield f"| `{name}` | `{base}` | `{kind.code}` | {'yes' if kind.retryable else 'no'} | {when} |"


def page() -> str:
    """The whole text, its code not yet formatted."""
    public = {name for name in vpa.__all__ if not name.endswith("Error")} - ELSEWHERE
    grouped = {name for names in GROUPS.values() for name in names}
    if public != grouped:
        raise SystemExit(f"reference: GROUPS and vpa.__all__ differ in {sorted(public ^ grouped)}")
    parts = [INTRODUCTION]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += _entry(name)
    return "\n".join([*parts, *_errors()]) + "\n"


def _with_formatted_code(text: str) -> str:
    """All blocks through the formatter at once: one process instead of two hundred."""
    opening, closing = "```py\n", "\n```\n"
    pieces = text.split(opening)
    blocks = [piece.partition(closing) for piece in pieces[1:]]
    mark = "# ----"
    source = f"\n{mark}\n".join(block for block, _, _ in blocks)
    codes = [code.strip() for code in _formatted(source).split(mark)]
    rest = [opening + code + closing + after for code, (_, _, after) in zip(codes, blocks, strict=True)]
    return pieces[0] + "".join(rest)


def main() -> None:
    """Write the page, or with --check end with one line where it is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the page is not current")
    arguments = parser.parse_args()
    text = _with_formatted_code(page())
    if not arguments.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        raise SystemExit("docs/reference.md is not what the code says: run scripts/reference.py")


if __name__ == "__main__":
    main()
