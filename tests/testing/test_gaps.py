"""What a store cannot do is a row: a strict xfail with its reason, counted in the report; a row that is not true
fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from dataclasses import replace
from vpa.base.capabilities import Gap, GapKind
from vpa.base.errors import InvalidQueryError, VectorDatabaseError
from vpa.client.manager import VectorDatabaseManager
from vpa.stores.embedded.store import EmbeddedStore
from vpa.testing import suite


class NoGet(EmbeddedStore):
    provider = "noget"
    client_version = "client 1.2"

    def __init__(self):
        super().__init__()
        gap = Gap(case={case!r}, kind=GapKind.THEIRS, reason="cannot read by id", raises=VectorDatabaseError)
        self.capabilities = replace(self.capabilities, gaps=(gap,))

    async def get(self, *args, **options):
        raise InvalidQueryError("no get here")


class Mine:
    def make_manager(self):
        return VectorDatabaseManager(store=NoGet())


class TestSearch(Mine, suite.SearchSuite): ...
"""
GET = "test_get_answers_in_the_order_asked"
EMPTY = "test_an_empty_store_has_no_matches"


@pytest.mark.parametrize(
    ("case", "status", "passed", "failed", "deviations"),
    [(GET, 0, [EMPTY], [], [GET]), ("test_of_another_name", 1, [EMPTY], [GET], []), (EMPTY, 1, [], [GET, EMPTY], [])],
    ids=["a true row", "no row", "a row that is not true"],
)
def test_a_gap_is_a_strict_xfail_and_a_line_of_the_report(
    tmp_path: Path, case: str, status: int, passed: list[str], failed: list[str], deviations: list[str]
) -> None:
    (tmp_path / "test_mine.py").write_text(MODULE.replace("{case!r}", repr(case)))
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["vpa.testing.plugin"]\n')
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-k", f"{GET} or {EMPTY}", "--conformance-report=out.json", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == status, done.stdout + done.stderr
    store = json.loads((tmp_path / "out.json").read_text())["stores"]["noget"]
    assert store["client_version"] == "client 1.2"
    assert (store["cases"], store["passed"]) == (2, len(passed))
    assert sorted(one.split("::")[-1] for one in store["failed"]) == sorted(failed)
    assert [one["case"].split("::")[-1] for one in store["deviations"]] == deviations
    if deviations:
        assert store["deviations"][0]["reason"] == "theirs: cannot read by id"
