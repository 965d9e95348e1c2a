"""Chroma's errors in ours: by HTTP status where a server answered, else by class, then by text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import chromadb.errors as theirs
import httpx

from vpa.base import errors

_BY_STATUS: Final[Mapping[int, type[errors.VectorDatabaseError]]] = {
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    408: errors.OperationTimeoutError,
    413: errors.InvalidRecordError,
    429: errors.RateLimitedError,
    502: errors.ServiceUnavailableError,
    503: errors.ServiceUnavailableError,
    504: errors.OperationTimeoutError,
}
_BY_CLASS: Final[tuple[tuple[type[Exception], type[errors.VectorDatabaseError]], ...]] = (
    (theirs.NotFoundError, errors.CollectionNotFoundError),
    (theirs.UniqueConstraintError, errors.CollectionExistsError),
    (theirs.ChromaAuthError, errors.AuthenticationError),
    (theirs.AuthorizationError, errors.PermissionDeniedError),
    (theirs.RateLimitError, errors.RateLimitedError),
    (theirs.BatchSizeExceededError, errors.InvalidRecordError),
    (httpx.TimeoutException, errors.OperationTimeoutError),
    (httpx.HTTPError, errors.ConnectionFailedError),
    (httpx.InvalidURL, errors.ConfigurationError),
)
_BY_TEXT: Final[tuple[tuple[str, type[errors.VectorDatabaseError]], ...]] = (
    ("already exists", errors.CollectionExistsError),
    ("does not exist", errors.CollectionNotFoundError),
    ("database is locked", errors.StorageLockedError),
    ("disk is full", errors.StorageFullError),
)


async def raise_for_status(response: httpx.Response) -> None:
    """An event hook: statuses whose meaning the client's own errors lose, `Retry-After` among them."""
    kind = _BY_STATUS.get(response.status_code)
    if kind is None:
        return
    text = f"Chroma answered {response.status_code}"
    if kind is errors.RateLimitedError:
        raise errors.RateLimitedError(text, retry_after=retry_after(response.headers.get("retry-after")))
    if kind is errors.AuthenticationError:
        text += ": it does not accept the API key; set VPA_VECTOR_DB_API_KEY"
    raise kind(text)


def retry_after(value: str | None) -> float | None:
    """Seconds, if the header says so in seconds."""
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    text = str(error)
    for theirs_class, ours in _BY_CLASS:
        if isinstance(error, theirs_class):
            return ours(f"Chroma: {type(error).__name__}: {text}")
    for part, ours in _BY_TEXT:
        if part in text:
            return ours(f"Chroma: {text}")
    return None
