"""Qdrant's errors in ours: by HTTP status, then by text where a status has several meanings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from vpa.base import errors

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
_ADVICE: Final[Mapping[int, str]] = {
    401: "the server does not accept the API key; set VPA_VECTOR_DB_API_KEY",
    403: "the API key does not allow this; use one that may write",
}


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    if isinstance(error, ResourceExhaustedResponse):
        return errors.RateLimitedError(f"Qdrant asks for fewer requests: {error}", retry_after=error.retry_after_s)
    if isinstance(error, UnexpectedResponse):
        return _of_status(error)
    if isinstance(error, ResponseHandlingException):
        return _of_source(error)
    if isinstance(error, httpx.HTTPError | ApiException):
        return errors.ConnectionFailedError(f"Qdrant cannot be reached: {type(error).__name__}: {error}")
    return _of_local(error)


def _of_status(error: UnexpectedResponse) -> errors.VectorDatabaseError:
    status = error.status_code or 0
    text = error.content.decode(errors="replace") if isinstance(error.content, bytes) else str(error.content)
    kind = _BY_STATUS.get(status, errors.ProviderError)
    return kind(f"Qdrant answered {status}: {_ADVICE.get(status, text)}")


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
    if isinstance(error, RuntimeError) and "already accessed" in text:
        return errors.StorageLockedError(f"another process has the directory open: {text}")
    if isinstance(error, RuntimeError) and "closed" in text:
        return errors.ClosedError("the local Qdrant is closed")
    if isinstance(error, ValueError) and "not found" in text:
        return errors.CollectionNotFoundError(text)
    if isinstance(error, ValueError) and "already exists" in text:
        return errors.CollectionExistsError(text)
    return None
