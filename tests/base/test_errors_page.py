"""Every error class: importable, with a stable code, a section in docs/errors.md, an HTTP status and a test."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import vpa
import vpa.errors
from vpa.base import errors as base
from vpa.errors import InvalidFilterError, VectorDatabaseError
from vpa.integrations.http import STATUSES

ROOT = Path(__file__).resolve().parents[2]
KINDS = [getattr(vpa.errors, name) for name in vpa.errors.__all__]


def test_the_module_has_every_class() -> None:
    assert sorted(vpa.errors.__all__) == vpa.errors.__all__ == sorted(base.__all__)
    assert vpa.errors.InvalidFilterError is vpa.InvalidFilterError is InvalidFilterError is base.InvalidFilterError
    assert set(vpa.errors.__all__) <= set(vpa.__all__)


def test_codes_are_stable_and_each_is_one_class() -> None:
    codes = {kind.code for kind in KINDS}
    assert len(codes) == len(KINDS)
    assert codes == set(STATUSES)
    assert all(issubclass(kind, VectorDatabaseError) for kind in KINDS)


def test_the_page_is_what_the_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_errors_page", ROOT / "scripts" / "make_errors_page.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert page == script.page(), "run: python scripts/make_errors_page.py > docs/errors.md"


@pytest.mark.parametrize("kind", KINDS)
def test_every_code_has_a_section_with_meaning_remedy_and_status(kind: type[VectorDatabaseError]) -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    section = page.partition(f"\n## `{kind.code}`\n")[2].partition("\n## ")[0]
    assert f"`{kind.__name__}`: " in section
    assert f"HTTP status: {STATUSES[kind.code]}" in section
    assert re.search(r"Remedy: \S", section)


@pytest.mark.parametrize("name", vpa.errors.__all__)
def test_every_class_has_a_test_that_expects_it(name: str) -> None:
    expected = re.compile(rf"raises\([^)]*\b{name}\b")
    assert any(expected.search(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py"))


async def test_a_collection_that_exists_is_an_error_unless_that_is_fine() -> None:
    async with vpa.connect("mock://") as db:
        await db.create_collection("docs", dimension=2)
        with pytest.raises(vpa.errors.CollectionExistsError, match="docs"):
            await db.create_collection("docs", dimension=2)
        assert (await db.create_collection("docs", dimension=2, exist_ok=True)).name == "docs"
