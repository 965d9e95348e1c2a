"""JSON that comes from people: what the standard parser lets pass silently is an error here."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for what is not JSON, for a key that one object holds twice, and
    for nesting beyond Python's recursion limit.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        if "set_int_max_str_digits" in str(error):
            raise ValueError("it holds a number of thousands of digits: write it as text") from None
        raise


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            # The standard parser keeps the last value and says nothing.
            raise ValueError(f"key {key!r} occurs twice in one object (the second time with {value!r:.60}); keep one")
        seen.add(key)
    return result
