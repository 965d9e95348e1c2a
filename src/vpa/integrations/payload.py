"""Metadata that a framework writes and vpa's rules refuse: kept as JSON beside the record, returned, never filtered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from vpa.base.errors import InvalidRecordError
from vpa.base.metadata import Scalar, canonical_metadata

# The name in `Record.system` under which a JSON object holds the keys that are not metadata.
UNFILTERED: Final = "unfiltered_json"


def pack(metadata: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, Scalar]]:
    """Metadata and `Record.system`: lists of objects, NaN, keys with `$` and the like go to the second, as JSON.

    Raises InvalidRecordError for what is not JSON either.
    """
    fields = dict(metadata or {})
    try:
        return dict(canonical_metadata(fields)), {}
    except InvalidRecordError as error:
        refused = {key: value for key, value in fields.items() if not _is_storable(key, value)}
        if not refused:
            raise
        try:
            text = json.dumps(refused, ensure_ascii=False, default=_listed)
        except (TypeError, ValueError):
            raise error from None
        plain = {key: value for key, value in fields.items() if key not in refused}
        return dict(canonical_metadata(plain)), {UNFILTERED: text}


def unpack(metadata: Mapping[str, Any], system: Mapping[str, Scalar]) -> dict[str, Any]:
    """What `pack` was given."""
    text = system.get(UNFILTERED)
    return dict(metadata) if text is None else {**metadata, **json.loads(str(text))}


def _is_storable(key: object, value: object) -> bool:
    if not isinstance(key, str):
        # JSON would make it a text: that is another key.
        return True
    try:
        canonical_metadata({key: value})
    except InvalidRecordError:
        return False
    return True


def _listed(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
