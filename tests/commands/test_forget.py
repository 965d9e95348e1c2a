"""`vpa forget`: a source, or what a filter matches, is removed without a model, and the command says what."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vpa.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vpa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command beside a folder that was ingested; returns exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("VPA_LOG_LEVEL", "ERROR")
    (tmp_path / "docs" / "ann").mkdir(parents=True)
    (tmp_path / "docs" / "ann" / "letter.txt").write_text("Dear Bob, the xylographer came.")
    (tmp_path / "docs" / "town.txt").write_text("The history of the town.")
    (tmp_path / "docs" / "rows.jsonl").write_text(
        "\n".join(json.dumps({"id": f"r{n}", "text": f"Row {n}.", "user_id": "bob"}) for n in range(12))
    )

    def run(*arguments: str) -> tuple[int, str, str]:
        # In a thread of its own: a command runs an event loop, and this one has pytest's.
        with ThreadPoolExecutor(1) as thread:
            status = thread.submit(main, list(arguments)).result()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    assert run("ingest", "docs")[0] == 0
    return run


def test_a_source_is_forgotten_and_told_what_went(vpa: Run, tmp_path: Path) -> None:
    status, out, _ = vpa("forget", "--source", "docs/ann", "--dry-run")
    assert (status, out.splitlines()[0]) == (0, "1 document (1 chunk) would be forgotten")
    assert vpa("documents", "show", "docs/ann/letter.txt")[0] == 0
    status, out, err = vpa("forget", "--source", "docs/ann")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "1 document (1 chunk) forgotten",
        "  docs/ann/letter.txt",
        "with 1 entry of the ledger of files",
        "a file that still exists comes back with the next ingest: delete it, or name it in .vpaignore",
    ]
    assert not any(b"xylographer" in path.read_bytes() for path in (tmp_path / ".vpa").rglob("*") if path.is_file())
    status, out, _ = vpa("forget", "--source", "docs/ann")
    assert (status, out.splitlines()[0]) == (1, "0 documents (0 chunks) forgotten")
    (tmp_path / "docs" / ".vpaignore").write_text("ann/\n")
    assert vpa("ingest", "docs")[1].startswith("0 documents added")


def test_a_filter_and_json(vpa: Run) -> None:
    status, out, err = vpa("forget", "--filter", '{"user_id": "bob"}', "--json")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert (report["documents"], report["chunks"], report["files"], report["is_dry_run"]) == (12, 12, 1, False)
    assert len(report["document_ids"]) == 12
    assert "memory of the program" in report["notes"][0]


def test_many_documents_are_not_all_named(vpa: Run) -> None:
    status, out, err = vpa("forget", "--source", "docs/rows.jsonl", "--user", "bob")
    assert status == 0
    assert "  … and 2 more" in out.splitlines()
    assert err.startswith("note: search histories are in the memory of the program")


def test_cached_vectors_go_without_the_model(vpa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "minilm")
    monkeypatch.setenv("VPA_RERANK", "light")
    assert vpa("ingest", "docs", "--path", "other")[0] == 0
    monkeypatch.setattr("vpa.embeddings.catalog.load_embedder", None)
    monkeypatch.setattr("vpa.compose.rag.load_embedder", None)
    report = json.loads(vpa("forget", "--source", "docs", "--path", "other", "--json")[1])
    assert (report["documents"], report["embeddings"], report["token_vectors"]) == (14, 14, 14)
    assert not any(b"xylographer" in path.read_bytes() for path in (tmp_path / "other").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "either --source or --filter"),
        (("--source", "a", "--filter", '{"a": 1}'), 2, "either --source or --filter"),
        (("--user", "ann"), 2, "either --source or --filter"),
        (("--source", ""), 2, "not empty"),
        (("--filter", "{}"), 2, "holds for every document"),
        (("--filter", '{"a": {"$foo": 1}}'), 2, "$foo"),
        (("--source", "a", "--collection", "nope"), 3, "nothing is stored yet in collection 'nope'"),
    ],
)
def test_what_is_refused(vpa: Run, words: tuple[str, ...], status: int, message: str) -> None:
    found = vpa("forget", *words)
    assert found[0] == status
    assert message in found[2]


@pytest.mark.parametrize("word", ["erase", "gdpr"])
def test_other_words_for_it_are_answered(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([word])
    assert "it is: vpa forget" in capsys.readouterr().err
