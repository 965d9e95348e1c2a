"""Store options in Chroma's words, and its account of a collection in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.options import ChromaOptions

# Chroma's own cosine changes the last bits of what it stores; unit vectors under "ip" come back as they were.
_SPACES: Final = {Metric.COSINE: "ip", Metric.DOT: "ip", Metric.EUCLIDEAN: "l2"}
_HNSW: Final = {"ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "hnsw": ("ef_construction", "max_neighbors", "ef_search", "sync_threshold"),
    "spann": ("ef_construction", "max_neighbors", "ef_search", "search_nprobe", "write_nprobe"),
}


def configuration(info: CollectionInfo) -> dict[str, Any]:
    """The `configuration` of the client's `create_collection`; a graph finer than Chroma's default."""
    options = ChromaOptions.parse(info.store_options)
    kind = options.index_type or "hnsw"
    chosen = {name: value for name in _NAMES[kind] if (value := getattr(options, name)) is not None}
    default = _HNSW if kind == "hnsw" else {}
    return {kind: {"space": _SPACES[info.metric], **default, **chosen}, "embedding_function": None}


def settings_of(native: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the server reports, under the names of the options."""
    kind = "spann" if native.get("spann") else "hnsw"
    values = native.get(kind) or {}
    return {"index_type": kind, **{name: values.get(name) for name in _NAMES[kind]}}
