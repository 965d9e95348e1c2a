"""Whose file `./config/development.yaml` is: ours is read and checked, another program's is left alone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from vpa.base.errors import ConfigurationError
from vpa.config.deployment_config import get_config
from vpa.main import main
from vpa.observe.log import configure_logging


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(level="INFO", fmt="json", stream=stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _in_a_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VPA_CONFIG_DIR")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()


def write(text: str) -> None:
    Path("config/development.yaml").write_text(text, "utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "database:\n  host: localhost\nport: 3000\n",
        "debug: true\nlog_level: chatty\nserver: {port: 80}\n",
        "- a\n- b\n",
        "just a text\n",
        "default: &x\n  <%= ENV['A'] %>\n: :\n",
        "a: " + "[" * 5000,
    ],
)
def test_a_file_of_another_program_is_ignored_with_a_line(text: str, log: io.StringIO) -> None:
    write(text)
    config = get_config()
    assert (config.debug, config.log_level, config.vector_db_provider) == (False, "INFO", "embedded")
    [line] = log.getvalue().splitlines()
    assert "development.yaml" in line
    assert "VPA_CONFIG_DIR" in line


@pytest.mark.parametrize(
    "text", ["chunk_size: 5\nserver: {port: 80}\n", "chunk_sise: 5\n", "vector_db_prot: 5\nother: 1\n"]
)
def test_a_file_with_a_key_of_ours_is_ours_and_checked(text: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError, match=r"development\.yaml: unknown key"):
        get_config()


def test_a_directory_that_was_named_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_CONFIG_DIR", "config")
    write("server: {port: 80}\n")
    with pytest.raises(ConfigurationError, match="unknown key 'server'"):
        get_config()


def test_a_file_of_ours_is_read_without_a_line(log: io.StringIO) -> None:
    write("debug: true\nlog_level: warning\n")
    assert get_config().debug is True
    write("chunk_size: 321\nvector_db_path:\n")
    assert (get_config().chunk_size, get_config().vector_db_path) == (321, None)
    assert log.getvalue() == ""


def test_a_misspelt_model_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from vpa.config.sections.embedding import OWN_MODELS
    from vpa.embeddings.catalog import HASHING, MINILM

    assert sorted(OWN_MODELS) == sorted((HASHING, MINILM))
    for wrong, right in (("minlm", "minilm"), ("MiniML", "minilm"), ("hashin", "hashing")):
        monkeypatch.setenv("VPA_EMBEDDING_MODEL", wrong)
        with pytest.raises(ConfigurationError, match=f"VPA_EMBEDDING_MODEL='{wrong}'.*did you mean {right}"):
            get_config()
    for other in ("minilm", "MiniLM", "hashing", "all-minilm-l12-v2", "minilm-l6", "BAAI/bge-small-en", ""):
        monkeypatch.setenv("VPA_EMBEDDING_MODEL", other)
        assert get_config().embedding_model == (other or None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vector_db_path: ./data\nchunk_size: [\n", "cannot be read"),
        (b"chunk_size: 3\n# \xff\n", "cannot be read"),
        ("chunk_size: 3\nx: " + "[" * 20_000, "cannot be read"),
        ("chunk_size: " + "9" * 5000 + "\n", "cannot be read"),
        ("chunk_size: 2024-99-99\n", "cannot be read"),
        ("chunk_size: 300\nchunk_size: 400\n", "'chunk_size' stands there twice"),
        ("Chunk_Size: 300\nCHUNK_SIZE: 400\n", "'chunk_size' stands there twice"),
    ],
)
def test_a_broken_file_that_names_a_setting_of_ours_is_an_error(text: str | bytes, message: str) -> None:
    Path("config/development.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=message):
        get_config()


def test_a_broken_file_of_others_is_ignored_and_the_doctor_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("database:\n  <% erb %>: [\n")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(main, ["doctor", "--json"]).result()
    checks = json.loads(capsys.readouterr().out)
    assert any(check["status"] == "warn" and "a file is ignored" in check["finding"] for check in checks)


def test_a_directory_of_settings_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_CONFIG_DIR", "/nowhere")
    with pytest.raises(ConfigurationError, match="VPA_CONFIG_DIR='/nowhere' is not a directory"):
        get_config()
