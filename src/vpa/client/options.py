"""What a new collection is asked to be, and whether one that exists is that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpa.analysis.analyser import analyser_of
from vpa.analysis.languages import parse_language
from vpa.base.calibration import check_recall_promise
from vpa.base.errors import ConfigurationError, DimensionMismatchError
from vpa.base.index_options import DEFAULT_RECALL, IndexOptions
from vpa.base.keywords import KeywordIndex
from vpa.base.records import CollectionInfo, Metric
from vpa.base.showing import shown
from vpa.base.sparse import HOLDERS
from vpa.stores.contract import VectorStore
from vpa.stores.options import StoreOptions


@dataclass(frozen=True, slots=True)
class Searched:
    """How a new collection is to be searched: by the embedded engine, or by a store with an index of its own.

    `named`: which of these the caller gave; one that exists must have them.
    """

    index: IndexOptions
    recall: float | None
    store_options: Mapping[str, Any]
    named: tuple[str, ...]


def check_searched(
    store: VectorStore,
    *,
    index: IndexOptions | Mapping[str, Any] | None,
    recall: float | None,
    store_options: StoreOptions | Mapping[str, Any] | None,
) -> Searched:
    """The options as values; raises ConfigurationError where they are unknown, or not of this store."""
    promised = _promised(index, recall)
    native = _store_options(store, store_options)
    named = () if store_options is None else ("store_options",)
    if store.capabilities.index_options:
        options = store.default_index if index is None else IndexOptions.parse(index)
        promised = _promised(options, None) if promised is None else promised
        if index is not None or promised is not None:
            named = (*named, "index")
        return Searched(options if promised is None else replace(options, recall=promised), promised, native, named)
    if index is not None and replace(IndexOptions.parse(index), recall=DEFAULT_RECALL) != IndexOptions():
        raise ConfigurationError(
            f"{store.provider} has an index of its own: of the index options it takes recall only, not {index!r}; "
            "give store_options, or use the embedded engine",
            provider=store.provider,
        )
    return Searched(IndexOptions(), promised, native, named if promised is None else (*named, "recall"))


def _promised(index: IndexOptions | Mapping[str, Any] | None, recall: float | None) -> float | None:
    """The recall that was asked for, in either way; None for neither."""
    promised = None if recall is None else check_recall_promise(recall)
    if isinstance(index, IndexOptions):
        inside = None if index.recall == DEFAULT_RECALL else index.recall
    else:
        inside = IndexOptions.parse(index).recall if isinstance(index, Mapping) and "recall" in index else None
    if None not in (promised, inside) and promised != inside:
        raise ConfigurationError(f"recall={promised} and index with recall={inside} contradict each other; give one")
    return inside if promised is None else promised


def _store_options(store: VectorStore, options: StoreOptions | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if options is None:
        return {}
    if store.options_type is None:
        if isinstance(options, Mapping) and not options:
            return {}
        raise ConfigurationError(
            f"{store.provider} takes no store_options ({shown(options)}); its searches are set by index=",
            provider=store.provider,
        )
    return store.options_type.parse(options).to_json()


def check_same(
    present: CollectionInfo,
    *,
    dimension: int | None,
    metric: Metric | None,
    native_fields: Sequence[str] = (),
    sparse: bool = False,
    searched: Searched | None = None,
) -> None:
    """Raise DimensionMismatchError or ConfigurationError, with both values, where a collection is not what was
    asked.
    """
    if dimension is not None and present.dimension != dimension:
        raise DimensionMismatchError(
            f"collection {present.name!r} has dimension {present.dimension}, {dimension} was asked for; use the "
            "embedding model it was "
            "made with, or another collection name",
            collection=present.name,
        )
    if metric is not None and present.metric is not metric:
        raise ConfigurationError(
            f"collection {present.name!r} has metric {present.metric}, {metric} was asked for; a metric cannot be "
            "changed later",
            collection=present.name,
        )
    asked_for = {} if searched is None else {name: getattr(searched, name) for name in searched.named}
    if native_fields and set(native_fields) != set(present.native_fields):
        asked_for["native_fields"] = tuple(native_fields)
    if sparse:
        asked_for["sparse"] = sparse
    for name, asked in asked_for.items():
        has = getattr(present, name)
        if has != asked:
            raise ConfigurationError(
                f"collection {present.name!r} has {name} {has}, {asked} was asked for; leave {name} out to use it as "
                "it is",
                collection=present.name,
            )


def keyword_index(language: str, store: VectorStore, *, name: str) -> KeywordIndex:
    """The analyser that a new collection is to have; raises ConfigurationError for an unknown language or a store that
    keeps no words.
    """
    identity = analyser_of(parse_language(language)).identity
    if not store.capabilities.keywords:
        raise ConfigurationError(
            f"{store.provider} keeps no keyword index yet; leave keywords out", provider=store.provider, collection=name
        )
    return identity


def check_sparse(store: VectorStore, sparse: bool, *, name: str) -> bool:
    """Whether a new collection is to hold sparse vectors; raises ConfigurationError for a store that holds none."""
    if sparse and not store.capabilities.sparse_vectors:
        raise ConfigurationError(
            f"{store.provider} holds no sparse vectors, {HOLDERS} do; leave sparse out",
            provider=store.provider,
            collection=name,
        )
    return sparse


def check_same_keywords(present: CollectionInfo, asked: KeywordIndex | None) -> None:
    """Raise ConfigurationError where a collection that exists has no keyword index of the language asked for."""
    if asked is None or (present.keywords is not None and present.keywords.language == asked.language):
        return
    has = "no keyword index" if present.keywords is None else f"a keyword index for {present.keywords.language}"
    raise ConfigurationError(
        f"collection {present.name!r} has {has}, one for {asked.language} was asked for; leave keywords out to use it "
        f"as it is, or make one: await collection.create_keyword_index({asked.language!r})",
        collection=present.name,
    )
