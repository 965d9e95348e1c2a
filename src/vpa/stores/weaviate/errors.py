"""Weaviate's errors in ours: by gRPC code, which is only in the cause, by HTTP status, then by text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

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


class MissingTenantError(errors.CollectionNotFoundError):
    """The collection has no tenant of that name."""


_CHANGING: Final = "read-only due to: UpdateVectorIndexConfig"
_BY_TEXT: Final[tuple[tuple[str, type[errors.VectorDatabaseError]], ...]] = (
    ("insufficient permissions to ", errors.PermissionDeniedError),
    ("tenant not found", MissingTenantError),
    # For a moment, while the settings of its index are changed.
    (_CHANGING, errors.ServiceUnavailableError),
    ("could not find class", errors.CollectionNotFoundError),
    ("already exists", errors.CollectionExistsError),
    ("already in use", errors.CollectionExistsError),
    ("vector lengths don't match", errors.DimensionMismatchError),
    ("new node has a vector with length", errors.DimensionMismatchError),
)


_SENTENCES: Final[Mapping[type[errors.VectorDatabaseError], str]] = {
    errors.AuthenticationError: "the API key is missing or not valid",
    errors.PermissionDeniedError: "the API key does not have the right to do this",
    errors.CollectionNotFoundError: "the collection does not exist",
    MissingTenantError: "the collection has no such tenant",
    errors.CollectionExistsError: "the collection exists",
    errors.DimensionMismatchError: "the vector does not have the dimension of the collection",
    errors.OperationTimeoutError: "Weaviate did not answer in time",
    errors.ConnectionFailedError: "Weaviate cannot be reached",
    errors.RateLimitedError: "Weaviate is busy",
    errors.ServiceUnavailableError: "Weaviate is not ready",
    errors.ConfigurationError: "this Weaviate does not know the request; is it older than 1.32?",
    errors.ProviderError: "Weaviate refused the request",
}
_MESSAGE: Final = re.compile(r"""'message': (?:'(.*?)'|"(.*?)")[,}]""", re.DOTALL)


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows. Our sentence comes first, theirs after
    it.
    """
    if isinstance(error, theirs.WeaviateClosedClientError):
        return errors.ClosedError("the Weaviate store is closed")
    kind = _kind(error)
    return None if kind is None else kind(f"{_SENTENCES[kind]}; Weaviate: {_said(error)}")


def refuse_changing(answer: Any) -> None:
    """Raise ServiceUnavailableError, so that all is sent again, where objects came while the index was changed."""
    for one in answer.errors.values() if answer.has_errors else ():
        if _CHANGING in str(one.message):
            kind = errors.ServiceUnavailableError
            raise kind(f"{_SENTENCES[kind]}; Weaviate: {one.message}")


def _kind(error: Exception) -> type[errors.VectorDatabaseError] | None:
    code = _grpc_code(error)
    if code is not None and code in _BY_GRPC:
        return _BY_GRPC[code]
    for part, kind in _BY_TEXT:
        if part in str(error):
            return kind
    if isinstance(error, theirs.UnexpectedStatusCodeError):
        return _BY_STATUS.get(error.status_code, errors.ProviderError)
    if isinstance(error, theirs.InsufficientPermissionsError):
        return errors.PermissionDeniedError
    if isinstance(error, httpx.TimeoutException | theirs.WeaviateTimeoutError):
        return errors.OperationTimeoutError
    if isinstance(error, httpx.HTTPError | theirs.WeaviateConnectionError | theirs.WeaviateStartUpError | OSError):
        return errors.ConnectionFailedError
    return errors.ProviderError if isinstance(error, theirs.WeaviateBaseError) else None


def _said(error: Exception) -> str:
    """The server's own message, without the client's words and the body of JSON around it."""
    text = str(error)
    found = _MESSAGE.search(text)
    if found is not None:
        return str(found[1] or found[2])
    for before in ("with response body: ", "failed with message ", "the set of all errors: "):
        _, marker, after = text.partition(before)
        if marker:
            return after.strip().rstrip(".")
    return text or type(error).__name__


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


def first_cause(error: theirs.WeaviateInsertManyAllFailedError) -> errors.VectorDatabaseError:
    """Why every object of a batch was refused."""
    return translate(error) or errors.ProviderError(f"Weaviate refused every object: {error}")
