"""Store options in Pinecone's words, and its account of an index in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.options import PineconeOptions

# Unit vectors under inner product come back as they were; whether "cosine" keeps their bits is not documented.
_METRICS: Final = {Metric.COSINE: "dotproduct", Metric.DOT: "dotproduct", Metric.EUCLIDEAN: "euclidean"}
# The fields of an index that the vectors API serves.
DENSE, SPARSE = "_values", "_sparse_values"


def options_of(info: CollectionInfo) -> PineconeOptions:
    """What the collection was made with."""
    return PineconeOptions.parse(info.store_options)


def schema_of(info: CollectionInfo) -> dict[str, Any]:
    """What the index holds: vectors, and where Pinecone can rank by them sparse values, for words or for sparse vectors
    of callers. These may be left out of every record, and an index that was made without cannot get them.
    """
    fields: dict[str, Any] = {
        DENSE: {"type": "dense_vector", "dimension": info.dimension, "metric": _METRICS[info.metric]}
    }
    # Whether dedicated nodes take them is not documented: there they have to be asked for.
    if info.metric is not Metric.EUCLIDEAN and (
        info.keywords is not None or info.sparse or not options_of(info).read_node_type
    ):
        fields[SPARSE] = {"type": "sparse_vector"}
    return {"fields": fields}


def creation_arguments(options: PineconeOptions, *, place: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of the client's `indexes.create`. `place`: cloud and region of the connection, where options say none.

    Dedicated nodes are scaled by hand: the only way that Pinecone has.
    """
    own = {"cloud": options.cloud, "region": options.region}
    chosen = {**place, **{name: value for name, value in own.items() if value is not None}}
    arguments: dict[str, Any] = {"deployment": {"deployment_type": "managed", **chosen}}
    if options.deletion_protection is not None:
        arguments["deletion_protection"] = options.deletion_protection
    if options.read_node_type is not None:
        nodes = {"shards": options.read_shards or 1, "replicas": options.read_replicas or 1}
        dedicated = {"node_type": options.read_node_type, "scaling": "Manual", "manual": nodes}
        arguments["read_capacity"] = {"mode": "Dedicated", "dedicated": dedicated}
    return arguments


def settings_of(model: Any) -> dict[str, Any]:
    """The index as the control plane describes it, under the names of the options."""
    dedicated = getattr(model.read_capacity, "dedicated", None)
    nodes = getattr(dedicated, "manual", None)
    return {
        "cloud": getattr(model.deployment, "cloud", None),
        "region": getattr(model.deployment, "region", None),
        "deletion_protection": model.deletion_protection,
        "read_capacity": "on demand" if dedicated is None else "dedicated",
        "read_node_type": getattr(dedicated, "node_type", None),
        "read_shards": getattr(nodes, "shards", None),
        "read_replicas": getattr(nodes, "replicas", None),
    }
