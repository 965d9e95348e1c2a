"""Directories of reading processes: those of the living stay, those of the dead go, and others are not touched."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vpa.ingest.scratch import Scratch, sweep


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_directory_of_the_living_stays_and_goes_when_it_is_closed(temporary: Path) -> None:
    scratch = Scratch()
    Path(scratch.part(), "unpacked").touch()
    # Whoever sweeps cannot see the process, as in another container.
    sweep()
    assert os.listdir(temporary) == [os.path.basename(scratch.path)]
    scratch.close()
    scratch.close()
    assert os.listdir(temporary) == []


def test_what_a_killed_process_left_is_removed(temporary: Path) -> None:
    script = (
        "import os\nfrom vpa.ingest.scratch import Scratch\nopen(Scratch().part() + '/a', 'w')\nos.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert len(os.listdir(temporary)) == 1
    sweep()
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("name", ["vpa-ingest-99999999999999999999-x", "vpa-ingest-1-x", "vpa-ingest-", "other"])
def test_a_directory_without_a_lock_stays_for_a_day(temporary: Path, name: str) -> None:
    (temporary / name).mkdir()
    sweep()
    assert (temporary / name).exists()
    os.utime(temporary / name, (0, 0))
    Scratch().close()
    assert (temporary / name).exists() is (name == "other")


def test_links_pipes_and_directories_of_others_are_not_touched(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "precious").mkdir()
    (temporary / "precious" / ".lock").touch()
    (temporary / "vpa-ingest-link").symlink_to("precious")
    (temporary / "vpa-ingest-pipe").mkdir()
    os.mkfifo(temporary / "vpa-ingest-pipe" / ".lock")
    (temporary / "vpa-ingest-file").touch()
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    sweep()
    assert len(os.listdir(temporary)) == 4
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    sweep()
    assert {"precious", "vpa-ingest-link", "vpa-ingest-file"} <= set(os.listdir(temporary))
