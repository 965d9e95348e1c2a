"""A collection for frameworks that call it with and without await, from any loop and thread."""

from __future__ import annotations

import asyncio
import difflib
import os
import weakref
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from pydantic import SecretStr

import vpa.sync
from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import parse_language
from vpa.base.errors import (
    CollectionNotFoundError,
    ConfigurationError,
    DimensionMismatchError,
    EmbeddingMismatchError,
)
from vpa.base.records import CollectionInfo, EmbeddingIdentity, Metric
from vpa.base.showing import shown
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.client.options import check_same_keywords
from vpa.integrations.given import CallersLoop, Runner
from vpa.integrations.shared import HeldLoop, SharedPlace, closed, end_apart, shared_place
from vpa.observe.log import get_logger
from vpa.stores.config import VectorDatabaseConfig

_log = get_logger("vpa.integrations")
T = TypeVar("T")
Place: TypeAlias = (
    str
    | os.PathLike[str]
    | VectorDatabaseConfig
    | VectorDatabaseManager
    | Collection
    | vpa.sync.VectorDatabaseManager
    | vpa.sync.Collection
)


class OwnedCollection:
    """One collection of a place, connected when it is first used.

    `place`: a URL, a directory or a VectorDatabaseConfig, opened once in a process and closed with the last who uses
    it; or a manager or collection of the caller, who closes it. `metric` None: `metric_if_new` where the collection is
    made, and whatever one that exists has. `embedding` says which model its vectors are of, where that is known.
    `keywords`: the language of the keyword index that the collection has to have; None: `keywords_if_new`, likewise.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        *,
        api_key: str | SecretStr | None = None,
        metric: str | None = None,
        metric_if_new: str = Metric.COSINE,
        embedding: Callable[[int | None], EmbeddingIdentity | None] | None = None,
        keywords: str | None = None,
        keywords_if_new: str | None = None,
    ) -> None:
        self.name = name
        self._keywords = None if keywords is None else analyser_of(parse_language(keywords)).identity
        self._language_if_new = keywords_if_new if self._keywords is None else self._keywords.language
        self._metric = None if metric is None else Metric.parse(metric)
        self._metric_if_new = Metric.parse(metric_if_new)
        self._embedding = embedding
        self._collection: Collection | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._missed = False
        self._own: _Own | None = None
        self._manager: VectorDatabaseManager | None = None
        self._forget: Callable[[], object] | None = None
        if isinstance(place, str | os.PathLike | VectorDatabaseConfig):
            self._own = _Own(place, api_key)
            self._runner: Runner = self._own.loop
            finalizer = weakref.finalize(self, end_apart, self._own.end)
            finalizer.atexit = False
            self._forget = finalizer.detach
        else:
            if api_key is not None:
                raise ConfigurationError("api_key belongs to a URL; a manager or collection has its own")
            self._runner, self._manager, self._collection = _parts(place)
            if self._manager is None and self._collection is not None:
                self.name = self._collection.name
                self._check(self._collection.info)

    async def _connected(self) -> VectorDatabaseManager | None:
        """None where the caller gave a collection."""
        return await self._own.place.manager() if self._own is not None else self._manager

    async def _open(self, dimension: int | None) -> Collection | None:
        async with self._opening:
            if self._closed:
                raise closed()
            if self._collection is None:
                manager = await self._connected()
                if manager is not None:
                    self._collection = await self._opened(manager, dimension)
        if self._collection is not None and dimension is not None:
            self._check(self._collection.info, dimension)
        return self._collection

    async def _reopen(self) -> bool:
        """Forget what was opened, where it can be opened again."""
        if await self._connected() is None:
            return False
        self._collection = None
        return True

    async def _opened(self, manager: VectorDatabaseManager, dimension: int | None) -> Collection | None:
        if self.name in await manager.list_collections():
            collection = await manager.collection(self.name, dimension=dimension, metric=self._metric)
            self._check(collection.info, dimension)
            return collection
        if dimension is None:
            others = await manager.list_collections()
            if others and not self._missed:
                self._missed = True
                near = difflib.get_close_matches(self.name, others, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(others)}"
                _log.warning(f"no collection {self.name!r}, so nothing is found; {hint}")
            return None
        return await manager.create_collection(
            self.name,
            dimension=dimension,
            metric=self._metric or self._metric_if_new,
            embedding=None if self._embedding is None else self._embedding(dimension),
            keywords=self._language_if_new,
            exist_ok=True,
        )

    def _check(self, info: CollectionInfo, dimension: int | None = None) -> None:
        """The collection's metric, words and model are those that were asked for, as far as both are known."""
        check_same_keywords(info, self._keywords)
        if self._metric is not None and info.metric is not self._metric:
            raise ConfigurationError(
                f"collection {info.name!r} has metric {info.metric}, {self._metric} was asked for; leave metric out to "
                "use it as it is",
                collection=info.name,
            )
        mine = None if self._embedding is None else self._embedding(dimension)
        if mine is not None and info.embedding is not None and not _may_be_same(mine, info.embedding):
            raise EmbeddingMismatchError(
                f"collection {info.name!r} holds vectors of {info.embedding}, the model in use is {mine}: their "
                "vectors are not comparable; use that model, or another collection name",
                collection=info.name,
            )

    async def _work(self, work: Callable[[Collection], Awaitable[T]], default: T, dimension: int | None) -> T:
        if self._own is not None:
            self._own.note(asyncio.current_task())
        for is_last in (False, True):
            try:
                collection = await self._open(dimension)
                if collection is None:
                    return default
                return await work(collection)
            except (CollectionNotFoundError, DimensionMismatchError):
                # Another user of the place dropped it since, or made it anew: as if it were asked for the first time.
                if is_last or not await self._reopen():
                    raise
        return default

    def check_open(self) -> None:
        """Raise ClosedError after `close`."""
        if self._closed:
            raise closed()

    def run(
        self, work: Callable[[Collection], Awaitable[T]], *, default: Any = None, dimension: int | None = None
    ) -> T:
        """Do `work` and wait. Without a `dimension` a collection that does not exist is not made: `default`.

        Raises ClosedError after `close`.
        """
        self.check_open()
        answer: T = self._runner.run(self._work(work, default, dimension))
        return answer

    async def arun(
        self, work: Callable[[Collection], Awaitable[T]], *, default: Any = None, dimension: int | None = None
    ) -> T:
        """The same, awaited on the caller's loop."""
        self.check_open()
        return await self._runner.arun(self._work(work, default, dimension))

    def drop(self) -> None:
        """Remove the collection with every scope, if it is there."""
        self.run(self._drop)

    async def adrop(self) -> None:
        """The same, awaited on the caller's loop."""
        await self.arun(self._drop)

    async def _drop(self, collection: Collection) -> None:
        manager = await self._connected()
        if manager is None:
            raise ConfigurationError(
                f"this store was given the collection {collection.name!r}; drop it with drop_collection of its manager",
                collection=collection.name,
            )
        self._collection = None
        await manager.drop_collection(collection.name)

    def close(self) -> None:
        """Let the place go; it is closed with the last who uses it. May be called twice."""
        self._closed = True
        self._collection = None
        if self._own is not None and self._forget is not None:
            self._forget()
            self._own.end()

    async def aclose(self) -> None:
        """The same, awaited on the caller's loop."""
        await asyncio.to_thread(self.close)


