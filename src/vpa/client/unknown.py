"""Fields of a filter that no record of a scope has: most often misspelt, so an empty answer says so, and one for which
a negated condition (`$ne`, `$nin`, `$not`) found every record; also fields that hold values of another kind than the
filter compares them with.

Asked only where a filtered answer is empty, or a condition is negated, and at a bounded cost: one record that has the
field is enough, so each field costs one request at most; where the store does not evaluate `$exists` itself, the first
records of the scope are looked at, and nothing is said of larger ones. A field that exists is asked about again after
five minutes at most.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from vpa.base.errors import VectorDatabaseError
from vpa.base.metadata import kind_of, leaves
from vpa.base.records import RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.client import residual
from vpa.filters import Filter, NormalFilter
from vpa.filters.ast import Constant, Eq, Exists, Field, In, Not, Range, children
from vpa.filters.normalize import mark_normal
from vpa.observe.log import get_logger
from vpa.stores.requests import ALWAYS, Count, Delete, Distinct, FieldTypes, Scan, Search, SearchWords, UpdateMetadata

if TYPE_CHECKING:
    from vpa.client.binding import Binding

MOST_FIELDS: Final = 8  # Of one filter; further ones are not looked at.
_LOOKED_AT: Final = 256  # Leaves of a filter, and values of one.
_MOST_NOTED: Final = 4096
SAMPLE: Final = 256  # Records that are looked at for names, and where `$exists` is not evaluated by the store.
_PATIENCE_S: Final = 1.0  # For all fields of a filter: an answer is not held up for longer.
_REMEMBERED_S: Final = 30.0  # Others may write the field meanwhile.
_KNOWN_S: Final = 300.0  # Its last record may be deleted meanwhile.
# What filters do not see, by the names that people give it.
_BESIDE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("id", "_id", "ids", "record_id"), "the id of a record is none: get(ids), delete(ids)"),
    **dict.fromkeys(
        ("text", "content", "document", "page_content", "_text"), "filters see the metadata, not the text of a record"
    ),
    **dict.fromkeys(
        ("title", "document_id", "doc_id"), "titles and ids of documents stand beside the metadata that filters see"
    ),
}
_KINDS: Final = {"boolean": "booleans", "number": "numbers", "string": "texts"}
_log = get_logger("vpa.client")
Filtered: TypeAlias = Count | Delete | Distinct | FieldTypes | Scan | Search | SearchWords | UpdateMetadata


@dataclass(slots=True)
class Noted:
    """What was learnt about fields of one collection, and until when it is taken for true."""

    present: dict[tuple[Scope, str], float] = field(default_factory=dict)
    absent: dict[tuple[Scope, str], tuple[float, int]] = field(default_factory=dict)
    quiet_until: float = 0.0
    logged: set[str] = field(default_factory=set)

    def trim(self) -> None:
        """Names come from users: nothing here grows without end."""
        for kept in (self.present, self.absent, self.logged):
            if len(kept) > _MOST_NOTED:
                kept.clear()


def paths_of(node: Filter) -> list[str]:
    """The metadata paths that a filter names, each once, in its order; at most `MOST_FIELDS`."""
    return _distinct_paths(leaf for leaf, _ in _first_leaves(node))


def negated_paths(node: Filter) -> list[str]:
    """Those that a condition denies something of: where no record has the field, it holds for every record."""
    # Who asks for records without a field knows that there may be none with it.
    denied = (leaf for leaf, negated in _first_leaves(node) if negated and not isinstance(leaf, Exists))
    return _distinct_paths(denied)


def _first_leaves(node: Filter) -> Iterator[tuple[Filter, bool]]:
    """The first leaves, each with whether it is denied; of a long filter not all are worth a look."""
    waiting, seen = [(node, False)], 0
    while waiting and seen < _LOOKED_AT:
        part, negated = waiting.pop()
        if isinstance(part, Not):
            waiting.append((part.part, not negated))
            continue
        below = children(part)
        if below:
            waiting += [(one, negated) for one in reversed(below[: _LOOKED_AT - seen])]
            continue
        seen += 1
        if not isinstance(part, Constant):
            yield part, negated


def _distinct_paths(parts: Iterable[Filter]) -> list[str]:
    paths: dict[str, None] = {}
    for leaf in parts:
        if not leaf.field.system:  # type: ignore[attr-defined]
            paths[leaf.field.path] = None  # type: ignore[attr-defined]
            if len(paths) == MOST_FIELDS:
                break
    return list(paths)


async def unknown_fields(
    bound: Binding, node: NormalFilter, *, scope: Scope, paths: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The fields of the filter, or these, that no record of the scope has; empty where the scope is, or where it cannot
    be told cheaply. Never raises an error of the store.
    """
    noted, now = bound.noted, bound.clock.monotonic()
    noted.trim()
    asked = paths_of(node) if paths is None else paths
    paths = [path for path in asked if now >= noted.present.get((scope, path), 0.0)]
    if not paths or now < noted.quiet_until:
        return ()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            unknown = [path for path in paths if not await _exists(bound, path, scope=scope)]
            return tuple(unknown) if unknown and await _sample(bound, scope=scope, size=1) else ()
    except (TimeoutError, VectorDatabaseError):
        noted.quiet_until = now + _REMEMBERED_S
        return ()


