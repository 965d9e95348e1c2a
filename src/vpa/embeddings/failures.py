"""What other libraries raise, as our errors: which failures of an embedder may pass, and which stay."""

from __future__ import annotations

from typing import Any, Final

from vpa.base.errors import EmbedderError, EmbedderUnavailableError, VectorDatabaseError

# Timeouts, conflicts, rate limits and overload (529 at some services): the same request may succeed later.
_PASSING_STATUS: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# Clients of HTTP services name their errors alike and share no base class.
_PASSING_NAMES: Final = (
    "timeout",
    "connection",
    "connect",
    "ratelimit",
    "toomanyrequests",
    "unavailable",
    "overloaded",
)


def embedder_error(error: Exception, *, model: str, count: int) -> VectorDatabaseError:
    """The error to raise from `error`: itself if it is one of ours, else EmbedderError, retryable where it may pass."""
    if isinstance(error, VectorDatabaseError):
        return error
    kind = EmbedderUnavailableError if _may_pass(error) else EmbedderError
    return kind(f"embedder {model} failed on {count} texts: {type(error).__name__}: {error}")


def _may_pass(error: Exception) -> bool:
    status: Any = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status in _PASSING_STATUS
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    names = [kind.__name__.lower().replace("_", "") for kind in type(error).__mro__]
    return any(part in name for name in names for part in _PASSING_NAMES)
