"""The collection that a copy is written to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from vpa.base.errors import ConfigurationError
from vpa.base.index_options import IndexOptions
from vpa.base.records import CollectionInfo
from vpa.base.sparse import HOLDERS
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.observe.log import get_logger
from vpa.stores.options import PROVIDER, StoreOptions

_log = get_logger("vpa.transfer")


async def create_like(
    manager: VectorDatabaseManager,
    info: CollectionInfo,
    *,
    name: str,
    store_options: StoreOptions | Mapping[str, Any] | None = None,
    keywords: str | None = None,
) -> Collection:
    """Make, or open, a collection as `info` describes it; `keywords`: with a keyword index for this language.

    Index options go along where the store takes any, the promised recall to every store, and the options of a store,
    unless others are given, to another one of its kind, a keyword index to stores that keep one. A recall that the
    source only has by default is no promise. Raises ConfigurationError for a store that holds no sparse vectors, where
    the source does.
    """
    asked_for_words = keywords is not None
    if info.sparse and not manager.holds_sparse:
        raise ConfigurationError(
            f"the records of {info.name!r} may carry sparse vectors, and {manager.config.provider} holds none: copy "
            f"them to {HOLDERS}; nothing was written",
            collection=info.name,
        )
    if keywords is None and info.keywords is not None and manager.keeps_keywords:
        keywords = info.keywords.language
    made = partial(_made, manager, info, name=name, store_options=store_options)
    # Some stores have room for words only where a collection is made with it.
    is_new = keywords is not None and name not in await manager.list_collections()
    try:
        collection = await made(keywords=keywords if is_new else None)
        if keywords is not None and collection.info.keywords is None:
            await collection.create_keyword_index(keywords)
    except ConfigurationError as error:
        if keywords is None or asked_for_words:
            raise
        collection = await made(keywords=None)
        # A store may hold no words under this metric; the records go there all the same.
        _log.warning("made without a keyword index", collection=name, reason=error.message)
    return collection


async def _made(
    manager: VectorDatabaseManager,
    info: CollectionInfo,
    *,
    name: str,
    store_options: StoreOptions | Mapping[str, Any] | None,
    keywords: str | None,
) -> Collection:
    embedded = manager.capabilities.index_options
    asked = info.index if embedded and info.index != IndexOptions() else None
    same_kind = info.store_options.get(PROVIDER) == str(manager.config.provider)
    return await manager.create_collection(
        name,
        dimension=info.dimension,
        metric=info.metric,
        embedding=info.embedding,
        native_fields=info.native_fields,
        keywords=keywords,
        sparse=info.sparse,
        index=asked,
        recall=info.recall,
        store_options=info.store_options if same_kind and store_options is None else store_options,
        exist_ok=True,
    )