async def nearest(bound: Binding, paths: Sequence[str], *, scope: Scope) -> dict[str, str | None]:
    """For each of these fields the most similar name among the fields of the first records, or None."""
    if not paths:
        return {}
    try:
        async with asyncio.timeout(_PATIENCE_S):
            batch = await _sample(bound, scope=scope, size=SAMPLE)
    except (TimeoutError, VectorDatabaseError):
        batch = None
    names = sorted({name for metadata in (batch and batch.metadata) or () for name, _ in leaves(metadata)})
    return {path: nearest_name(path, names) for path in paths}


def nearest_name(path: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant: `meta.year` and `Year` mean `year`, `yaer` too."""
    folded = {name.casefold(): name for name in reversed(names)}
    for candidate in (path, path.partition(".")[2], path.rpartition(".")[2]):
        if candidate and candidate.casefold() in folded:
            return folded[candidate.casefold()]
    below = [name for name in names if name.rpartition(".")[2].casefold() == path.casefold()]
    close = below or difflib.get_close_matches(path.casefold(), list(folded), n=1, cutoff=0.6)
    return folded.get(close[0].casefold()) if close else None


def sentence(path: str, near: str | None) -> str:
    """One line for people."""
    hint = _BESIDE.get(path, None if near is None else f"did you mean {near!r}?")
    return f"no record has a field {path!r}" + (f"; {hint}" if hint else "")


async def told(bound: Binding, number: int, request: Count | Delete | UpdateMetadata) -> int:
    """The same number. Where a filter matched nothing its unknown fields are logged, each once per connection."""
    if not number:
        await tell_empty(bound, request.filter, scope=request.scope)
    elif isinstance(request, Count):
        await foresee(bound, request)
    return number


async def tell_empty(
    bound: Binding, node: NormalFilter, *, scope: Scope | AllScopes, also: Sequence[str] = ()
) -> tuple[str, ...]:
    """Say why nothing was found, where the reason are unknown fields, which are returned, or values of another kind."""
    if not isinstance(scope, Scope) or (node is ALWAYS and not also):
        return ()
    paths = list(dict.fromkeys([*paths_of(node), *also]))
    unknown = await unknown_fields(bound, node, scope=scope, paths=paths)
    await tell(bound, unknown, scope=scope)
    if not unknown:
        await _tell_kinds(bound, node, scope=scope)
    return unknown


async def foresee(bound: Binding, request: Filtered) -> tuple[str, ...]:
    """Before a change, and after a look: say that a negated condition holds since no record has the field; those."""
    paths = negated_paths(request.filter)
    if not paths or not isinstance(request.scope, Scope):
        return ()
    unknown = await unknown_fields(bound, request.filter, scope=request.scope, paths=paths)
    await tell(bound, unknown, scope=request.scope)
    return unknown


async def _tell_kinds(bound: Binding, node: NormalFilter, *, scope: Scope) -> None:
    asked = {(leaf.field.path, kind) for leaf, _ in _first_leaves(node) for kind in _kinds_of(leaf)}  # type: ignore[attr-defined]
    fresh = sorted(one for one in asked if f"{one[0]} {one[1]}" not in bound.noted.logged)[:MOST_FIELDS]
    if not fresh or bound.clock.monotonic() < bound.noted.quiet_until:
        return
    try:
        async with asyncio.timeout(_PATIENCE_S):
            batch = await _sample(bound, scope=scope, size=SAMPLE)
    except (TimeoutError, VectorDatabaseError):
        return
    held: dict[str, set[str]] = {}
    for metadata in (batch and batch.metadata) or ():
        for path, value in leaves(metadata):
            for one in value if isinstance(value, list | tuple) else [value]:
                if one is not None:
                    held.setdefault(path, set()).add(kind_of(one))
    for path, kind in fresh:
        bound.noted.logged.add(f"{path} {kind}")
        there = held.get(path, set())
        if there and kind not in there:
            words = " and ".join(_KINDS[one] for one in sorted(there))
            _log.warning(
                f"the field {path!r} holds {words}, and the filter compares it with {_KINDS[kind]}, which never match",
                collection=bound.info.name,
            )


def _kinds_of(leaf: Filter) -> set[str]:
    if isinstance(leaf, Constant | Exists) or leaf.field.system:  # type: ignore[attr-defined]
        return set()
    if isinstance(leaf, In):
        return {kind_of(value) for value in leaf.values[:_LOOKED_AT]}
    return {kind_of(leaf.value)} if isinstance(leaf, Eq | Range) else {"string"}


async def tell(bound: Binding, unknown: Sequence[str], *, scope: Scope) -> None:
    """Log these fields, each once per connection, with the most similar name."""
    fresh = [path for path in unknown if path not in bound.noted.logged]
    for path, near in (await nearest(bound, fresh, scope=scope)).items():
        bound.noted.logged.add(path)
        _log.warning(sentence(path, near), collection=bound.info.name)


async def _exists(bound: Binding, path: str, *, scope: Scope) -> bool:
    """Whether some record of the scope has the field; True also where it cannot be told cheaply."""
    key, version = (scope, path), bound.generation
    until, known_version = bound.noted.absent.get(key, (0.0, -1))
    if bound.clock.monotonic() < until and known_version == version:
        return False
    condition = mark_normal(NormalFilter(Exists(Field(path))))
    if bound.store.split(condition).is_complete:
        present = bool(await _first(bound, condition, scope=scope, size=1))
    else:
        batch = await _sample(bound, scope=scope, size=SAMPLE)
        paths = [name for metadata in (batch and batch.metadata) or () for name, _ in leaves(metadata)]
        is_whole = batch is None or len(batch) < SAMPLE
        present = not is_whole or any(name == path or name.startswith(f"{path}.") for name in paths)
    if present:
        bound.noted.present[key] = bound.clock.monotonic() + _KNOWN_S
    else:
        bound.noted.absent[key] = (bound.clock.monotonic() + _REMEMBERED_S, version)
    return present


async def _sample(bound: Binding, *, scope: Scope, size: int) -> RecordBatch | None:
    return await _first(bound, ALWAYS, scope=scope, size=size)


async def _first(bound: Binding, condition: NormalFilter, *, scope: Scope, size: int) -> RecordBatch | None:
    request = Scan(filter=condition, scope=scope, batch_size=size, cursor=None, include_vectors=False)

    async def work() -> RecordBatch | None:
        async with aclosing(residual.scan(bound.store, bound.info, request)) as batches:  # type: ignore[type-var]
            return await anext(batches, None)

    return await bound.run(request, work)
