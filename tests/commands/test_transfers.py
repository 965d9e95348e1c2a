"""migrate, verify, export and import on the command line."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.main import main


def in_thread(work: Any) -> Any:
    """Run a coroutine in a thread of its own."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return result[0]


def run(*arguments: str) -> int:
    result: list[int] = []
    thread = threading.Thread(target=lambda: result.append(main(arguments)))
    thread.start()
    thread.join()
    return result[0]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    url = f"mock://{tmp_path}/source"

    async def fill() -> None:
        async with vpa.connect(url, index_name="docs", dimension=2) as db:
            await db.upsert([vpa.Record(f"r{n}", vector=[1, n], metadata={"n": n}) for n in range(20)])

    in_thread(fill())
    return url


def test_migrate_copies_and_verify_agrees(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = f"mock://{tmp_path}/target"
    assert run("migrate", "--from", source, "--to", target, "--collection", "docs") == 0
    assert "20 records in 1 scopes copied and verified" in capsys.readouterr().out
    assert run("verify", source, target, "--collection", "docs", "--json") == 0
    assert json.loads(capsys.readouterr().out)["records"] == 20
    assert run("migrate", "--from", source, "--to", target, "--collection", "docs") == 2
    assert "holds records" in capsys.readouterr().err

    async def spoil() -> None:
        async with vpa.connect(target) as db:
            await (await db.collection("docs")).delete(ids=["r3"])

    in_thread(spoil())
    assert run("verify", source, target, "--collection", "docs") == 1
    assert "'r3': is not in the target" in capsys.readouterr().out


def test_export_and_import_give_the_same(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, target = str(tmp_path / "docs.parquet"), f"mock://{tmp_path}/target"
    assert run("export", source, file, "--collection", "docs") == 0
    assert run("import", target, file, "--json") == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2]) == {"records": 20, "conversions": []}
    assert run("verify", source, target, "--collection", "docs") == 0


def test_what_is_not_there_is_one_line(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", source, str(tmp_path / "x.parquet"), "--collection", "nope") == 3
    assert "no collection 'nope'" in capsys.readouterr().err
    assert run("import", source, str(tmp_path / "absent.parquet")) == 2


def test_lines_of_the_log_go_where_standard_error_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from vpa.observe.log import configure_logging, get_logger

    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", first)
    configure_logging(level="WARNING")
    first.close()
    monkeypatch.setattr("sys.stderr", second)
    get_logger("vpa.test").warning("still here")
    assert "still here" in second.getvalue()


def test_store_options_are_json_and_of_the_target(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    move = ("migrate", "--from", source, "--to", f"mock://{tmp_path}/target", "--collection", "docs", "--store-options")
    for text, message in (
        ("{m: 8}", "--store-options cannot be read as JSON"),
        ("[8]", "--store-options must be a JSON object"),
        ('{"m": 8}', "embedded takes no store_options"),
    ):
        assert run(*move, text) == 2
        assert message in capsys.readouterr().err


def test_a_collection_is_not_copied_onto_itself(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "source")
    for target in (source, f"mock://{tmp_path}/link", "mock://./source"):
        assert run("migrate", "--from", source, "--to", target, "--collection", "docs") == 2
        assert "the target is the source" in capsys.readouterr().err
    assert run("migrate", "--from", source, "--to", source, "--collection", "docs", "--to-collection", "copy") == 0
    assert run("export", source, "docs.parquet", "--collection", "docs") == 0
    assert run("import", source, "docs.parquet", "--collection", "docs") == 0
    assert run("verify", source, source, "--collection", "docs", "--to-collection", "copy") == 0
