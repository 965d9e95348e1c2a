"""Weaviate's errors in ours: by gRPC code, which is only in the cause, by HTTP status, then by text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import grpc
import httpx
from weaviate import exceptions as theirs

from vpa.base import errors

_BY_GRPC: Final[Mapping[grpc.StatusCode, type[errors.VectorDatabaseError]]] = {
    grpc.StatusCode.UNAVAILABLE: errors.ConnectionFailedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.OperationTimeoutError,
    grpc.StatusCode.UNAUTHENTICATED: errors.AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RateLimitedError,
    grpc.StatusCode.UNIMPLEMENTED: errors.ConfigurationError,
}
_BY_STATUS: Final[Mapping[int, type[errors.VectorDatabaseError]]] = {
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.CollectionNotFoundError,
    408: errors.OperationTimeoutError,
    429: errors.RateLimitedError,
    502: errors.ServiceUnavailableError,
    503: errors.ServiceUnavailableError,
    504: errors.OperationTimeoutError,
}
_BY_TEXT: Final[tuple[tuple[str, type[errors.VectorDatabaseError]], ...]] = (
    ("could not find class", errors.CollectionNotFoundError),
    ("already exists", errors.CollectionExistsError),
    ("already in use", errors.CollectionExistsError),
    ("vector lengths don't match", errors.DimensionMismatchError),
    ("new node has a vector with length", errors.DimensionMismatchError),
)


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    text = f"Weaviate: {type(error).__name__}: {error}"
    code = _grpc_code(error)
    if code is not None and code in _BY_GRPC:
        return _BY_GRPC[code](f"Weaviate answered {code.name}: {error}")
    for part, kind in _BY_TEXT:
        if part in str(error):
            return kind(text)
    if isinstance(error, theirs.UnexpectedStatusCodeError):
        return _BY_STATUS.get(error.status_code, errors.ProviderError)(text)
    if isinstance(error, theirs.InsufficientPermissionsError):
        return errors.PermissionDeniedError(text)
    if isinstance(error, theirs.WeaviateClosedClientError):
        return errors.ClosedError("the Weaviate store is closed")
    if isinstance(error, httpx.TimeoutException | theirs.WeaviateTimeoutError):
        return errors.OperationTimeoutError(text)
    if isinstance(error, httpx.HTTPError | theirs.WeaviateConnectionError | theirs.WeaviateStartUpError | OSError):
        return errors.ConnectionFailedError(text)
    return None


def _grpc_code(error: BaseException) -> grpc.StatusCode | None:
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            return None
        if isinstance(seen, grpc.RpcError) and hasattr(seen, "code"):
            found: grpc.StatusCode | None = seen.code()
            return found
        seen = seen.__cause__ or seen.__context__
    return None
