"""The cookbook on another store: the same programs, with the URL of PostgreSQL in place of the embedded engine's."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from deployments import RunningStores

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cookbook.md"
TASKS = re.findall(r"^## (\d+\. .*?)$.*?^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_there_are_twenty_tasks() -> None:
    assert [int(title.partition(".")[0]) for title, _ in TASKS] == list(range(1, 21))


@pytest.mark.parametrize(
    ("title", "code"),
    [task for task in TASKS if "embedded://" in task[1]],
    ids=lambda value: value.partition("\n")[0][:40],
)
async def test_a_task_runs_on_postgresql(
    stores: RunningStores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, title: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    url = str(stores.config("pgvector").url)
    program = compile(code.replace("embedded://", url, 1), title, "exec")
    await asyncio.to_thread(exec, program, {"__name__": "__main__"})
