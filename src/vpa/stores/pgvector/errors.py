"""PostgreSQL's errors in ours: by SQLSTATE, the class of it, or the exception."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

import asyncpg

from vpa.base import errors

_BY_STATE: Final[Mapping[str, type[errors.VectorDatabaseError]]] = {
    "42P01": errors.CollectionNotFoundError,
    "42P07": errors.CollectionExistsError,
    "23505": errors.CollectionExistsError,
    "22000": errors.DimensionMismatchError,
    "42501": errors.PermissionDeniedError,
    "3D000": errors.ConfigurationError,
    "57014": errors.OperationTimeoutError,
    "40001": errors.ServiceUnavailableError,
    "40P01": errors.ServiceUnavailableError,
    "53100": errors.StorageFullError,
    "53300": errors.ServiceUnavailableError,
    "55P03": errors.ServiceUnavailableError,
    "58P01": errors.ConfigurationError,
    "0A000": errors.ConfigurationError,
    "54000": errors.InvalidRecordError,
}
_BY_CLASS: Final[Mapping[str, type[errors.VectorDatabaseError]]] = {
    "08": errors.ConnectionFailedError,
    "28": errors.AuthenticationError,
    "53": errors.ServiceUnavailableError,
    "57": errors.ServiceUnavailableError,
    "22": errors.InvalidRecordError,
}


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        kind = _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or errors.ProviderError
        return kind(f"PostgreSQL answered {state or 'with an error'}: {error}")
    if isinstance(error, TimeoutError):
        return errors.OperationTimeoutError("PostgreSQL did not answer in time")
    if isinstance(error, asyncpg.InterfaceError):
        text = str(error)
        closed = "pool is clos" in text or "pool is not init" in text
        return (errors.ClosedError if closed else errors.ConnectionFailedError)(f"PostgreSQL: {text}")
    if isinstance(error, asyncpg.InternalClientError) and "PoolConnectionHolder" in str(error):
        # What asyncpg says of a pool that is closed under those who use it.
        return errors.ClosedError("the pgvector store was closed meanwhile")
    if isinstance(error, ssl.SSLError):
        return errors.ConfigurationError(f"PostgreSQL's TLS cannot be used: {error}")
    if isinstance(error, OSError):
        return errors.ConnectionFailedError(f"PostgreSQL cannot be reached: {type(error).__name__}: {error}")
    if isinstance(error, ValueError):
        return errors.ConfigurationError(f"the PostgreSQL URL cannot be read: {error}")
    return None
