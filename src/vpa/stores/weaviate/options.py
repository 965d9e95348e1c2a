"""Store options in Weaviate's words, and its account of a class in ours."""

from __future__ import annotations

from typing import Any, Final

from weaviate.classes.config import Configure, Reconfigure, VectorDistances

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.options import WeaviateOptions

# Unit vectors under inner product: one multiplication less, and the bits stay.
_DISTANCES: Final = {
    Metric.COSINE: VectorDistances.DOT,
    Metric.DOT: VectorDistances.DOT,
    Metric.EUCLIDEAN: VectorDistances.L2_SQUARED,
}
# How many candidates codes propose at least, before the vectors themselves decide.
_CANDIDATES: Final = {"pq": 256, "bq": 512, "sq": 256, "rq": 256}
_MOST_CANDIDATES: Final = 1024


def options_of(info: CollectionInfo) -> WeaviateOptions:
    """What the collection was made with; Weaviate's own default codes are never used."""
    return WeaviateOptions.parse(info.store_options)


def has_codes(info: CollectionInfo) -> bool:
    """Whether searches go by codes first: then Weaviate's own brute force does too, and is not exact."""
    return options_of(info).quantization not in (None, "none")


# Candidates for few results. Weaviate's own find too little of hard data where no filter makes it look at every vector,
# so without a promise twice as many are taken; with one it is measured how many are enough.
_OWN_CANDIDATES: Final = 100
_LEAST_CANDIDATES: Final = 200
_EFS: Final = (_OWN_CANDIDATES, 128, 160, _LEAST_CANDIDATES, 256, 300, 400, 512, 600, 800, 1200, 1600, 2400)
_DYNAMIC_MOST: Final = 500


def efforts(info: CollectionInfo) -> tuple[int, ...]:
    """None but for the graph, which alone has an `ef`."""
    return tuple(ef for ef in _EFS if ef >= _least(info)) if is_graph(info) else ()


def _least(info: CollectionInfo) -> int:
    given = _LEAST_CANDIDATES if info.recall is None else _OWN_CANDIDATES
    return _CANDIDATES.get(str(options_of(info).quantization), given)


def at_least(ef: int, info: CollectionInfo) -> Any:
    """A changed class: so many candidates for few results, for many as many more as it takes by itself."""
    most = _MOST_CANDIDATES if has_codes(info) else _DYNAMIC_MOST
    index = Reconfigure.VectorIndex.hnsw(ef=-1, dynamic_ef_min=ef, dynamic_ef_max=max(most, ef))
    return Reconfigure.Vectors.update(vector_index_config=index)


def effort_of(native: Any) -> int | None:
    """The least number of candidates of a class of ours; None where it has no graph."""
    vectors = (native.vector_config or {}).get("default")
    index = native.vector_index_config if vectors is None else vectors.vector_index_config
    return getattr(index, "dynamic_ef_min", None)


def is_graph(info: CollectionInfo) -> bool:
    """Whether searches go by HNSW, which alone has an `ef` of its own."""
    return options_of(info).index_type in (None, "hnsw")


def is_flat(info: CollectionInfo) -> bool:
    """Whether every search looks at every vector."""
    return options_of(info).index_type == "flat" and not has_codes(info)


def creation_arguments(info: CollectionInfo, *, exact_below: int) -> dict[str, Any]:
    """Arguments of the client's `collections.create`; what was not set is left to the server."""
    options, distance = options_of(info), _DISTANCES[info.metric]
    graph = _graph(info, distance, exact_below=exact_below)
    quantizer = _quantizer(options)
    if options.index_type == "flat":
        index: Any = Configure.VectorIndex.flat(distance_metric=distance)
    elif options.index_type == "dynamic":
        # Codes belong to the graph: as long as there is none, every vector is looked at.
        graph.quantizer = quantizer
        flat = Configure.VectorIndex.flat(distance_metric=distance)
        index = Configure.VectorIndex.dynamic(distance_metric=distance, hnsw=graph, flat=flat)
        quantizer = None
    else:
        index = graph
    replicas = options.replication_factor
    return {
        "vector_config": Configure.Vectors.self_provided(vector_index_config=index, quantizer=quantizer),
        "multi_tenancy_config": _tenants(options),
        "replication_config": None if replicas is None else Configure.replication(factor=replicas),
    }


def _tenants(options: WeaviateOptions) -> Any:
    if not options.multi_tenancy:
        return None
    return Configure.multi_tenancy(enabled=True, auto_tenant_creation=True, auto_tenant_activation=True)


def _graph(info: CollectionInfo, distance: VectorDistances, *, exact_below: int) -> Any:
    options = options_of(info)
    return Configure.VectorIndex.hnsw(
        distance_metric=distance,
        ef=-1,
        dynamic_ef_min=_least(info),
        dynamic_ef_max=_MOST_CANDIDATES if options.quantization in _CANDIDATES else _DYNAMIC_MOST,
        flat_search_cutoff=exact_below,
        max_connections=options.max_connections,
        ef_construction=options.ef_construction,
    )


def _quantizer(options: WeaviateOptions) -> Any:
    quantizers, is_flat_index = Configure.VectorIndex.Quantizer, options.index_type == "flat"
    match options.quantization:
        case None | "none":
            return quantizers.none()
        case "pq":
            return quantizers.pq()
        case "bq":
            # Over a graph all candidates are scored again, whatever their number.
            return quantizers.bq(rescore_limit=_CANDIDATES["bq"] if is_flat_index else None)
        case "sq":
            return quantizers.sq(rescore_limit=_CANDIDATES["sq"])
        case "rq":
            return quantizers.rq(rescore_limit=_CANDIDATES["rq"])


def settings_of(native: Any, vector_name: str) -> dict[str, Any]:
    """The class's configuration as the server reports it, under the names of the options."""
    vectors = (native.vector_config or {}).get(vector_name)
    index = native.vector_index_config if vectors is None else vectors.vector_index_config
    graph = getattr(index, "hnsw", index)
    codes = getattr(graph, "quantizer", None)
    return {
        "index_type": None if index is None else str(index.vector_index_type()),
        "max_connections": getattr(graph, "max_connections", None),
        "ef_construction": getattr(graph, "ef_construction", None),
        "ef": getattr(graph, "ef", None),
        "dynamic_ef_min": getattr(graph, "dynamic_ef_min", None),
        "quantization": "none" if codes is None else type(codes).__name__.strip("_").removesuffix("Config").lower(),
        "rescore_limit": getattr(codes, "rescore_limit", None),
        "multi_tenancy": native.multi_tenancy_config.enabled,
        "replication_factor": native.replication_config.factor,
    }
