"""The program `vpa` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vpa.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vpa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty directory; returns exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    monkeypatch.setenv("VPA_LOG_LEVEL", "ERROR")

    def run(*arguments: str) -> tuple[int, str, str]:
        # In a thread of its own: a command runs an event loop, and this one has pytest's.
        with ThreadPoolExecutor(1) as thread:
            status = thread.submit(main, list(arguments)).result()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def corpus(directory: Path) -> None:
    rows = [
        {"id": "a", "title": "Cats", "text": "Cats sleep.", "metadata": {"year": 1999}},
        {"_id": 7, "content": "Dogs bark at cats.", "lang": "en", "metadata": {"year": 2005}},
    ]
    (directory / "docs").mkdir()
    (directory / "docs" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (directory / "docs" / "notes.md").write_text("intro\n\n# The heading #\n\nBirds sing.\n")
    (directory / "docs" / "plain.txt").write_text("Fish swim.")
    (directory / "docs" / ".hidden.txt").write_text("never")
    (directory / "docs" / "song.mp3").write_bytes(b"ID3" + bytes(range(256)))


def test_ingest_then_search_works_without_any_setting(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    status, out, _err = vpa("ingest", "docs")
    assert status == 0
    assert out.splitlines() == [
        "4 documents added as 4 chunks, 0 problems",
        "1 file passed over, whose kind no reader knows: docs/song.mp3",
    ]
    assert (tmp_path / ".vpa").is_dir()
    status, out, _ = vpa("search", "cats", "--json")
    found = json.loads(out)
    assert status == 0
    assert {result["document_id"] for result in found} == {"a", "7", "docs/notes.md", "docs/plain.txt"}
    assert found[0]["document_id"] in ("a", "7")
    titles = {result["document_id"]: result["title"] for result in found}
    assert (titles["docs/notes.md"], titles["docs/plain.txt"], titles["7"]) == ("The heading", "plain", "")
    metadata = next(r for r in found if r["document_id"] == "7")["metadata"]
    assert (metadata["year"], metadata["lang"], metadata["source"]) == (2005, "en", "docs/rows.jsonl")


def test_search_reranks_where_it_is_asked_for(vpa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus(tmp_path)
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "minilm")
    monkeypatch.setenv("VPA_RERANK", "light")
    assert vpa("ingest", "docs")[0] == 0
    assert (tmp_path / ".vpa" / "token-vectors.sqlite").exists()
    for options in ((), ("--rerank", "light")):
        results = json.loads(vpa("search", "cats", "--json", *options)[1])
        assert all(result["why"]["reranked"] is not None for result in results)
    assert json.loads(vpa("search", "cats", "--json", "--rerank", "none")[1])[0]["why"]["reranked"] is None
    assert "reranked" in vpa("search", "cats", "--explain")[1]
    monkeypatch.delenv("VPA_RERANK")
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "hashing")
    assert vpa("ingest", "docs", "--path", "other")[0] == 0
    status, _, err = vpa("search", "cats", "--rerank", "light", "--path", "other")
    assert status == 2
    assert "rerank='light' compares vectors of tokens" in err


def test_search_takes_a_filter_and_shows_people_what_it_found(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    vpa("ingest", "docs", "--json")
    status, out, _ = vpa("search", "cats", "--filter", '{"year": {"$lt": 2000}}', "--by-document", "--top-k", "3")
    assert status == 0
    assert "1. Cats" in out
    assert "year=1999" in out
    assert "Cats sleep." in out
    assert "2." not in out
    assert vpa("search", "cats", "--threshold", "2")[1].strip() == "nothing found"


def test_bad_files_are_reported_by_name_and_line_and_do_not_stop_the_others(vpa: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_bytes(
        b'{"id": "ok", "text": "fine"}\n{bad\n[1]\n{"text": "no id"}\n{"id": "x"}\n\xff\xfe\n{"id": "m", "text": "t", "metadata": 5}\n'  # noqa: E501
        b'{"id": "nan", "text": "t", "metadata": {"v": [[1]]}}\n{"id": "ti", "text": "t", "title": 3}\n'
    )
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.jsonl").write_text("\n\n")
    (tmp_path / "binary.txt").write_bytes(b"line\nab\0c")
    (tmp_path / "latin.md").write_bytes(b"one\ntwo\ncaf\xe9\n")
    (tmp_path / "broken.jsonl.gz").write_bytes(b"not gzip")
    (tmp_path / "folder").mkdir()
    (tmp_path / "what.xyz").write_text("?")
    names = [
        "bad.jsonl",
        "empty.txt",
        "blank.jsonl",
        "binary.txt",
        "latin.md",
        "broken.jsonl.gz",
        "folder",
        "what.xyz",
        "missing.txt",
    ]
    status, out, err = vpa("ingest", *names)
    assert status == 1
    assert out.startswith("5 documents added")  # Latin-1 is read, and what is text under another name.
    for expected in (
        "bad.jsonl:2: cannot be read as JSON",
        "bad.jsonl:3: is a JSON list",
        "bad.jsonl:5: needs a text",
        "bad.jsonl:6: is not UTF-8",
        "bad.jsonl:7: metadata must be",
        "bad.jsonl:8: ",
        "bad.jsonl:9: title must be",
        "empty.txt: is empty",
        "blank.jsonl: is empty",
        "binary.txt: is damaged, or not plain text as its name says",
        "broken.jsonl.gz: is plain text by its content, not GZ as its name says",
        "folder: holds no file",
        "missing.txt: does not exist",
    ):
        assert expected in err, expected
    assert "Traceback" not in err
    status, out, _ = vpa("ingest", *names, "--json")
    assert status == 1
    report = json.loads(out)
    assert (len(report["failed"]), report["unchanged"]) == (6, 3)


def test_packed_lines_are_read(vpa: Run, tmp_path: Path) -> None:
    import gzip
    import lzma

    row = b'{"id": "%s", "text": "packed"}\n'
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(row % b"gz"))
    (tmp_path / "b.jsonl.xz").write_bytes(lzma.compress(row % b"xz"))
    assert vpa("ingest", ".")[0] == 0
    assert {r["document_id"] for r in json.loads(vpa("search", "packed", "--json")[1])} == {"gz", "xz"}


def test_stats_needs_something_stored(vpa: Run, tmp_path: Path) -> None:
    status, _, err = vpa("stats")
    assert (status, "vpa ingest" in err) == (3, True)
    corpus(tmp_path)
    vpa("ingest", "docs")
    status, out, _ = vpa("stats")
    assert status == 0
    assert "documents" in out
    assert "year" in out
    facts = json.loads(vpa("stats", "--json")[1])
    assert (facts["documents"], facts["chunks"], facts["dimension"], facts["embedding"]) == (4, 4, 384, "hashing@1")
    assert facts["fields"]["year"] == {"int": 2}


def test_scopes_are_kept_apart(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    vpa("ingest", "docs", "--tenant", "acme")
    assert json.loads(vpa("search", "cats", "--json")[1]) == []
    assert len(json.loads(vpa("search", "cats", "--json", "--tenant", "acme")[1])) == 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("search", "x", "--filter", "{bad"), 2, "as JSON"),
        (("search", "x", "--filter", "[1]"), 2, "JSON object"),
        (("search", "x", "--filter", '{"a": {"$foo": 1}}'), 2, "a.$foo"),
        (("search", "x", "--filter", "n > 3 and x == 'a'"), 2, '{"n": {"$gt": 3}, "x": "a"}'),
        (("search", "x", "--top-k", "0"), 2, "top_k"),
        (("search", " "), 2, "non-empty"),
        (("search", "x", "--tenant", "a b"), 2, "tenant"),
        (("explain", "{"), 2, "as JSON"),
        (("conformance", "nonsense"), 2, "provider://"),
    ],
)
def test_mistakes_are_one_line_and_a_status(vpa: Run, arguments: tuple[str, ...], status: int, message: str) -> None:
    found, out, err = vpa(*arguments)
    assert found == status
    assert message in err
    assert err.startswith("vpa: ")
    assert "Traceback" not in out + err


def test_wrong_settings_are_one_line_and_a_status(vpa: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", "qdrnt")
    status, _, err = vpa("stats")
    assert (status, "VPA_VECTOR_DB_PROVIDER" in err) == (2, True)
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", "qdrant")
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "http://127.0.0.1:1")
    status, _, err = vpa("stats")
    assert (status, "cannot be reached" in err) == (3, True)
    monkeypatch.setattr("vpa.stores.registry.BUILT_IN", {"qdrant": "vpa.no_such_module:create_store"})
    status, _, err = vpa("stats")
    assert (status, 'pip install "vpa[qdrant]"' in err) == (2, True)


def test_unexpected_errors_have_no_traceback_unless_asked(vpa: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import vpa.commands.explain as explain

    def fail(_args: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr(explain, "run", fail)
    status, _, err = vpa("explain", "{}")
    assert (status, err) == (70, "vpa: unexpected RuntimeError: boom (set VPA_DEBUG=true for details)\n")
    monkeypatch.setenv("VPA_DEBUG", "true")
    with pytest.raises(RuntimeError):
        main(["explain", "{}"])

    def interrupt(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(explain, "run", interrupt)
    assert vpa("explain", "{}")[0] == 130


def test_explain_shows_who_does_what(vpa: Run) -> None:
    status, out, _ = vpa("explain", '{"year": {"$gte": 1960}, "tags": {"$contains_any": ["x"]}}')
    assert status == 0
    assert "2 in the store, 0 here" in out
    assert "nothing" in out
    assert json.loads(vpa("explain", '{"a": 1}', "--json")[1])["complete"] is True


def test_doctor_finds_all_well_and_says_how_to_fix_the_rest(
    vpa: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status, out, _ = vpa("doctor")
    assert status == 0
    # The embedder of the tests is one to be warned of.
    assert out.rstrip().endswith("\n1 warning")
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "minilm")
    assert vpa("doctor")[1].rstrip().endswith("all well")
    assert list(tmp_path.iterdir()) == []
    checks = json.loads(vpa("doctor", "--json")[1])
    assert {check["area"]: check["status"] for check in checks} == {
        "settings": "ok",
        "embedder": "ok",
        "disk": "ok",
        "store": "ok",
    }
    monkeypatch.setenv("VPA_CHUNK_OVERLAP", "5000")
    monkeypatch.setenv("VPA_CHUNK_OVRLAP", "5")
    monkeypatch.setenv("VPA_EMBEDDING_MODEL_PATH", str(tmp_path))
    status, out, _ = vpa("doctor", "--json")
    found = {(check["area"], check["status"]) for check in json.loads(out)}
    assert status == 1
    assert {("settings", "fail"), ("settings", "warn"), ("embedder", "fail")} <= found
    monkeypatch.setenv("VPA_EMBEDDING_MODEL", "some/model")
    assert ("embedder", "fail") in {(c["area"], c["status"]) for c in json.loads(vpa("doctor", "--json")[1])}


def test_doctor_names_damage_and_salvages_what_is_sound(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    vpa("ingest", "docs")
    vpa("ingest", "docs/plain.txt")
    log = tmp_path / ".vpa" / "collections" / "vpa-index" / "log-00000000.vpa"
    data = bytearray(log.read_bytes())
    data[data.index(b"Fish swim.")] ^= 1
    log.write_bytes(bytes(data))
    for command in (("search", "cats"), ("stats",)):
        status, _, err = vpa(*command)
        assert status == 3
        assert "vpa doctor --salvage" in err
    status, out, _ = vpa("doctor", "--json")
    assert status == 1
    assert any("salvage" in check["fix"] for check in json.loads(out))
    assert "all well" not in vpa("doctor")[1]
    status, out, _ = vpa("doctor", "--salvage")
    assert status == 1
    first, rest = out.split("\n", 1)
    assert "records kept" in first
    assert "lost" in first
    assert "all well" not in rest
    assert list((tmp_path / ".vpa" / "set-aside" / "vpa-index").glob("log-*"))
    assert vpa("search", "cats")[0] == 0
    status, out, _ = vpa("doctor", "--salvage", "--json")
    assert status == 0
    assert any("no collection is damaged" in check["finding"] for check in json.loads(out))


def test_reading_commands_work_while_another_process_writes(vpa: Run, tmp_path: Path) -> None:
    from vpa.engine.database import Database

    corpus(tmp_path)
    vpa("ingest", "docs")
    holder = Database(str(tmp_path / ".vpa"))
    place = f"mock://{tmp_path}/.vpa"
    for command in (
        ("search", "cats"),
        ("stats",),
        ("doctor",),
        ("explain", "{}"),
        ("verify", place, place),
        ("export", place, "out.parquet"),
        ("migrate", "--from", place, "--to", "mock://./copy", "--collection", "vpa-index"),
        ("backup", ".vpa", "--to", "saved"),
    ):
        status, out, err = vpa(*command)
        assert status == 0, (command, out, err)
    holder.close()
    assert len(json.loads(vpa("search", "cats", "--json", "--path", "saved")[1])) == 4
    status, _, err = vpa("backup", ".vpa", "--to", "saved")
    assert (status, "exists" in err) == (3, True)


@pytest.mark.parametrize(
    "command", [("search", "x"), ("stats",), ("doctor",), ("explain", "{}"), ("backup",), ("export",), ("verify",)]
)
@pytest.mark.parametrize("place", ["typo", "mock://./s1"])
def test_a_mistyped_place_is_said_and_makes_no_directory(
    vpa: Run, tmp_path: Path, command: tuple[str, ...], place: str
) -> None:
    (tmp_path / "here").mkdir()
    url = place if "://" in place else f"mock://./{place}"
    arguments = {
        "backup": ("backup", place, "--to", "copy"),
        "export": ("export", url, "out.parquet"),
        "verify": ("verify", url, url),
    }.get(command[0], (*command, "--path", place))
    status, out, err = vpa(*arguments)
    assert status != 0 or command[0] == "explain"
    assert (
        "no store in" in out + err or "is a URL" in out.replace("\n", " ") + err or command[0] in ("explain", "doctor")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]


def test_files_of_the_same_name_stay_two_documents(vpa: Run, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.txt").write_text(f"notes of {folder}")
    assert vpa("ingest", "one", "two")[0] == 0
    assert vpa("ingest", "one/notes.txt")[0] == 0
    assert json.loads(vpa("stats", "--json")[1])["documents"] == 2


def test_a_path_that_is_a_file_is_named(vpa: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    status, _, err = vpa("search", "x", "--path", "file")
    assert (status, "no store in" in err) == (3, True)
    (tmp_path / "note.txt").write_text("x")
    status, _, err = vpa("ingest", "note.txt", "--path", "file")
    assert (status, "file could not be opened" in err) == (3, True)
    found = json.loads(vpa("doctor", "--path", "file", "--json")[1])
    assert ("disk", "fail") in {(check["area"], check["status"]) for check in found}


def test_a_locked_store_is_named(vpa: Run, tmp_path: Path) -> None:
    from vpa.engine.database import Database

    (tmp_path / "note.txt").write_text("x")
    holder = Database(str(tmp_path / ".vpa"))
    status, _, err = vpa("ingest", "note.txt")
    holder.close()
    assert (status, "open elsewhere" in err) == (3, True)


def test_conformance_runs_the_suite_and_writes_the_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vpa.main", "conformance", "mock://", "--report", "out.json", "--json"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "out.json").read_text())
    store = report["stores"]["embedded"]
    assert store["cases"] == store["passed"] >= 250
    assert store["failed"] == store["deviations"] == []


def test_help_and_version_answer(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "vpa.main", "--help"], capture_output=True, text=True, check=True)
    for command in ("ingest", "search", "stats", "doctor", "explain", "conformance"):
        assert command in done.stdout
    version = subprocess.run(
        [sys.executable, "-m", "vpa.main", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("vpa 0.")


def test_commands_that_read_say_where_nothing_was_ever_stored(vpa: Run, tmp_path: Path) -> None:
    for command in (["search", "cats"], ["search", "cats", "--json"], ["stats"]):
        status, out, err = vpa(*command)
        assert (status, out) == (3, "")
        assert "nothing is stored yet in collection 'vpa-index'; add documents with: vpa ingest PATH" in err
    assert not (tmp_path / ".vpa").exists()
    corpus(tmp_path)
    vpa("ingest", "docs")
    status, out, _ = vpa("search", "cats", "--tenant", "other")
    assert (status, out) == (0, "nothing found: this scope is empty\n")
    (tmp_path / "file").write_text("x")
    status, _, err = vpa("search", "cats", "--path", "file")
    assert status == 3
    assert "it is a file, not a directory" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", ""],
        ["search", "cats", "--path", ""],
        ["backup", ""],
        ["backup", "store", "--to", ""],
        ["export", "mock://", ""],
    ],
)
def test_an_empty_path_is_a_variable_that_is_not_set(vpa: Run, capsys: pytest.CaptureFixture[str], arguments) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "the path is empty; write . for the current directory" in capsys.readouterr().err


def test_a_query_that_is_no_text_is_a_usage_error(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    vpa("ingest", "docs")
    status, _, err = vpa("search", "bad\udcffquery")
    assert status == 2
    assert "the query holds a lone surrogate at position 3" in err
    status, _, err = vpa("search", "cats", "--tenant", "x" * 5000)
    assert status == 2
    assert len(err) < 300


def test_a_field_that_no_record_has_is_told_with_the_nearest_name(vpa: Run, tmp_path: Path) -> None:
    corpus(tmp_path)
    assert vpa("ingest", "docs")[0] == 0
    status, out, err = vpa("search", "cats", "--filter", '{"yaer": 1999}')
    assert (status, out) == (2, "")
    assert "vpa: no record has a field 'yaer'; did you mean 'year'?" in err
    status, out, _ = vpa("explain", '{"yaer": 1999, "year": 1}', "--json")
    assert status == 0
    assert json.loads(out)["unknown_fields"] == {"yaer": "year"}
    assert "did you mean 'year'?" in vpa("explain", '{"yaer": 1999}')[1]
    assert vpa("search", "cats", "--filter", '{"year": 1}')[:2] == (0, "nothing found\n")


def test_explain_shows_the_division_also_where_the_store_cannot_be_reached(
    vpa: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "qdrant://127.0.0.1:1")
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", "qdrant")
    status, out, err = vpa("explain", '{"year": 1}', "--json")
    assert status == 0
    assert json.loads(out)["unknown_fields"] == {}
    assert "were not looked for" in err
