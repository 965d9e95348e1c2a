"""One URL is enough to name a store; what contradicts it is named; no key and no password is ever shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import vpa
from vpa.base.errors import ConfigurationError
from vpa.compose import create_vector_database_manager
from vpa.config.deployment_config import DeploymentConfig, get_config, validate_config
from vpa.config.store_url import host_of_url, provider_of_url
from vpa.stores.config import VectorDatabaseConfig, parse_url

SECRET = "hunter2/x?y#z"


def write(text: str) -> None:
    (Path(os.environ["VPA_CONFIG_DIR"]) / "development.yaml").write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("url", "provider", "expected"),
    [
        ("qdrant://host:7000", "qdrant", {"host": "host", "port": 7000, "url": None}),
        ("weaviate+https://host?grpc_port=1", "weaviate", {"encrypt_in_transit": True, "options": {"grpc_port": "1"}}),
        ("chroma:///data/chroma", "chromadb", {"path": "/data/chroma"}),
        ("embedded:///data/vpa?recall=0.9", "embedded", {"path": "/data/vpa", "options": {"recall": "0.9"}}),
        ("postgres://me@host/db", "pgvector", {"url": "postgresql://me@host/db"}),
        ("pinecone://", "pinecone", {"host": None}),
    ],
)
def test_a_url_alone_decides_the_store(
    monkeypatch: pytest.MonkeyPatch, url: str, provider: str, expected: dict[str, Any]
) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_URL", url)
    monkeypatch.setenv("VPA_VECTOR_DB_API_KEY", "key")
    config = get_config()
    assert config.vector_db_provider == provider
    manager = create_vector_database_manager(config)
    assert manager.config.provider == provider
    assert {name: getattr(manager.config, name) for name in expected} == expected


def test_a_url_beside_its_own_provider_or_alias_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "chromadb://host:1")
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", "chroma")
    assert get_config().store.host == "host"


def test_a_variable_with_a_url_wins_over_the_provider_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("vector_db_provider: mock\n")
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "qdrant://host:6333")
    config = get_config()
    assert config.vector_db_provider == config.store.provider == "qdrant"


@pytest.mark.parametrize("in_file", [False, True])
def test_a_provider_that_contradicts_the_url_is_refused_naming_both(
    monkeypatch: pytest.MonkeyPatch, in_file: bool
) -> None:
    if in_file:
        write("vector_db_url: qdrant://host:6333\n")
    else:
        monkeypatch.setenv("VPA_VECTOR_DB_URL", "qdrant://host:6333")
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", "weaviate")
    with pytest.raises(
        ConfigurationError, match=r"(?i)VPA_VECTOR_DB_PROVIDER='weaviate'.*vector_db_url='qdrant://host"
    ):
        get_config()


def test_a_provider_set_in_code_is_compared_with_the_url() -> None:
    config = DeploymentConfig(vector_db_url="qdrant://host")
    assert config.vector_db_provider == "qdrant"
    config.vector_db_provider = "mock"
    [problem] = validate_config(config)
    assert "VPA_VECTOR_DB_PROVIDER" in problem
    assert "VPA_VECTOR_DB_URL" in problem
    with pytest.raises(ConfigurationError, match="VPA_VECTOR_DB_URL"):
        create_vector_database_manager(config)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "http://host:1"}, "names no store"),
        ({"url": "http://host:1", "provider": "mock"}, "names no store"),
        ({"url": "http://host:1", "provider": "qdrant", "host": "other"}, "VPA_VECTOR_DB_HOST"),
        ({"url": "http://host:port", "provider": "qdrant"}, "port"),
        ({"url": "qdrant://host", "host": "other"}, "given twice"),
        ({"url": "qdrant://host:1", "port": 2}, "given twice"),
        ({"url": "qdrant://host", "provider": "weaviate"}, "weaviate"),
        ({"url": "qdrant://[::1"}, "malformed"),
        ({"url": "qdrant://host:99999999"}, "port"),
        ({"url": "mock:///a%00b"}, "NUL"),
        ({"url": "qdrant://host%00"}, "malformed"),
        ({"url": "http://host%0a:1", "provider": "qdrant"}, "malformed"),
        ({"url": "qdrant://host:" + "9" * 5000}, "port"),
        ({"url": "qdrant://host?api_key=abc"}, "no secret"),
        ({"url": "postgresql://me:pw/x@host/db"}, "percent-encoded"),
        ({"url": "postgresql://me:12/x@host/db"}, "percent-encoded"),
        ({"url": "postgresql://me:12?x@host/db"}, "percent-encoded"),
    ],
)
def test_a_url_that_cannot_be_followed_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        VectorDatabaseConfig(**options)


def test_a_url_of_another_vendor_is_left_to_its_provider() -> None:
    assert VectorDatabaseConfig(provider="mine", url="mydb://host/x").url == "mydb://host/x"
    assert VectorDatabaseConfig(url="mine://host:5").provider == "mine"


def test_several_hosts_of_postgresql_are_one_dsn() -> None:
    config = VectorDatabaseConfig(url="postgresql://a:5432,b:5433/db")
    assert config.url == "postgresql://a:5432,b:5433/db"
    assert not config.is_on_this_host


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@host/db",
        "qdrant://host?api_key=hunter2",
        "qdrant://me:hunter2@host",
        "qdrant://me:hunter2@host/path#x",
        "http://me:hunter2@host:x",
        "http://me:hunter2/x@host",
        "nonsense:hunter2@x",
        "qdrant+ftp://me:hunter2@host",
        "postgresql://me:hunter2@host:x/db",
        "milvus://host?token=hunter2",
    ],
)
def test_no_secret_of_a_url_is_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    shown = []
    for provider in ("", "qdrant", "pgvector", "mock", "nonsense"):
        monkeypatch.setenv("VPA_VECTOR_DB_URL", url)
        monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", provider)
        try:
            config = get_config()
            shown += [repr(config), str(config), *validate_config(config)]
            shown.append(repr(config.store))
        except ConfigurationError as error:
            shown.append(str(error))
    for name in ("VPA_VECTOR_DB_URL", "VPA_VECTOR_DB_PROVIDER"):
        monkeypatch.delenv(name)
    for config in (DeploymentConfig(vector_db_host=url), DeploymentConfig(vector_db_path=url)):
        shown += [repr(config), *validate_config(config)]
    for call in (parse_url, vpa.connect, lambda url: VectorDatabaseConfig(url=url), host_of_url):
        try:
            shown.append(repr(getattr(call(url), "config", "")))  # type: ignore[operator]
        except ConfigurationError as error:
            shown.append(str(error))
    assert not [text for text in shown if "hunter2" in text]


def test_no_secret_of_a_setting_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_API_KEY", "hunter2-secret")
    config = get_config()
    assert config.store.api_key == "hunter2-secret"
    assert config.vector_db_api_key.get_secret_value() == "hunter2-secret"
    store = VectorDatabaseConfig(api_key="hunter3", options={"api_key": "hunter4"})
    assert "hunter" not in f"{config!r} {config} {config.store!r} {store!r} {config.vector_db_api_key}"
    write("vector_db_api_key: [hunter5]\n")
    monkeypatch.delenv("VPA_VECTOR_DB_API_KEY")
    with pytest.raises(ConfigurationError, match="vector_db_api_key") as caught:
        get_config()
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "provider", "host"),
    [
        ("http://a:1", None, "a"),
        ("qdrant+https://a", "qdrant", "a"),
        ("postgresql:///db?host=/tmp", "pgvector", None),
        ("postgresql:///db?host=far", "pgvector", "far"),
        ("mock:///x", "embedded", None),
        ("nothing", None, None),
    ],
)
def test_what_a_url_says_without_being_followed(url: str, provider: str | None, host: str | None) -> None:
    assert provider_of_url(url) == provider
    assert host_of_url(url) == host


@pytest.mark.parametrize("url", [None, 5, b"mock://"])
def test_what_is_no_text_is_no_url(url: object) -> None:
    with pytest.raises(ConfigurationError, match="a store URL is a text such as 'embedded:///data/dir', not "):
        vpa.connect(url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mock:///data/new\nline", r"holds the control character '\\n'; in a path write it as %0A"),
        ("mock:///data/tab\there", "write it as %09"),
        ("mock:///data\x7f", "write it as %7F"),
        ("mock:///data/ha#sh", "write # as %23"),
        ("mock:///data/q?x", r"option 'x' of the store URL has no value: write x=…; a \? in a path is %3F"),
        ("mock:///data?recall=0.9&recall=0.8", "names an option twice"),
    ],
)
def test_what_a_parser_of_urls_would_leave_out_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_url(url)
    assert parse_url("mock:///data/new%0Aline%23%3F")["path"] == "/data/new\nline#?"


@pytest.mark.parametrize(("name", "value"), [("VPA_VECTOR_DB_HOST", "db.example.org"), ("VPA_VECTOR_DB_PORT", "6333")])
def test_a_server_without_a_provider_is_not_taken_for_the_embedded_store(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="name the provider \\(VPA_VECTOR_DB_PROVIDER\\)"):
        create_vector_database_manager()


@pytest.mark.parametrize("place", ["./data", "/data", "~/data", "..", Path("data"), Path("p%41q#x?y"), "there"])
def test_a_directory_is_one_of_the_embedded_engine(
    place: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "store.json").touch()
    monkeypatch.chdir(tmp_path)
    absolute = os.path.abspath(os.path.expanduser(place))
    assert parse_url(place) == {"provider": "embedded", "path": absolute}


@pytest.mark.parametrize(
    "place",
    ["data", "data/x", "localhost:6333", "localhost/6333", "host=/tmp dbname=x", "qdrant", ":memory:", "host:6333/x"],
)
def test_what_may_be_meant_otherwise_is_no_directory(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qdrant").mkdir()
    with pytest.raises(ConfigurationError, match=r"a directory for the embedded engine, for example \./\w"):
        parse_url(place)
    with pytest.raises(ConfigurationError):
        VectorDatabaseConfig(url=place)


def test_the_variable_takes_a_directory_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VPA_VECTOR_DB_URL", "./a%41#b")
    store = get_config().store
    assert (store.provider, store.path, store.url) == ("embedded", str(tmp_path / "a%41#b"), None)
