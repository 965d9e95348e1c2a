"""The types of `vpa.sync` are those of the asynchronous names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import vpa

ROOT = Path(__file__).resolve().parents[2]


def test_the_stub_is_what_the_asynchronous_classes_make_of_it() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "sync_stub.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_stub_knows_every_name() -> None:
    tree = ast.parse((ROOT / "src" / "vpa" / "sync.pyi").read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname}
    assert set(vpa.__all__) - {"sync"} <= names
