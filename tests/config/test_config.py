"""Settings: variables over files over profiles; wrong values name the variable; unsafe ones are listed, not raised."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from vpa.base.errors import ConfigurationError
from vpa.compose import create_enhanced_rag_system, create_vector_database_manager
from vpa.config.check import unknown_variables
from vpa.config.deployment_config import DeploymentConfig, get_config, validate_config
from vpa.core.vector_database import VectorDatabaseConfig

ROOT = Path(__file__).resolve().parents[2]


def write(text: str, environment: str = "development") -> None:
    (Path(os.environ["VPA_CONFIG_DIR"]) / f"{environment}.yaml").write_text(text, "utf-8")


def test_defaults_are_those_of_the_table() -> None:
    config = get_config()
    assert (config.environment, config.debug) == ("development", False)
    assert (config.vector_db_provider, config.vector_db_index_name, config.vector_db_metric) == (
        "embedded",
        "vpa-index",
        "cosine",
    )
    assert (config.vector_db_timeout_seconds, config.vector_db_max_retries) == (30, 3)
    assert (config.chunk_size, config.chunk_overlap, config.embedding_batch_size) == (1000, 150, 64)
    assert (config.max_concurrent_requests, config.cache_size_mb, config.cache_ttl_seconds) == (100, 1024, 300)
    assert (config.connection_pool_size, config.log_level, config.log_format) == (20, "INFO", "console")
    assert config.enable_metrics is True
    assert config.vector_db_dimension is None
    assert validate_config(config) == []


def test_variables_win_over_the_file_which_wins_over_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    write("chunk_size: 500\nCHUNK_OVERLAP: 50\nlog_level: debug\n")
    monkeypatch.setenv("VPA_CHUNK_SIZE", "600")
    config = get_config()
    assert (config.chunk_size, config.chunk_overlap, config.log_level) == (600, 50, "DEBUG")
    write("log_format: console\n", "production")
    assert get_config("production").log_format == "console"
    assert get_config("production").encrypt_in_transit is True


def test_the_environment_asked_for_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_ENVIRONMENT", "staging")
    assert get_config().environment == "staging"
    assert get_config("production").environment == "production"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("VPA_VECTOR_DB_PROVIDER", "foo", "embedded, mock, numpy, chromadb"),
        ("VPA_VECTOR_DB_METRIC", "manhattan", "cosine, dot, euclidean"),
        ("VPA_LOG_LEVEL", "LOUD", "DEBUG"),
        ("VPA_LOG_FORMAT", "xml", "console, json"),
        ("VPA_CHUNK_SIZE", "many", "integer"),
        ("VPA_CHUNK_SIZE", "0", "at least 1"),
        ("VPA_DEBUG", "maybe", "boolean"),
        ("VPA_VECTOR_DB_PORT", "http", "integer"),
        ("VPA_VECTOR_DB_TIMEOUT_SECONDS", "-1", "at least 0.001"),
        ("VPA_VECTOR_DB_INDEX_NAME", "Not allowed ", "1 to 128 bytes"),
        ("VPA_VECTOR_DB_DIMENSION", "0", "from 1 to 65535"),
        ("VPA_ENVIRONMENT", "prod", "development, staging, production"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        get_config()
    assert name in str(caught.value)
    assert value in str(caught.value)
    assert allowed in str(caught.value)


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_CHUNK_SIZE", "x")
    monkeypatch.setenv("VPA_LOG_FORMAT", "y")
    with pytest.raises(ConfigurationError, match=r"(?s)VPA_CHUNK_SIZE.*VPA_LOG_FORMAT"):
        get_config()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("chunk_sise: 5", "chunk_sise"), ("- a", "mapping"), ("a: [", "cannot be read"), ("chunk_size: x", "chunk_size")],
)
def test_a_wrong_file_is_named(text: str, problem: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError, match=rf"development\.yaml.*{problem}|{problem}.*development\.yaml"):
        get_config()


def test_an_empty_file_and_empty_variables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write("")
    for name in ("VPA_VECTOR_DB_PATH", "VPA_VECTOR_DB_API_KEY", "VPA_EMBEDDING_MODEL", "VPA_VECTOR_DB_DIMENSION"):
        monkeypatch.setenv(name, "")
    config = get_config()
    assert (
        config.vector_db_path
        is config.vector_db_api_key
        is config.embedding_model
        is config.vector_db_dimension
        is None
    )


def test_every_problem_comes_at_once() -> None:
    config = get_config("production")
    config.debug = True
    config.chunk_size = "many"
    config.vector_db_index_name = "Not allowed "
    config.vector_db_dimension = 0
    config.embedding_batch_size = 0
    config.vector_db_url = "http://me:hunter2@host"
    problems = validate_config(config)
    for name in ("DEBUG", "CHUNK_SIZE", "INDEX_NAME", "DIMENSION", "EMBEDDING_BATCH_SIZE"):
        assert any(name in problem for problem in problems), name
    with pytest.raises(ConfigurationError, match=r"(?s)VPA_CHUNK_SIZE.*VPA_DEBUG"):
        create_enhanced_rag_system(config)
    with pytest.raises(ConfigurationError, match="production settings"):
        create_vector_database_manager(config)


def test_values_that_do_not_go_together_are_named() -> None:
    config = get_config()
    config.chunk_overlap = 5000
    [problem] = validate_config(config)
    assert "VPA_CHUNK_OVERLAP" in problem
    assert "VPA_CHUNK_SIZE" in problem
    with pytest.raises(ConfigurationError, match="VPA_CHUNK_OVERLAP"):
        _ = config.rag


@pytest.mark.parametrize(
    ("provider", "problem"),
    [("pinecone", "VPA_VECTOR_DB_API_KEY"), ("qdrant", "VPA_VECTOR_DB_URL"), ("pgvector", "VPA_VECTOR_DB_URL")],
)
def test_a_provider_without_address_or_key_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, provider: str, problem: str
) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_PROVIDER", provider)
    assert any(problem in found for found in validate_config(get_config()))


def test_unknown_variables_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_PROVDER", "mock")
    monkeypatch.setenv("VPA_TEST_QDRANT_URL", "x")
    assert unknown_variables() == ["VPA_VECTOR_DB_PROVDER is not a setting; did you mean VPA_VECTOR_DB_PROVIDER?"]


@pytest.mark.parametrize("environment", ["development", "staging", "production"])
def test_the_files_of_the_project_are_read(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    monkeypatch.setenv("VPA_CONFIG_DIR", str(ROOT / "config"))
    assert (ROOT / "config" / f"{environment}.yaml").is_file()
    config = get_config(environment)
    assert config.environment == environment
    assert validate_config(config) == []


async def test_a_manager_is_made_from_settings_or_from_a_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPA_VECTOR_DB_PATH", str(tmp_path))
    monkeypatch.setenv("VPA_VECTOR_DB_DIMENSION", "5")
    async with create_vector_database_manager() as manager:
        assert await manager.list_collections() == ["vpa-index"]
    manager = create_vector_database_manager(VectorDatabaseConfig(index_name="other"))
    assert manager.config.index_name == "other"


def test_a_setting_that_does_not_exist_is_refused_with_a_near_one() -> None:
    config = get_config()
    with pytest.raises(AttributeError, match="did you mean 'chunk_size'"):
        config.chunk_sise = 5
    with pytest.raises(AttributeError, match="did you mean 'chunk_size'"):
        _ = config.chunk_sise
    with pytest.raises(AttributeError, match="chunk_size"):
        DeploymentConfig(chunk_sise=5)


def test_a_section_is_the_options_of_its_reader() -> None:
    config = DeploymentConfig(vector_db_dimension=7, chunk_size=300, cache_size_mb=0.5, embedding_batch_size=3)
    assert isinstance(config.store, VectorDatabaseConfig)
    assert create_vector_database_manager(config).config == config.store
    system = create_enhanced_rag_system(config)
    assert system.options == config.rag
    assert (system.options.chunk_size, system.options.cache_bytes, config.embedding.batch_size) == (300, 1 << 19, 3)


def test_settings_are_values() -> None:
    config = DeploymentConfig(vector_db_api_key="secret", chunk_size=300)
    again = pickle.loads(pickle.dumps(copy.deepcopy(config)))
    assert again == config
    again.chunk_size = 301
    assert again != config
    assert config.chunk_size == 300
    assert config != "something else"


def test_arguments_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPA_CHUNK_SIZE", "600")
    monkeypatch.setenv("VPA_CHUNK_OVERLAP", "60")
    config = DeploymentConfig(chunk_size=500)
    assert (config.chunk_size, config.chunk_overlap) == (500, 60)
    assert DeploymentConfig(vector_db_path=Path("/data")).vector_db_path == "/data"
