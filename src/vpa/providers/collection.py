"""A handle on one collection of a manager."""

from __future__ import annotations

from collections.abc import Callable

from vpa.base.errors import ConfigurationError, DimensionMismatchError
from vpa.base.records import CollectionInfo, Metric
from vpa.providers.binding import Binding
from vpa.providers.verbs import CollectionVerbs


class Collection(CollectionVerbs):
    """The records of one collection; made by `manager.create_collection` and `manager.collection`."""

    def __init__(self, binding: Binding, check_open: Callable[[], object]) -> None:
        self._binding = binding
        self._check_open = check_open

    def _bound(self) -> Binding:
        self._check_open()
        return self._binding

    @property
    def info(self) -> CollectionInfo:
        """Name, dimension, metric and embedding, as stored."""
        return self._binding.info

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._binding.info.name

    @property
    def generation(self) -> int:
        """A number that changes with every write through this manager."""
        return self._binding.generation

    def __repr__(self) -> str:
        info = self.info
        return f"Collection({info.name!r}, dimension={info.dimension}, metric={str(info.metric)!r})"


def check_same(stored: CollectionInfo, *, dimension: int | None, metric: Metric | None) -> None:
    """Raise DimensionMismatchError or ConfigurationError, with both values, where a collection is not what was asked."""
    if dimension is not None and stored.dimension != dimension:
        raise DimensionMismatchError(
            f"collection {stored.name!r} has dimension {stored.dimension}, {dimension} was asked for; use the embedding model it was "
            "made with, or another collection name",
            collection=stored.name,
        )
    if metric is not None and stored.metric is not metric:
        raise ConfigurationError(
            f"collection {stored.name!r} has metric {stored.metric}, {metric} was asked for; a metric cannot be changed later",
            collection=stored.name,
        )
