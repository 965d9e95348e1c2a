"""Words that a person guesses at the command line: they are right, or answered with the one that is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands.test_cli import Run, corpus, vpa
from vpa.cli import build_parser
from vpa.main import main

__all__ = ["vpa"]


@pytest.mark.parametrize(
    ("words", "usage", "message"),
    [
        (["serach", "x"], "usage: vpa [-h]", "no command 'serach'; did you mean 'search'?"),
        (["xyzzy"], "usage: vpa [-h]", "no command 'xyzzy'; there are: adopt, backup, "),
        (["search", "x", "--limit", "3"], "usage: vpa search", "no option '--limit'; here it is --top-k"),
        (["search", "x", "--where={}"], "usage: vpa search", "no option '--where'; here it is --filter"),
        (["search", "x", "--colection", "y"], "usage: vpa search", "did you mean '--collection'?"),
        (["search", "two", "words"], "usage: vpa search", "one argument too many: 'words'; text with spaces"),
        (["documents", "list", "--index", "y"], "usage: vpa documents list", "here it is --collection"),
        (["documents", "lst"], "usage: vpa documents", "lst"),
        (["documents", "list", "--limit", "-1"], "usage: vpa documents list", "--limit"),
        (["stats", "--collection", ""], "usage: vpa stats", "the name is empty"),
        (["--nonsense", "stats"], "usage: vpa stats", "no option '--nonsense'"),
    ],
)
def test_a_word_that_is_not_known_is_answered_with_the_one_that_is_meant(
    words: list[str], usage: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith(usage)
    assert message in error


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--collection", "c", "search", "x"],
        ["--collection=c", "--json", "search", "x"],
        ["search", "--json", "x", "--collection", "c"],
    ],
)
def test_options_may_stand_before_the_command(words: list[str]) -> None:
    parsed = build_parser().parse(words)
    assert (parsed.command, parsed.query, parsed.collection, parsed.json) == ("search", "x", "c", True)


def test_a_place_is_a_directory_or_a_url_wherever_it_is_asked_for(
    vpa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus(tmp_path)
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "qdrant://localhost:1")
    assert vpa("ingest", "docs", "--path", "here", "--collection", "notes")[0] == 0
    for place in ("here", str(tmp_path / "here"), "mock://./here", f"mock://{tmp_path}/here"):
        status, out, err = vpa("stats", "--json", "--url", place, "--collection", "notes")
        assert (status, err) == (0, "")
        assert json.loads(out)["documents"] == 4
        status, out, err = vpa("check", place, "--collection", "notes", "--json")
        assert status == 0, err


def test_documents_are_listed_shown_and_deleted(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    vpa("ingest", "docs")
    status, out, _ = vpa("documents", "list", "--json")
    assert status == 0
    assert [one["document_id"] for one in json.loads(out)] == ["7", "a", "docs/notes.md", "docs/plain.txt"]
    status, out, _ = vpa("documents", "list", "--filter", '{"year": {"$gte": 1990}}', "--limit", "1")
    assert status == 0
    assert "1 of 2 documents (--limit 0 lists all)" in out
    status, out, _ = vpa("documents", "show", "docs/notes.md")
    assert status == 0
    assert "Birds sing." in out
    status, out, err = vpa("documents", "show", "docs/nothing.md")
    assert (status, out) == (1, "")
    assert "no document 'docs/nothing.md'; list what exists with: vpa documents list" in err

    status, out, _ = vpa("documents", "delete", "--filter", '{"year": {"$gte": 1990}}', "--dry-run")
    assert (status, out) == (0, "2 documents would be deleted\n")
    status, out, err = vpa("documents", "delete", "a", "nobody")
    assert (status, out) == (1, "1 document deleted\n")
    assert "no document 'nobody'" in err
    status, out, _ = vpa("documents", "list", "--json")
    assert [one["document_id"] for one in json.loads(out)] == ["7", "docs/notes.md", "docs/plain.txt"]
    for words in (["delete"], ["delete", "7", "--filter", '{"a": 1}']):
        status, _, err = vpa("documents", *words)
        assert status == 2
        assert "takes either document ids or --filter" in err
    for everything in ("{}", '{"year": {"$nin": []}}', '{"$or": [{}, {"a": 1}]}'):
        status, _, err = vpa("documents", "delete", "--filter", everything)
        assert status == 2
        assert "holds for every document" in err


async def _written_elsewhere(place: str) -> None:
    import vpa as library

    async with library.connect(place) as db:
        docs = await db.create_collection("foreign", dimension=384)
        await docs.upsert([library.Record("a", vector=[1.0] * 384, text="written elsewhere")])


def test_vectors_of_an_unknown_model_are_adopted(vpa: Run, tmp_path: Path) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _written_elsewhere(f"mock://{tmp_path}/there")).result()
    place = ["--path", "there", "--collection", "foreign"]
    status, _, err = vpa("search", "x", *place)
    assert status == 3
    assert "an unknown model" in err
    status, _, err = vpa("adopt", *place)
    assert status == 2
    assert "needs --embedding MODEL" in err
    status, out, _ = vpa("adopt", "--embedding", "hashing", "--dry-run", *place)
    assert (status, "nothing was changed" in out) == (0, True)
    assert vpa("search", "x", *place)[0] == 3
    assert vpa("adopt", "--embedding", "hashing", *place)[0] == 0
    status, out, _ = vpa("adopt", "--embedding", "hashing", *place)
    assert (status, "already" in out) == (0, True)
    status, out, _ = vpa("documents", "list", *place)
    assert "1 records are here that were not ingested" in out
    status, _, err = vpa("documents", "show", "a", *place)
    assert status == 1
    assert "a record that was not ingested" in err
    assert vpa("search", "x", *place)[0] == 0
    status, _, err = vpa("adopt", "--embedding", "minilm", *place)
    assert status == 3
    assert "holds vectors of" in err
    assert vpa("adopt", "--embedding", "hashing", "--path", "there", "--collection", "nowhere")[0] == 3


def test_misspelt_and_foreign_fields_are_told_by_every_command(
    vpa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPA_LOG_LEVEL", "WARNING")
    (tmp_path / "a\nb.md").write_text("# Cats\n\ncats sleep")
    assert vpa("ingest", ".")[0] == 0
    assert "a b.md" in vpa("documents", "list")[1]
    for command in (["documents", "list"], ["documents", "delete"]):
        status, _, err = vpa(*command, "--filter", '{"sourc": "x"}')
        assert status == 0
        assert err.count("no record has a field 'sourc'; did you mean 'source'?") == 1
    status, _, err = vpa("documents", "delete", "--filter", '{"soucre": {"$ne": "x"}}', "--dry-run")
    assert status == 0
    assert err.count("no record has a field 'soucre'; did you mean 'source'?") == 1
    status, _, err = vpa("search", "cats", "--filter", '{"title": "Cats"}')
    assert status == 2
    assert "titles and ids of documents stand beside the metadata" in err


def test_files_of_another_kind_are_not_taken_for_stores_or_parquet(vpa: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("cats sleep")
    assert vpa("ingest", ".")[0] == 0
    status, _, err = vpa("export", "embedded://./.vpa", "out.csv")
    assert (status, "call it 'out.parquet'" in err) == (2, True)
    assert vpa("export", "embedded://./.vpa", "out.parquet")[0] == 0
    status, _, err = vpa("import", "out.parquet", "embedded://./new")
    assert (status, "is a file, where the URL or the directory of a store" in err) == (2, True)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".vpa", "a.md", "out.parquet"]


@pytest.mark.parametrize("words", [["search", "--\x1b[31mx", "y"], ["\x1b[31m"], ["stats", "--environment", "\x1b[1m"]])
def test_control_characters_of_an_argument_are_shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_completes_commands_and_options(vpa: Run, shell: str) -> None:
    status, out, _ = vpa("completion", shell)
    assert status == 0
    assert "documents" in out
    assert "--top-k" in out or "top-k" in out


def _default_interrupt() -> None:
    """Whoever starts the tests in the background may have SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_ingest_says_what_is_stored_and_how_to_go_on(
    tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    many = "\n".join(json.dumps({"id": str(n), "text": f"text {n} " * 40}) for n in range(60_000))
    (tmp_path / "many.jsonl").write_text(many)
    environment = {**os.environ, "VPA_EMBEDDING_MODEL": "hashing", "VPA_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "vpa.main", "ingest", "many.jsonl"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=_default_interrupt
    ) as process:
        while not (tmp_path / ".vpa").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1.5)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == status
    assert f"vpa: {word}" in error
    assert " chunks) are stored; the same command goes on from there" in error
    assert "Traceback" not in error
