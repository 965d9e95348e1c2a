"""Milvus's errors in ours: one table of codes for a server, one for Lite, whose codes mean other things."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc
from filelock import Timeout
from pymilvus.exceptions import ConnectionConfigException, MilvusException

from vpa.base import errors

_SERVER: Final[Mapping[int, type[errors.VectorDatabaseError]]] = {
    1: errors.ServiceUnavailableError,
    2: errors.ServiceUnavailableError,
    8: errors.RateLimitedError,
    100: errors.CollectionNotFoundError,
    101: errors.ServiceUnavailableError,
    103: errors.ServiceUnavailableError,
    106: errors.ServiceUnavailableError,
    800: errors.ConfigurationError,
    1102: errors.InvalidRecordError,
    1400: errors.AuthenticationError,
    1401: errors.AuthenticationError,
}
_LITE: Final[Mapping[int, type[errors.VectorDatabaseError]]] = {
    2: errors.ConnectionFailedError,
    100: errors.CollectionNotFoundError,
}
_BY_GRPC: Final[Mapping[grpc.StatusCode, type[errors.VectorDatabaseError]]] = {
    grpc.StatusCode.UNAVAILABLE: errors.ConnectionFailedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.OperationTimeoutError,
    grpc.StatusCode.UNAUTHENTICATED: errors.AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RateLimitedError,
}
_BY_TEXT: Final[tuple[tuple[str, type[errors.VectorDatabaseError]], ...]] = (
    ("already exist", errors.CollectionExistsError),
    ("duplicate collection", errors.CollectionExistsError),
    ("auth check failure", errors.AuthenticationError),
    ("Fail connecting to server", errors.ConnectionFailedError),
    ("server unavailable", errors.ConnectionFailedError),
    ("permission deny", errors.PermissionDeniedError),
)


def translate(error: Exception, *, lite: bool) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    if isinstance(error, OSError) and "Milvus Lite" in str(error):
        return errors.StorageCorruptedError(str(error))
    if isinstance(error, Timeout):
        return errors.StorageLockedError(
            f"another manager has {error.lock_file.removesuffix('.vpa-lock')!r} open; close it first"
        )
    if isinstance(error, ConnectionConfigException):
        return errors.ConfigurationError(f"Milvus: {error.message}")
    if isinstance(error, grpc.RpcError):
        code = error.code() if hasattr(error, "code") else None
        kind = _BY_GRPC.get(code, errors.ProviderError) if code is not None else errors.ConnectionFailedError
        return kind(f"Milvus cannot be reached or refuses: {code}")
    if isinstance(error, asyncio.TimeoutError | grpc.FutureTimeoutError):
        return errors.OperationTimeoutError("Milvus did not answer in time")
    if isinstance(error, MilvusException):
        return _of_code(error, lite=lite)
    return None


def _of_code(error: MilvusException, *, lite: bool) -> errors.VectorDatabaseError:
    text = f"Milvus answered with code {error.code}: {error.message}"
    for part, kind in _BY_TEXT:
        if part in str(error.message):
            return kind(text)
    return (_LITE if lite else _SERVER).get(error.code, errors.ProviderError)(text)
