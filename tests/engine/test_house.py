"""How the engine and the embedded store are built: one builder of states, files, classes and functions of a size to be
read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vpa

SOURCE = Path(vpa.__file__).parent
FILES = sorted([*(SOURCE / "engine").rglob("*.py"), *(SOURCE / "stores" / "embedded").glob("*.py")])
# The contract of a store names its methods.
EXEMPT = {"EmbeddedStore"}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def _is_public_method(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
        return False
    return not any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)


def test_only_the_writer_builds_a_state() -> None:
    builders = {
        path.name
        for path in SOURCE.rglob("*.py")
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "State"
    }
    assert builders == {"writer.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_classes_and_functions_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for node in nodes(path):
        if isinstance(node, ast.ClassDef) and node.name not in EXEMPT:
            public = [part.name for part in node.body if _is_public_method(part)]
            assert len(public) <= 12, f"{node.name} has {len(public)} public methods: {public}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 45, node.name
