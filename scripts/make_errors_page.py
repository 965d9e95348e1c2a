"""Writes docs/errors.md from the error classes, their HTTP statuses and the remedies below.

python scripts/make_errors_page.py > docs/errors.md
"""

from __future__ import annotations

import inspect

from vpa import errors
from vpa.integrations.http import STATUSES

# ruff: noqa: E501 (lines of a page)
REMEDIES = {
    "authentication_failed": "Check the key or password: `VPA_VECTOR_DB_API_KEY`, or `api_key=` of `vpa.connect`.",
    "circuit_open": "Wait a few seconds (up to a minute); the errors before this one say what is wrong with the store.",
    "closed": "Use the manager inside `async with`, or call `connect()` first; after `close()` make another.",
    "collection_exists": "Pass `exist_ok=True` to open the one that exists, or choose another name.",
    "collection_not_found": "Create it with `create_collection`; `list_collections()` tells the names that exist.",
    "configuration_error": "The message names the setting or argument and what it accepts; see [settings](configuration.md).",
    "connection_failed": "Check that the store runs and that the URL is right; `vpa doctor` tells more. Retried for you.",
    "dimension_mismatch": "Use the embedding model that the collection was made with, or another collection.",
    "document_not_found": "Check the id and the scope; `list_documents` tells what exists.",
    "embedder_error": "The message names the model and what is missing; `vpa doctor` checks it.",
    "embedder_unavailable": "Call again later: the model's service is busy or away.",
    "embedding_mismatch": "Set the model back, or use another collection: vectors of two models cannot be compared.",
    "invalid_argument": "The message names the argument that is meant; the call's others were not looked at. It is a `TypeError` too.",
    "invalid_filter": "The message names the path inside the filter; see [filters](semantics.md).",
    "invalid_query": "The message names the option and what it accepts.",
    "invalid_record": "The message names the record and the rule; see [a record](semantics.md). Nothing of the call was written.",
    "operation_timeout": "Raise `timeout_seconds`, send less at a time, or look at the store's load. A write may have taken effect.",
    "partial_write": "`written`, `failed` and `unknown` list ids. Send the failed and the unknown ones again.",
    "permission_denied": "Give the key or user the right that the message names.",
    "provider_error": "`__cause__` is the exception of the client library; what the store answered is in the message.",
    "provider_not_installed": "Run the `pip install` line of the message.",
    "rate_limited": "Wait `retry_after` seconds, or send fewer requests at once (`max_concurrent_requests`). Retried for you.",
    "read_only": "Open the store without `read_only=True`; after a failure, mend what the message names and open it again.",
    "record_exists": '`ids` exist already: use `on_conflict="replace"` or `"skip"`.',
    "record_not_found": "Check the id and the scope. Nothing was changed.",
    "reranker_error": "Search without `rerank`, or mend the function: it gives one finite number for each text.",
    "service_unavailable": "Call again later. Retried for you.",
    "storage_corrupted": "Restore a backup, or run `vpa doctor --salvage`, which says before what it will cost.",
    "storage_error": "Check the directory: that it exists, its rights, and that nothing replaced it while it was open.",
    "storage_full": "Free space on the disk; what was acknowledged before is safe.",
    "storage_locked": "Close the other process, or read beside it with `read_only=True`.",
    "unsupported_filter": "Narrow the filter with conditions that the store evaluates (`explain` tells which), ask for fewer, or use `scan`.",
    "vector_database_error": "The root of all the others: `except vpa.errors.VectorDatabaseError` catches every one.",
    "verification_failed": "`report` says where the two collections differ; run the copy again.",
}
HEAD = """\
# Errors

Every error that `vpa` raises on purpose is a `vpa.errors.VectorDatabaseError`: `code` is stable, `message` is for people, `retryable` says
whether the same call may succeed later, `provider` and `collection` say where it was going, and the exception of a client library is
the `__cause__`. The classes are in `vpa.errors`, and in `vpa` itself.

```python
import vpa

try:
    with vpa.sync.connect("nowhere://"):
        pass
except vpa.errors.ConfigurationError as error:
    assert error.code == "configuration_error"
```

In a FastAPI application (`pip install "vpa[service]"`), `install_error_handlers` answers each with its HTTP status and
`{"code": …, "message": …}`; `list[SearchResult]`, `list[Match]` and `Matches` are response models as they are.

```python
from fastapi import FastAPI
from vpa.integrations.fastapi import install_error_handlers

app = FastAPI()
install_error_handlers(app)
```

`vpa.integrations.http.STATUSES` has the same statuses for other frameworks.
"""


def page() -> str:
    """The whole page."""
    kinds = sorted((getattr(errors, name) for name in errors.__all__), key=lambda kind: kind.code)
    return HEAD + "".join(_section(kind) for kind in kinds)


def _section(kind: type[errors.VectorDatabaseError]) -> str:
    meaning = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
    return (
        f"\n## `{kind.code}`\n\n`{kind.__name__}`: {meaning}\n\n"
        f"- Remedy: {REMEDIES[kind.code]}\n- HTTP status: {STATUSES[kind.code]}\n- `retryable`: {kind.retryable}\n"
    )


if __name__ == "__main__":
    print(page(), end="")
