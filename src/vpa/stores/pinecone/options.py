"""Store options in Pinecone's words, and its account of an index in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vpa.base.records import CollectionInfo
from vpa.stores.options import PineconeOptions


def options_of(info: CollectionInfo) -> PineconeOptions:
    """What the collection was made with."""
    return PineconeOptions.parse(info.store_options)


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
