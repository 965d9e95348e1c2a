"""mypy and pyright accept what users write rightly, and report every seeded mistake."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "code"
SOURCE = Path(__file__).resolve().parents[2] / "src"
FILES = sorted(HERE.glob("*.py"))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "MYPYPATH": str(SOURCE)}


def _mypy(directory: Path) -> set[tuple[str, int]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", os.devnull]
    command += ["--cache-dir", str(directory), *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(), cwd=directory)
    found = re.findall(r"^(\S+?):(\d+): error", done.stdout, re.MULTILINE)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {(Path(name).name, int(line)) for name, line in found}


def _pyright(directory: Path) -> set[tuple[str, int]]:
    pytest.importorskip("basedpyright", reason="basedpyright is not installed")
    config = {
        "include": [str(path) for path in FILES],
        "extraPaths": [str(SOURCE)],
        "typeCheckingMode": "standard",
        "pythonVersion": "3.11",
    }
    (directory / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "-p", str(directory)]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    reported = json.loads(done.stdout)["generalDiagnostics"]
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in reported if one["severity"] == "error"
    }


@pytest.mark.parametrize("check", [_mypy, _pyright])
def test_a_checker_reports_each_marked_line_and_no_other(check: object, tmp_path: Path) -> None:
    marked = {
        (path.name, number)
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("# wrong")
    }
    assert len(marked) >= 40
    assert callable(check)
    assert check(tmp_path) == marked
