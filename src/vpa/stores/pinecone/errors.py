"""Pinecone's errors in ours, by class. The client has tried four times before it raises what may pass."""

from __future__ import annotations

from typing import Final

from pinecone import errors as theirs

from vpa.base import errors

_BY_CLASS: Final[tuple[tuple[type[Exception], type[errors.VectorDatabaseError]], ...]] = (
    (theirs.UnauthorizedError, errors.AuthenticationError),
    (theirs.ForbiddenError, errors.PermissionDeniedError),
    (theirs.NotFoundError, errors.CollectionNotFoundError),
    (theirs.ConflictError, errors.CollectionExistsError),
    (theirs.PineconeTimeoutError, errors.OperationTimeoutError),
    (theirs.PineconeConnectionError, errors.ConnectionFailedError),
    (theirs.ServiceError, errors.ServiceUnavailableError),
)


def translate(error: Exception) -> errors.VectorDatabaseError | None:
    """Our error for one of the client's, or None for one that no row knows."""
    if isinstance(error, theirs.RateLimitError):
        return errors.RateLimitedError(f"Pinecone asks for fewer requests: {error}", retry_after=error.retry_after)
    for theirs_class, ours in _BY_CLASS:
        if isinstance(error, theirs_class):
            return ours(f"Pinecone: {type(error).__name__}: {error}")
    if isinstance(error, theirs.ApiError) and error.status_code in (400, 413, 414, 422):
        return errors.InvalidRecordError(f"Pinecone refuses the request: {error}")
    if isinstance(error, RuntimeError) and "closed" in str(error):
        return errors.ClosedError("the Pinecone store is closed")
    if isinstance(error, theirs.PineconeValueError):
        return errors.ConfigurationError(f"Pinecone: {error}")
    return None
