"""Which HTTP status each error is, for services in any framework; docs/errors.md lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from vpa.base.errors import RateLimitedError, VectorDatabaseError

# 4xx: what the client of the service asked. 5xx: the service, its settings or its store; credentials that a store
# refuses are the service's own, not the client's.
STATUSES: Final[Mapping[str, int]] = {
    "authentication_failed": 502,
    "circuit_open": 503,
    "closed": 503,
    "collection_exists": 409,
    "collection_not_found": 404,
    "configuration_error": 500,
    "connection_failed": 503,
    "dimension_mismatch": 422,
    "document_not_found": 404,
    "embedder_error": 500,
    "embedder_unavailable": 503,
    "embedding_mismatch": 409,
    "invalid_argument": 500,
    "invalid_filter": 422,
    "invalid_query": 422,
    "invalid_record": 422,
    "operation_timeout": 504,
    "partial_write": 500,
    "permission_denied": 502,
    "provider_error": 502,
    "provider_not_installed": 500,
    "rate_limited": 429,
    "read_only": 403,
    "record_exists": 409,
    "record_not_found": 404,
    "reranker_error": 502,
    "service_unavailable": 503,
    "storage_corrupted": 500,
    "storage_error": 500,
    "storage_full": 507,
    "storage_locked": 503,
    "unsupported_filter": 422,
    "vector_database_error": 500,
    "verification_failed": 500,
}
_UNKNOWN: Final = 500


def status_of(error: VectorDatabaseError) -> int:
    """The HTTP status of an error; 500 for a code that others added."""
    return STATUSES.get(error.code, _UNKNOWN)


def body_of(error: VectorDatabaseError) -> dict[str, Any]:
    """`{"code", "message"}` as JSON."""
    return {"code": error.code, "message": str(error)}


def headers_of(error: VectorDatabaseError) -> dict[str, str]:
    """`Retry-After`, in whole seconds, where a store said when to come again."""
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        return {"Retry-After": str(max(0, math.ceil(error.retry_after)))}
    return {}
