"""Every error that vpa raises on purpose: one hierarchy, each with a stable `code` and `retryable`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class VectorDatabaseError(Exception):
    """Root of the hierarchy. `provider` and `collection` say where the request was going."""

    code: ClassVar[str] = "vector_database_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, provider: str | None = None, collection: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.collection = collection

    def located(self, *, provider: str | None, collection: str | None) -> VectorDatabaseError:
        """Fill in where it happened, unless a layer closer to the cause already said so."""
        self.provider = self.provider or provider
        self.collection = self.collection or collection
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles do not call the class again: some take arguments that are not among `args`.
        return _rebuilt, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        place = [f"{k}={v}" for k, v in (("provider", self.provider), ("collection", self.collection)) if v]
        return f"{self.message} [{', '.join(place)}]" if place else self.message


def _rebuilt(kind: type[VectorDatabaseError], arguments: tuple[Any, ...]) -> VectorDatabaseError:
    error = kind.__new__(kind)
    error.args = arguments
    return error


class ConfigurationError(VectorDatabaseError):
    """Settings, or a stored collection, do not allow what was asked."""

    code = "configuration_error"


class ProviderNotInstalledError(VectorDatabaseError):
    """The client library of a provider is missing; the message has the pip line."""

    code = "provider_not_installed"


class ConnectionFailedError(VectorDatabaseError):
    """The store could not be reached."""

    code = "connection_failed"
    retryable = True


class OperationTimeoutError(VectorDatabaseError):
    """The deadline passed before the store answered."""

    code = "operation_timeout"
    retryable = True


class RateLimitedError(VectorDatabaseError):
    """The store asked for fewer requests; `retry_after` is in seconds, if it said."""

    code = "rate_limited"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        provider: str | None = None,
        collection: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, collection=collection)
        self.retry_after = retry_after


class ServiceUnavailableError(VectorDatabaseError):
    """The store answered that it cannot serve now."""

    code = "service_unavailable"
    retryable = True


class CircuitOpenError(VectorDatabaseError):
    """Too many recent failures: the request was not sent."""

    code = "circuit_open"


class AuthenticationError(VectorDatabaseError):
    """The store does not accept the credentials."""

    code = "authentication_failed"


class PermissionDeniedError(VectorDatabaseError):
    """The credentials are known but do not allow this."""

    code = "permission_denied"


class CollectionNotFoundError(VectorDatabaseError):
    """No collection of that name, or no longer the one that a handle was opened on."""

    code = "collection_not_found"

    @classmethod
    def made_anew(cls, name: str, *, details: str = "") -> CollectionNotFoundError:
        """The collection that a handle was opened on was dropped, and another one has its name; `details`: what is
        different.
        """
        return cls(
            f"collection {name!r} was dropped and made anew since this handle was opened{details}; open it again with "
            f"collection({name!r})",
            collection=name,
        )


class CollectionExistsError(VectorDatabaseError):
    """A collection of that name is there already."""

    code = "collection_exists"


class RecordNotFoundError(VectorDatabaseError):
    """An id that the operation needs does not exist; nothing was changed."""

    code = "record_not_found"


class RecordExistsError(VectorDatabaseError):
    """`on_conflict="error"` met ids that exist (`ids`); nothing was written."""

    code = "record_exists"

    def __init__(self, message: str, *, ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.ids = tuple(ids)


class DocumentNotFoundError(VectorDatabaseError):
    """No document of that id."""

    code = "document_not_found"


class DimensionMismatchError(VectorDatabaseError):
    """A vector, or a collection, has another number of dimensions than asked."""

    code = "dimension_mismatch"


class EmbeddingMismatchError(VectorDatabaseError):
    """The collection holds vectors of another embedding model."""

    code = "embedding_mismatch"


class EmbedderError(VectorDatabaseError):
    """The embedding model could not be loaded or run."""

    code = "embedder_error"


class EmbedderUnavailableError(EmbedderError):
    """The embedding model could not be reached or is busy; the same call may succeed later."""

    code = "embedder_unavailable"
    retryable = True


class RerankerError(VectorDatabaseError):
    """A reranker failed, or gave no finite number for each text."""

    code = "reranker_error"


class InvalidRecordError(VectorDatabaseError):
    """A record breaks a rule; nothing of the call was written."""

    code = "invalid_record"


class InvalidFilterError(VectorDatabaseError):
    """A filter is malformed; the message names the path inside it."""

    code = "invalid_filter"


class UnsupportedFilterError(VectorDatabaseError):
    """The filter is well formed, but this store cannot answer it faithfully."""

    code = "unsupported_filter"


class InvalidQueryError(VectorDatabaseError):
    """The query vector or an option of the search breaks a rule."""

    code = "invalid_query"


class ArgumentError(VectorDatabaseError, TypeError):
    """A call was given an argument that it does not take, or not one that it needs; the message names the one meant."""

    code = "invalid_argument"


class PartialWriteError(VectorDatabaseError):
    """Some parts of a batch failed after retries.

    `written`, `failed` (id -> reason) and `unknown` (the connection broke before an answer) are disjoint.
    """

    code = "partial_write"

    def __init__(
        self, message: str, *, written: Sequence[str], failed: Mapping[str, str], unknown: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.written = tuple(written)
        self.failed = dict(failed)
        self.unknown = tuple(unknown)


class VerificationError(VectorDatabaseError):
    """A copy is not equal to its source; `report`, a `vpa.transfer.verify.Verification`, says where."""

    code = "verification_failed"

    def __init__(self, message: str, *, report: object) -> None:
        super().__init__(message)
        self.report = report


class ClosedError(VectorDatabaseError):
    """Used before `connect` or after `close`."""

    code = "closed"


class ProviderError(VectorDatabaseError):
    """Anything else that a store answered; its own exception is the `__cause__`."""

    code = "provider_error"


class StorageError(ProviderError):
    """A store's directory cannot be used: it does not exist, was removed or replaced, or a file call failed."""

    code = "storage_error"


class ReadOnlyError(StorageError):
    """A write to a store that was opened with `read_only=True`, or that takes no writes since a failure."""

    code = "read_only"


class StorageLockedError(StorageError):
    """Another process, or another manager of this one, has the directory open."""

    code = "storage_locked"


class StorageFullError(StorageError):
    """No room on the disk; what was acknowledged before is safe, this write was not applied."""

    code = "storage_full"


class StorageCorruptedError(StorageError):
    """Stored bytes fail their checksum; the message says what can be saved, and how."""

    code = "storage_corrupted"


__all__ = sorted(
    name for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, Exception)
)