class Closing:
    """What closes an adapter, which has an OwnedCollection as `_owned`; the garbage collector does so too."""

    _owned: OwnedCollection

    def close(self) -> None:
        """Let the place go; every call raises ClosedError from now on. May be called twice."""
        self._owned.close()

    async def aclose(self) -> None:
        """The same, awaited."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Own:
    """A hold on the shared loop and on a place, apart from who has it, so that it can be ended after them."""

    def __init__(self, place: str | os.PathLike[str] | VectorDatabaseConfig, api_key: str | SecretStr | None) -> None:
        self.loop = HeldLoop()
        try:
            self.place: SharedPlace = shared_place(place, api_key=api_key)
        except BaseException:
            self.loop.close()
            raise
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def note(self, task: asyncio.Task[Any] | None) -> None:
        """A call that `end` gives up where it is still under way."""
        if task is not None:
            self._tasks.add(task)

    def end(self) -> None:
        """May be called twice."""
        self.loop.close(self._leave)

    async def _leave(self) -> None:
        under_way = [task for task in self._tasks if not task.done()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self.place.leave()


def _parts(place: Any) -> tuple[Runner, VectorDatabaseManager | None, Collection | None]:
    if isinstance(place, vpa.sync.VectorDatabaseManager | vpa.sync.Collection):
        facade: Any = place  # Its types are those that users see.
        _, inner_manager, inner_collection = _parts(facade._inner)
        return facade._owner, inner_manager, inner_collection
    if isinstance(place, VectorDatabaseManager):
        return CallersLoop(), place, None
    if isinstance(place, Collection):
        return CallersLoop(), None, place
    raise ConfigurationError(
        f"place is a store URL, a VectorDatabaseConfig, a manager or a collection, not {shown(place)}"
    )


def _may_be_same(mine: EmbeddingIdentity, theirs: EmbeddingIdentity) -> bool:
    """Libraries name one model with and without its publisher, and few know its revision."""
    short = [identity.name.rpartition("/")[2].lower() for identity in (mine, theirs)]
    revisions = {identity.revision for identity in (mine, theirs)} - {""}
    return short[0] == short[1] and len(revisions) < 2
