"""How many candidates the searches of a class take at least: a setting of the class, so that searches beside a
measurement, and those of other processes, go by it too. It is only ever raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vpa.base.records import CollectionInfo
from vpa.stores.weaviate import options
from vpa.stores.weaviate.tenants import Ask


class Efforts:
    """Of each collection, as its class said it last; `collection` makes the client's handle."""

    def __init__(self, ask: Ask, collection: Callable[[CollectionInfo], Any]) -> None:
        self._ask = ask
        self._collection = collection
        self._known: dict[str, int] = {}

    def note(self, name: str, native: Any) -> None:
        """What the class of a collection says."""
        self._known[name] = options.effort_of(native) or 0

    def upward(self, info: CollectionInfo) -> Sequence[int]:
        """The settings from the one in use on."""
        ladder = options.efforts(info)
        least = max(_calibrated(info), self._known.get(info.name, 0))
        return [effort for effort in ladder if effort >= least] or list(ladder[-1:])

    async def use(self, info: CollectionInfo) -> None:
        """Raise the class to what the more demanding of the two calibrated settings asks for, if it is below."""
        wanted = _calibrated(info)
        if not wanted or not options.is_graph(info):
            return
        settings = self._collection(info).config
        # Another process may have measured, and raised it, since this one opened the collection.
        self.note(info.name, await self._ask("describe_collection", settings.get))
        if self._known[info.name] >= wanted:
            return
        changed = options.at_least(wanted, info)
        await self._ask("set_calibration", lambda: settings.update(vector_config=changed))
        self._known[info.name] = wanted


def _calibrated(info: CollectionInfo) -> int:
    known = info.calibration
    return 0 if known is None else max(known.effort or 0, known.filtered or 0, 0)
