"""Names of collections on stores that list native names only, and say in a second request what each of them is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from vpa.base.errors import CollectionNotFoundError


async def names_of(natives: Iterable[str], name_of: Callable[[str], Awaitable[str]]) -> list[str]:
    """The logical names, sorted. A collection that is dropped between the two requests is left out."""
    names = []
    for native in natives:
        try:
            names.append(await name_of(native))
        except CollectionNotFoundError:
            continue
    return sorted(names)
