"""What Qdrant would not bring back as it was: the order of inner keys, which gRPC does not keep, and numbers whose last
bit its parser changes. Beside the record stands no more than that takes: never its text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

# The record without its text, as JSON; and the order of keys, as JSON.
EXACT: Final = "_vpa_exact"
INNER: Final = "_vpa_order"
_dump: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# One object within the metadata: where it stands, and of each of its keys the place that it has in the sorted ones.
_Order = tuple[list[str], list[int]]


def exactly(document: Mapping[str, Any]) -> dict[str, str]:
    """The field that keeps every number of a record."""
    return {EXACT: _dump({name: part for name, part in document.items() if name != "text"})}


def ordered(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The field that keeps the order of keys; none where each object within the metadata has them sorted."""
    if not any(isinstance(value, dict) for value in metadata.values()):
        return {}
    found = list(_unsorted(metadata, []))
    # For the outermost keys alone no record has one more field.
    return {INNER: _dump(found)} if any(path for path, _ in found) else {}


def _unsorted(target: Mapping[str, Any], path: list[str]) -> Iterator[_Order]:
    keys = sorted(target)
    if list(target) != keys:
        places = {key: place for place, key in enumerate(keys)}
        yield path, [places[key] for key in target]
    for name, value in target.items():
        if isinstance(value, dict):
            yield from _unsorted(value, [*path, name])


def read(payload: Mapping[str, Any]) -> object:
    """The record in a payload of ours, as it was given; for `decode`, which distrusts it."""
    exact, order = payload.get(EXACT), payload.get(INNER)
    if exact is not None:
        return _with_text(exact, payload.get("text"))
    if isinstance(order, str):
        for path, places in _orders(order):
            _sort(payload.get("metadata"), path, places)
    return payload


def _with_text(exact: object, text: object) -> object:
    try:
        found = json.loads(exact) if isinstance(exact, str) else exact
    except ValueError:
        return exact
    return {**found, "text": text} if isinstance(found, dict) and text is not None else found


@lru_cache(maxsize=1024)
def _orders(text: str) -> Sequence[_Order]:
    """Records of one kind have the same; nothing for what we did not write."""
    try:
        return [(list(map(str, path)), list(map(int, places))) for path, places in json.loads(text)]
    except (ValueError, TypeError):
        return ()


def _sort(target: Any, path: Sequence[str], places: Sequence[int]) -> None:
    for name in path:
        target = target.get(name) if isinstance(target, dict) else None
    # Where others changed the keys, there is no order to bring back.
    if isinstance(target, dict) and sorted(places) == list(range(len(target))):
        keys, values = sorted(target), dict(target)
        target.clear()
        target.update((keys[place], values[keys[place]]) for place in places)
