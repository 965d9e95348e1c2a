"""Qdrant's errors in ours: by HTTP status or gRPC code, then by text where one has several meanings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import grpc
import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from vpa.base import errors
from vpa.stores.qdrant.words import ADVICE

_BY_STATUS: Final[Mapping[int, type[errors.VectorDatabaseError]]] = {
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.CollectionNotFoundError,
    408: errors.OperationTimeoutError,
    409: errors.CollectionExistsError,
    413: errors.InvalidRecordError,
    429: errors.RateLimitedError,
    500: errors.ServiceUnavailableError,
    502: errors.ServiceUnavailableError,
    503: errors.ServiceUnavailableError,
    504: errors.OperationTimeoutError,
    507: errors.StorageFullError,
}
# What the server answers over REST to the same request.
_STATUS_OF: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.DEADLINE_EXCEEDED: 408,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNKNOWN: 500,
}
_UNREACHABLE: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_ANSWER_TOO_LARGE: Final = "Received message larger"
_REQUEST_TOO_LARGE: Final = ("message length too large", "Sent message larger")
_STATUS: Final = '"status"'  # In every answer of Qdrant's own, also in that a collection does not exist.
_NO_POINT: Final = "No point with id"
_NO_VECTOR: Final = "Not existing vector name"
_NO_INDEX: Final = "Index required but not found"
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADVICE: Final[Mapping[int, str]] = {
    401: "the server does not accept the API key; set VPA_VECTOR_DB_API_KEY",
    403: "the API key does not allow this; use one that may write",
}


class MissingPointError(errors.RecordNotFoundError):
    """Vectors were to be replaced of a point that is gone."""


class MissingIndexError(errors.PermissionDeniedError):
    """Strict mode refuses a filter because a key in it has no index."""


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    if isinstance(error, ResourceExhaustedResponse):
        return errors.RateLimitedError(f"Qdrant asks for fewer requests: {error}", retry_after=error.retry_after_s)
    if isinstance(error, grpc.aio.AioRpcError):
        return _of_code(error)
    if isinstance(error, UnexpectedResponse):
        text = error.content.decode(errors="replace") if isinstance(error.content, bytes) else str(error.content)
        if error.status_code == 404 and _STATUS not in text:
            return errors.ConfigurationError(
                f"what answers at this address is no Qdrant: it does not know Qdrant's paths (404: {text:.200}); check "
                "the URL's host and port"
            )
        return _of_status(error.status_code or 0, text)
    if isinstance(error, ResponseHandlingException):
        return _of_source(error)
    if isinstance(error, httpx.HTTPError | ApiException):
        return errors.ConnectionFailedError(f"Qdrant cannot be reached: {type(error).__name__}: {error}")
    return _of_local(error)


def _of_status(status: int, text: str) -> errors.VectorDatabaseError:
    if _NO_INDEX in text:
        return MissingIndexError(
            "Qdrant's strict mode asks for an index that this API key may not make; send the filter once with a key "
            f"that may change the collection. Qdrant: {text}"
        )
    if _NO_POINT in text:
        return MissingPointError(f"Qdrant: {text}")
    if _NO_VECTOR in text:
        return errors.ConfigurationError(f"{ADVICE}. Qdrant: {text}")
    kind = _BY_STATUS.get(status, errors.ProviderError)
    return kind(f"Qdrant answered {status}: {_ADVICE.get(status, text)}")


def _of_code(error: grpc.aio.AioRpcError) -> errors.VectorDatabaseError:
    code, text = error.code(), error.details() or ""
    if code in _UNREACHABLE:
        return errors.ConnectionFailedError(f"Qdrant cannot be reached over gRPC: {text}")
    if _ANSWER_TOO_LARGE in text:
        return errors.ProviderError(f"the store's answer is too long and was not read: {text}")
    if any(part in text for part in _REQUEST_TOO_LARGE):
        return _of_status(413, text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.RateLimitedError(f"Qdrant asks for fewer requests: {text}", retry_after=_retry_after(error))
    return _of_status(_STATUS_OF.get(code, 0), f"{code.name}: {text}")


def _retry_after(error: grpc.aio.AioRpcError) -> float | None:
    metadata: Any = error.trailing_metadata() or ()
    found = next((str(value) for name, value in metadata if name == "retry-after"), "")
    return float(found) if found.isdecimal() else None


def _of_source(error: ResponseHandlingException) -> errors.VectorDatabaseError:
    source = error.source
    if isinstance(source, httpx.TimeoutException):
        return errors.OperationTimeoutError(f"Qdrant did not answer in time ({type(source).__name__})")
    if isinstance(source, httpx.HTTPError | OSError):
        return errors.ConnectionFailedError(f"Qdrant cannot be reached: {type(source).__name__}: {source}")
    if "closed" in str(source):
        return errors.ClosedError(f"the connection to Qdrant is closed: {source}")
    return errors.ProviderError(f"Qdrant's answer cannot be read: {type(source).__name__}: {source}")


def _of_local(error: Exception) -> errors.VectorDatabaseError | None:
    text = str(error)
    if isinstance(error, KeyError) and _UUID.fullmatch(text.strip("'\"")):
        return MissingPointError(f"the local Qdrant has no point {text}")
    if isinstance(error, RuntimeError) and "already accessed" in text:
        return errors.StorageLockedError(f"another process has the directory open: {text}")
    if isinstance(error, RuntimeError) and "closed" in text:
        return errors.ClosedError("the local Qdrant is closed")
    if isinstance(error, ValueError) and "not found" in text:
        return errors.CollectionNotFoundError(text)
    if isinstance(error, ValueError) and "already exists" in text:
        return errors.CollectionExistsError(text)
    return None
