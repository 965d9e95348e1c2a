"""`vpa ingest` says what it did in whole words, names problems while it runs, and leaves its own files alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import vpa as package
from vpa.commands import ingest
from vpa.main import main
from vpa.rag.intake.report import FileRemark

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vpa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command beside a folder with one file; returns exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("VPA_LOG_LEVEL", "ERROR")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The moon draws the water of the sea.")

    def run(*arguments: str) -> tuple[int, str, str]:
        with ThreadPoolExecutor(1) as thread:
            status = thread.submit(main, list(arguments)).result()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_one_is_no_plural(vpa: Run, tmp_path: Path) -> None:
    assert vpa("ingest", "docs")[1] == "1 document added as 1 chunk, 0 problems\n"
    assert vpa("ingest", "docs")[1] == "0 documents added as 0 chunks, 1 file unchanged, 0 problems\n"
    (tmp_path / "docs" / "b.txt").write_text("The sun does so, too.")
    assert vpa("ingest", "docs", "--dry-run")[1].startswith("1 document would be added as 1 chunk, 1 file unchanged")


def test_what_is_no_path_or_no_pattern_is_told(vpa: Run) -> None:
    status, _, err = vpa("ingest", "https://example.org/a.pdf")
    assert (status, err) == (
        1,
        "https://example.org/a.pdf: is a URL, which is not read: download it, and name the file\n",
    )
    status, _, err = vpa("ingest", "docs", "--exclude", "[")
    assert (status, err) == (0, "note: [: is a pattern that matches no file\n")


def test_the_store_and_the_report_are_not_read(vpa: Run, tmp_path: Path) -> None:
    for _ in range(2):
        status, out, err = vpa("ingest", "docs", "--path", "docs/store", "--report", "docs/report.json")
        assert (status, err) == (0, "")
    assert out.startswith("0 documents added as 0 chunks, 1 file unchanged")
    status, _, err = vpa("ingest", "docs/store", "--path", "docs/store")
    assert (status, err) == (1, "docs/store: is where vpa keeps its own data, and was not read\n")


def test_each_problem_is_named_once_and_as_soon_as_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    report = package.FilesReport(failed=[FileRemark("a.pdf", "is damaged")])
    problems = ingest._Problems(is_quiet=False)
    problems.name(report)
    assert capsys.readouterr().err == "a.pdf: is damaged\n"
    report.failed.append(FileRemark("b.pdf", "is encrypted"))
    problems.name(report)
    problems.name(report)
    assert capsys.readouterr().err == "b.pdf: is encrypted\n"
