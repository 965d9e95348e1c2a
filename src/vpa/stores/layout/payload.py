"""Reading a payload back, and distrusting it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from vpa.base.errors import ProviderError
from vpa.base.records import Record
from vpa.base.scope import Scope
from vpa.stores.layout.sparse import FIELD, read
from vpa.stores.layout.tokens import record_key


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record read back, with the scope that it says it is in."""

    record: Record
    scope: Scope


def decode(payload: object, *, key: str) -> Decoded:
    """Read a payload; raises ProviderError if the store returns something else under `key` than what was stored
    there.
    """
    try:
        stored = json.loads(payload) if isinstance(payload, str) else payload
        if not isinstance(stored, Mapping):
            raise TypeError(f"a payload is an object, not {type(stored).__name__}")
        scope = Scope(*stored.get("scope", ()))
        record = Record(
            stored["id"],
            vector=None,
            text=stored.get("text"),
            metadata=stored.get("metadata") or {},
            system=stored.get("system") or {},
            sparse=read(stored.get(FIELD)),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ProviderError(
            f"the store returned a record under {key!r} that vpa did not write, or that was changed by others"
        ) from error
    if record_key(scope, record.id) != key:
        raise ProviderError(f"the store returned record {record.id!r} under the key {key!r}, which is not its own")
    return Decoded(record, scope)
