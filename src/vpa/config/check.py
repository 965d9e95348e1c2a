"""What is wrong with settings: every problem at once, in words an operator can act on."""

from __future__ import annotations

import base64
import binascii
import difflib
import os
from collections.abc import Iterator
from typing import Final

from vpa.base.errors import ConfigurationError
from vpa.base.records import check_collection_name
from vpa.config.settings import PREFIX, DeploymentConfig

_EMBEDDED: Final = ("mock", "embedded", "numpy")
_SERVERS: Final = ("weaviate", "qdrant", "milvus", "pgvector")
_OTHER_VARIABLES: Final = ("VPA_CONFIG_DIR",)
_POSITIVE: Final = (
    "vector_db_timeout_seconds",
    "embedding_batch_size",
    "chunk_size",
    "max_concurrent_requests",
    "connection_pool_size",
)


def validate_config(config: DeploymentConfig) -> list[str]:
    """Every problem of `config`, each naming its variable and what to do; empty when it is sound."""
    problems = [*_values(config), *_store(config)]
    if config.environment == "production":
        problems += _production(config)
    return problems


def _values(config: DeploymentConfig) -> Iterator[str]:
    for name in _POSITIVE:
        if getattr(config, name) <= 0:
            yield f"{_variable(name)} is {getattr(config, name)}; it must be greater than 0"
    if not 0 <= config.chunk_overlap < max(config.chunk_size, 1):
        yield f"VPA_CHUNK_OVERLAP ({config.chunk_overlap}) must be less than VPA_CHUNK_SIZE ({config.chunk_size})"
    if config.vector_db_dimension is not None and not 1 <= config.vector_db_dimension <= 65_535:
        yield f"VPA_VECTOR_DB_DIMENSION is {config.vector_db_dimension}; it must be from 1 to 65535, or unset"
    try:
        check_collection_name(config.vector_db_index_name)
    except ConfigurationError as error:
        yield f"VPA_VECTOR_DB_INDEX_NAME: {error.message}"
    if config.encryption_key is not None and _key_bytes(config.encryption_key.get_secret_value()) != 32:
        yield (
            "VPA_ENCRYPTION_KEY is not 32 bytes in base64 or hex; make one with: "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        )


def _store(config: DeploymentConfig) -> Iterator[str]:
    provider = config.vector_db_provider
    if provider == "pinecone" and config.vector_db_api_key is None:
        yield "VPA_VECTOR_DB_API_KEY is not set; pinecone needs it"
    if provider in _SERVERS and not (config.vector_db_url or config.vector_db_host or config.vector_db_path):
        yield f"{provider} needs an address: set VPA_VECTOR_DB_URL, or VPA_VECTOR_DB_HOST and VPA_VECTOR_DB_PORT"


def _production(config: DeploymentConfig) -> Iterator[str]:
    if config.debug:
        yield "VPA_DEBUG is on in production: it shows internals to callers; set it to false"
    if config.testing:
        yield "VPA_TESTING is on in production; set it to false"
    if not config.enable_auth:
        yield "VPA_ENABLE_AUTH is off in production: anyone who reaches the service can read and write; set it to true"
    if not config.require_api_key:
        yield "VPA_REQUIRE_API_KEY is off in production; set it to true"
    if not config.encrypt_at_rest:
        yield "VPA_ENCRYPT_AT_REST is off in production: files hold documents in clear text; set it to true"
    if not config.encrypt_in_transit:
        yield "VPA_ENCRYPT_IN_TRANSIT is off in production: documents travel in clear text; set it to true"
    if config.encrypt_at_rest and config.encryption_key is None:
        yield (
            "VPA_ENCRYPTION_KEY is not set, but VPA_ENCRYPT_AT_REST is on; make one with: "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if config.vector_db_provider in _EMBEDDED and not config.vector_db_path:
        yield "VPA_VECTOR_DB_PATH is not set: the embedded engine would keep production data in memory only"


def _key_bytes(text: str) -> int:
    for decode in (bytes.fromhex, lambda value: base64.b64decode(value, validate=True)):
        try:
            return len(decode(text))
        except (ValueError, binascii.Error):
            continue
    return 0


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def unknown_variables() -> list[str]:
    """`VPA_*` variables that no setting reads, each with the name that may have been meant."""
    known = [*(_variable(name) for name in DeploymentConfig.model_fields), *_OTHER_VARIABLES]
    result = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith("VPA_TEST_"):
            near = difflib.get_close_matches(name, known, n=1)
            result.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return result
