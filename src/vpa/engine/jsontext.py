"""JSON of metadata: by orjson where it is (extra `fast`), else by the standard library; the same values either way."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any, Final

from vpa.engine.growable import Buffer

_encoder: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)


def dumps_plain(value: object) -> bytes:
    """Compact JSON in UTF-8; the values are checked already, so that no encoder asks for their kind."""
    return _encoder.encode(value).encode()


def loads_plain(encoded: Buffer) -> Any:
    """What `dumps` was given."""
    return json.loads(bytes(encoded))


def _fast() -> tuple[Callable[[object], bytes], Callable[[Buffer], Any]]:
    if importlib.util.find_spec("orjson") is None:
        return dumps_plain, loads_plain
    import orjson

    return orjson.dumps, orjson.loads


dumps, loads = _fast()
