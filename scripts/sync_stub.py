"""Writes src/vpa/sync.pyi, the types of `vpa.sync`, from the asynchronous classes; --check says whether it is current.

    python scripts/sync_stub.py [--check]

Everything is derived: signatures are the source text of the asynchronous ones, without `async`; names in them are
imported from where their module imports them.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_overloads

import vpa

STUB = Path(__file__).resolve().parent.parent / "src" / "vpa" / "sync.pyi"
CLASSES = ("Collection", "VectorDatabaseManager", "EnhancedRAGSystem")
# Entered with `with`.
OPENED = ("VectorDatabaseManager", "EnhancedRAGSystem")
HEADER = "# Made by scripts/sync_stub.py from the asynchronous classes; not to be edited.\n\n"
# Instead of a module: the name stands for a whole one.
_WHOLE = "import"
_SYNCHRONOUS = {"AsyncIterator": "Iterator", "AsyncGenerator": "Iterator"}


class Imports:
    """What the stub imports, each name once; two things of one name get different ones."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, str]] = {name: ("", name) for name in CLASSES}
        self._defined: dict[str, dict[str, tuple[str, str]]] = {}

    def name_of(self, name: str, module: str) -> str:
        """How the stub calls what `module` calls `name`."""
        if name in CLASSES:
            return name
        home = self._names(module).get(name)
        # What a module neither imports nor defines is a builtin.
        return name if home is None else self._named(name, home)

    def known(self, module: str, name: str) -> str:
        """How the stub calls the name of this module."""
        return self._named(name, (module, name))

    def _named(self, name: str, home: tuple[str, str]) -> str:
        for candidate in (name, f"_{home[0].rpartition('.')[2]}_{name}"):
            if self._taken.setdefault(candidate, home) == home:
                return candidate
        raise SystemExit(f"sync_stub: {name} of {home[0]} needs a third name")

    def _names(self, module: str) -> dict[str, tuple[str, str]]:
        if module not in self._defined:
            self._defined[module] = dict(_names_of(module))
        return self._defined[module]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each name with its import statement."""
        for name, (module, original) in sorted(self._taken.items()):
            if module == _WHOLE:
                yield name, f"import {original} as {name}"
            elif module:
                yield name, f"from {module} import {original}" + ("" if name == original else f" as {name}")


def _names_of(module: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every name of a module with where it comes from, the imports for type checkers among them."""
    found = sys.modules[module]
    for node in ast.walk(ast.parse(inspect.getsource(found))):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, (_WHOLE, alias.name)) for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
    for node in ast.parse(inspect.getsource(found)).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [one.id for one in targets if isinstance(one, ast.Name)]
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        yield from ((name, (module, name)) for name in names)


class _Renamed(ast.NodeTransformer):
    def __init__(self, imports: Imports, module: str) -> None:
        self._imports, self._module = imports, module

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._imports.name_of(node.id, self._module))


def _annotation(node: ast.expr | None, imports: Imports, module: str) -> ast.expr | None:
    return None if node is None else _Renamed(imports, module).visit(node)


def signature(function: Callable[..., Any], imports: Imports, *, name: str, marks: tuple[str, ...] = ()) -> str:
    """The line of one function, as it is called without await."""
    source = inspect.unwrap(function)
    parsed = ast.parse(textwrap.dedent(inspect.getsource(source))).body[0]
    if not isinstance(parsed, ast.FunctionDef | ast.AsyncFunctionDef):
        raise SystemExit(f"sync_stub: {name} is no function")
    arguments, module = parsed.args, source.__module__
    for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if one is not None:
            one.annotation = _annotation(one.annotation, imports, module)
    arguments.defaults = [ast.Constant(...) for _ in arguments.defaults]
    arguments.kw_defaults = [None if one is None else ast.Constant(...) for one in arguments.kw_defaults]
    returns = _returned(parsed.returns, imports, module)
    prefix = "".join(f"@{mark}\n" for mark in marks)
    return f"{prefix}def {name}({ast.unparse(arguments)}) -> {returns}: ..."


def _returned(node: ast.expr | None, imports: Imports, module: str) -> str:
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _SYNCHRONOUS:
        # Of an asynchronous generator only what it yields: nothing is sent into a scan.
        yielded = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
        item = _annotation(yielded, imports, module)
        return f"{imports.known('collections.abc', 'Iterator')}[{'' if item is None else ast.unparse(item)}]"
    found = _annotation(node, imports, module)
    return "None" if found is None else ast.unparse(found)


def _member(name: str, member: Any, imports: Imports) -> Iterator[str]:
    if isinstance(member, property):
        if member.fget is not None:
            yield signature(member.fget, imports, name=name, marks=("property",))
        return
    overloads = get_overloads(inspect.unwrap(member))
    for one in overloads:
        imports.known("typing", "overload")
        yield signature(one, imports, name=name, marks=("overload",))
    if not overloads:
        yield signature(member, imports, name=name)


def _class(kind: type[Any], imports: Imports) -> str:
    lines = []
    if kind.__name__ in OPENED:
        imports.known("typing", "Self")
        lines += ["def __enter__(self) -> Self: ...", "def __exit__(self, *_: object) -> None: ..."]
    if kind.__name__ == "EnhancedRAGSystem":
        # An attribute of the asynchronous one.
        lines.append("@property\ndef manager(self) -> VectorDatabaseManager: ...")
    for name, member in inspect.getmembers(kind):
        if not name.startswith("_") and (isinstance(member, property) or inspect.isroutine(member)):
            lines += _member(name, member, imports)
    return f"class {kind.__name__}:\n" + textwrap.indent("\n".join(lines), "    ")


def _values() -> Iterator[tuple[str, str]]:
    """The names that are the same in both worlds, from where vpa takes them for type checkers."""
    for node in ast.walk(ast.parse(inspect.getsource(vpa))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                value = getattr(vpa, alias.name, None)
                is_value = alias.name in vpa.__all__ and alias.name not in CLASSES and not inspect.isfunction(value)
                if is_value:
                    yield alias.name, f"from {node.module} import {alias.name} as {alias.name}"


def stub() -> str:
    """The whole text."""
    imports, body = Imports(), []
    for name in CLASSES:
        body.append(_class(getattr(vpa, name), imports))
    for name in vpa.__all__:
        value = getattr(vpa, name)
        if inspect.isfunction(value):
            body += _member(name, value, imports)
    values = dict(_values())
    lines = [line for name, line in imports.lines() if name not in values]
    text = "\n".join([*lines, *values.values(), "from vpa import __version__ as __version__", "", *body]) + "\n"
    return HEADER + _formatted(text)


def _formatted(text: str) -> str:
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    for step in (["check", "--select", "I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        command = [*ruff, *step, "--stdin-filename", str(STUB), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> None:
    """Write the stub, or with --check end with one line where it is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the stub is not current")
    arguments = parser.parse_args()
    text = stub()
    if not arguments.check:
        STUB.write_text(text, encoding="utf-8")
    elif not STUB.exists() or STUB.read_text(encoding="utf-8") != text:
        raise SystemExit("src/vpa/sync.pyi is not what the asynchronous classes make of it: run scripts/sync_stub.py")


if __name__ == "__main__":
    main()
