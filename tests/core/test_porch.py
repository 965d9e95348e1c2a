"""Promised import paths, under both spellings; and what `import vpa` does not load."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import vpa

ROOT = Path(__file__).resolve().parents[2]
PORCH = ("core.vector_database", "core.enhanced_rag", "config.deployment_config")


def python(code: str, *, cwd: Path = ROOT) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PORCH)
def test_both_spellings_give_the_same_objects(name: str) -> None:
    code = f"""
import importlib
one, other = importlib.import_module("vpa.{name}"), importlib.import_module("src.vpa.{name}")
assert one.__all__ == other.__all__ == sorted(one.__all__), one.__all__
assert all(getattr(one, x) is getattr(other, x) for x in one.__all__)
"""
    python(code)


def test_the_other_spelling_works_where_vpa_is_not_installed() -> None:
    code = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        return None
sys.path[:] = [p for p in sys.path if not p.endswith("/src")]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
from src.vpa.core.vector_database import VectorDatabaseManager, VectorDatabaseProvider
from src.vpa.core.enhanced_rag import create_enhanced_rag_system
from vpa.client.manager import VectorDatabaseManager as same
assert VectorDatabaseManager is same
"""
    python(code)


def test_import_loads_nothing_heavy() -> None:
    out = python("import sys, vpa; print(' '.join(sys.modules))").split()
    for name in (
        "pydantic",
        "yaml",
        "structlog",
        "tenacity",
        "langchain_text_splitters",
        "rich",
        "tokenizers",
        "torch",
        "asyncio",
    ):
        assert name not in out


def test_the_grammar_of_the_program_loads_nothing_heavy() -> None:
    out = python("import sys, vpa.main, vpa.cli; vpa.cli.build_parser(); print(' '.join(sys.modules))").split()
    for name in ("numpy", "pydantic", "yaml", "structlog", "rich", "tokenizers", "asyncio"):
        assert name not in out


def test_search_loads_no_splitter_and_no_torch() -> None:
    code = "import sys, vpa; vpa.create_enhanced_rag_system; import vpa.commands.search; print(' '.join(sys.modules))"
    out = python(code).split()
    for name in ("langchain_text_splitters", "langchain_core", "torch", "pytest", "hypothesis"):
        assert name not in out


def test_every_promised_name_is_there() -> None:
    assert vpa.__all__ == sorted(vpa.__all__)
    for name in vpa.__all__:
        assert getattr(vpa, name) is not None
    assert set(dir(vpa)) == set(vpa.__all__)
    assert vpa.InvalidFilterError is vpa.errors.InvalidFilterError
    with pytest.raises(AttributeError, match="no attribute 'NoSuchError'"):
        _ = vpa.NoSuchError
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vpa.nonsense


@pytest.mark.parametrize(
    "path", sorted((ROOT / "src" / "vpa").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_list_of_names_is_sorted_and_true(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names)
    assert all(hasattr(module, one) for one in names)


def test_nothing_is_defined_on_the_porch() -> None:
    for name in PORCH:
        module = importlib.import_module(f"vpa.{name}")
        assert all(
            getattr(value, "__module__", "") != module.__name__
            for value in vars(module).values()
            if isinstance(value, type)
        )
