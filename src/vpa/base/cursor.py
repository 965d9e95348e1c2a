"""Where a scan goes on: an opaque text that outlives the iterator."""

from __future__ import annotations

import base64
import json
from hashlib import blake2b
from typing import Final

from vpa.base.errors import InvalidQueryError
from vpa.base.scope import Scope
from vpa.base.showing import shown

# Letters of a mark.
_MARK: Final = 8


def encode_cursor(scope: Scope, last_id: str) -> str:
    """An opaque text for "after this record"."""
    return base64.urlsafe_b64encode(json.dumps([scope.tenant, scope.namespace, last_id]).encode()).decode()


def decode_cursor(cursor: str) -> tuple[Scope, str]:
    """The scope and id that `encode_cursor` was given; raises InvalidQueryError for anything else."""
    try:
        tenant, namespace, last_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return Scope(tenant, namespace), str(last_id)
    except (ValueError, TypeError) as error:
        raise InvalidQueryError(f"the cursor {shown(cursor)} is not one that a scan returned") from error


def marked(cursor: str, *, collection: str, scope: object) -> str:
    """The cursor of a store, as a caller gets it: it is of a collection, by name and identity, and of a scope."""
    return f"{_mark(collection)}{_mark(scope)}.{cursor}"


def unmarked(cursor: str, *, collection: str, scope: object) -> str:
    """What `marked` was given; raises InvalidQueryError for a cursor of another collection or scope."""
    marks, dot, inner = cursor.partition(".")
    if not dot or len(marks) != 2 * _MARK:
        raise InvalidQueryError(f"the cursor {shown(cursor)} is not one that a scan returned")
    for mark, value, what in (
        (marks[:_MARK], collection, "collection"),
        (marks[_MARK:], scope, "scope"),
    ):
        if mark != _mark(value):
            asked = f": {value} is asked for now" if what == "scope" else ""
            raise InvalidQueryError(f"the cursor is that of a scan in another {what}{asked}; begin without a cursor")
    return inner


def _mark(value: object) -> str:
    return blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=_MARK // 2).hexdigest()
