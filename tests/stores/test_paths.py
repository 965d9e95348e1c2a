"""A store's path: absolute once, `~` expanded, never a URL."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import vpa
from vpa.base.errors import ConfigurationError
from vpa.stores.config import VectorDatabaseConfig, parse_url


@pytest.mark.parametrize("url", ["mock://./store", "mock://~/store", "mock://{}/store"])
async def test_changing_the_directory_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    async with vpa.connect(url.format(tmp_path)) as db:
        os.chdir(tmp_path / "other")
        docs = await db.create_collection("docs", dimension=2)
        await docs.upsert([vpa.Record("a", vector=[1, 0])])
        db._store._database.journal("docs").checkpoint()  # type: ignore[union-attr]
    assert list((tmp_path / "other").iterdir()) == []
    assert not (tmp_path / "~").exists()
    assert (tmp_path / "store" / "collections" / "docs" / "snapshot-00000001.vpa").is_file()
    async with vpa.connect(f"mock://{tmp_path}/store") as db:
        assert await (await db.collection("docs")).count() == 1


@pytest.mark.parametrize("provider", ["embedded", "qdrant", "chromadb", "milvus"])
def test_every_local_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert VectorDatabaseConfig(provider=provider, path="data").path == f"{tmp_path}/data"
    assert VectorDatabaseConfig(provider=provider, path=Path("data")).path == f"{tmp_path}/data"  # type: ignore[arg-type]
    assert VectorDatabaseConfig(provider=provider, path="~/data").path == "/home/me/data"
    assert VectorDatabaseConfig(**parse_url(f"{provider}://~/data")).path == "/home/me/data"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mock://./s1", "is a URL.*directory alone"),
        ("mock:s1", "is a URL"),
        ("qdrant://localhost:6333", "is a URL"),
        ("", "is no path"),
        ("a\0b", "is no path"),
        ("~nobody-of-this-name/x", "no home directory"),
    ],
)
def test_what_is_no_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        VectorDatabaseConfig(path=path)
    assert list(tmp_path.iterdir()) == []
