"""One word for one thing: the glossary of docs/architecture.md, held against the names that are defined under src/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "src" / "vpa"
GLOSSARY: Final = ROOT / "docs" / "architecture.md"
# Names that say when a thing appeared; short-lived variables may have them.
VAGUE: Final = ("one", "found", "kept", "given", "stored", "wanted")
# Names that a protocol of others prescribes, or that are another word of the field there.
ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "kit/cache.py": ("hits",),  # What a cache counts.
    "engine/indexes/promise.py": ("kept",),  # As a promise is.
    "rag/system.py": ("filters",),
    "rag/history.py": ("filters",),
    "integrations/haystack_filters.py": ("filters",),  # As Haystack names them.
    "integrations/haystack_retrieval.py": ("filters",),
    "integrations/haystack_retriever.py": ("filters",),
    "integrations/haystack_store.py": ("filters", "meta"),
    "integrations/langchain.py": ("filters", "metadatas"),  # As LangChain does.
    "integrations/mem0.py": ("metadatas",),
    "integrations/llamaindex.py": ("filters", "ref_doc_id"),  # As LlamaIndex does.
    "integrations/llamaindex_nodes.py": ("filters", "ref_doc_id"),
    "testing/machine.py": ("teardown",),  # As Hypothesis does.
}


def glossary() -> dict[str, str]:
    """By discouraged name, the word to use instead."""
    section = GLOSSARY.read_text("utf-8").partition("## Words")[2]
    instead = {}
    for word, discouraged in re.findall(r"^\| (`[^|]+) \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE):
        preferred = re.findall(r"`([^`]+)`", word)[0]
        instead |= dict.fromkeys(re.findall(r"`([^`]+)`", discouraged), preferred)
    return instead


def names(source: str) -> Iterator[tuple[str, str, int]]:
    """Name, kind and line of what is defined: class, function, parameter, attribute or variable."""
    fields: set[ast.expr] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef():
                yield node.name, "class", node.lineno
                # A class is walked before what is in it.
                annotated = [inner.target for inner in node.body if isinstance(inner, ast.AnnAssign)]
                fields.update(annotated)
                yield from ((field.id, "attribute", field.lineno) for field in annotated if isinstance(field, ast.Name))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, "function", node.lineno
            case ast.arg():
                yield node.arg, "parameter", node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, "attribute", node.lineno
            case ast.Name(ctx=ast.Store()) if node not in fields:
                yield node.id, "variable", node.lineno


def refused(source: str, *, path: str, instead: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Discouraged names of one file, each with the place and what to write."""
    for name, kind, line in names(source):
        bare = name.lstrip("_").lower()
        if bare in ALLOWED.get(path, ()):
            continue
        if bare in instead:
            yield bare, f"{path}:{line}: {kind} {name!r}: say {instead[bare]!r}"
        elif bare == "filters" and kind == "parameter":
            yield bare, f"{path}:{line}: parameter {name!r}: say 'filter'"
        elif bare in VAGUE and kind != "variable":
            yield bare, f"{path}:{line}: {kind} {name!r}: say what it is, not when it appeared"


def places() -> Iterator[str]:
    """Where such names stand, and what to write."""
    instead = glossary()
    for path in sorted(SOURCE.rglob("*.py")):
        relative = str(path.relative_to(SOURCE))
        yield from (place for _, place in refused(path.read_text("utf-8"), path=relative, instead=instead))


def test_no_name_is_one_that_the_glossary_refuses() -> None:
    assert not list(places())


def test_the_glossary_is_read() -> None:
    instead = glossary()
    assert instead["hits"] == "match"
    assert instead["dim"] == "dimension"
    assert len(set(instead.values())) >= 25
    assert not set(instead) & set(instead.values())


def test_each_kind_of_name_is_seen() -> None:
    source = """
class Hit:
    dim: int = 3
    def doc_id(self, *, filters=None, found=1):
        self.meta = found
        found = 2
        for _, msg in ():
            with x as err: pass
        return [vec for vec in y]
"""
    seen = [name for name, _ in refused(source, path="x.py", instead=glossary())]
    assert sorted(seen) == ["dim", "doc_id", "err", "filters", "found", "hit", "meta", "msg", "vec"]
