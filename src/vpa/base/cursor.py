"""Where a scan goes on: an opaque text that outlives the iterator."""

from __future__ import annotations

import base64
import json

from vpa.base.errors import InvalidQueryError
from vpa.base.scope import Scope
from vpa.base.showing import shown


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
