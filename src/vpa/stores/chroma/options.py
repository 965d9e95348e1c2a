"""Store options in Chroma's words, and its account of a collection in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.options import ChromaOptions

# Chroma's own cosine changes the last bits of what it stores; unit vectors under "ip" come back as they were.
_SPACES: Final = {Metric.COSINE: "ip", Metric.DOT: "ip", Metric.EUCLIDEAN: "l2"}
# Finer than Chroma's own graph, which finds too little of hard data. Where a recall is promised, its own will do: it is
# measured how many candidates are enough.
_FINER: Final = {"ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
_OWN_EF: Final = 100
_EFS: Final = (_OWN_EF, 200, 300, 400, 600, 800, 1200, 1600, 2400)
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "hnsw": ("ef_construction", "max_neighbors", "ef_search", "sync_threshold"),
    "spann": ("ef_construction", "max_neighbors", "ef_search", "search_nprobe", "write_nprobe"),
}


def configuration(info: CollectionInfo) -> dict[str, Any]:
    """The `configuration` of the client's `create_collection`."""
    options = ChromaOptions.parse(info.store_options)
    kind = options.index_type or "hnsw"
    chosen = {name: value for name in _NAMES[kind] if (value := getattr(options, name)) is not None}
    default = _FINER if kind == "hnsw" and info.recall is None else {}
    return {kind: {"space": _SPACES[info.metric], **default, **chosen}, "embedding_function": None}


def own_candidates(info: CollectionInfo) -> int:
    """How many the graph looks at by itself."""
    given = ChromaOptions.parse(info.store_options).ef_search
    return given or (_OWN_EF if info.recall is not None else _FINER["ef_search"])


def efforts(info: CollectionInfo) -> tuple[int, ...]:
    """What may be tried for a promised recall, from what the graph looks at by itself."""
    own = own_candidates(info)
    return (own, *(ef for ef in _EFS if ef > own))


def settings_of(native: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the server reports, under the names of the options."""
    kind = "spann" if native.get("spann") else "hnsw"
    values = native.get(kind) or {}
    return {"index_type": kind, **{name: values.get(name) for name in _NAMES[kind]}}
