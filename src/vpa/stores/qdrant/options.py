"""Store options in Qdrant's words, and its account of a collection in ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from qdrant_client import models

from vpa.base.records import CollectionInfo
from vpa.stores.options import QdrantOptions

# How many times as many candidates the codes propose, before the vectors themselves decide.
_OVERSAMPLING: Final = {"scalar": 2.0, "product": 4.0, "binary": 4.0}
_LEAST_CANDIDATES: Final = 128
_CLUSTER: Final = ("replication_factor", "write_consistency_factor")


def options_of(info: CollectionInfo) -> QdrantOptions:
    """What the collection was made with."""
    return QdrantOptions.parse(info.store_options)


def creation_arguments(options: QdrantOptions) -> dict[str, Any]:
    """Arguments of the client's `create_collection`; what was not set is left to the server."""
    graph = {"m": options.m, "ef_construct": options.ef_construct, "on_disk": options.graph_on_disk}
    is_set = any(value is not None for value in graph.values())
    return {
        "hnsw_config": models.HnswConfigDiff(**graph) if is_set else None,
        "quantization_config": _quantization(options),
        "on_disk_payload": options.payload_on_disk,
        "shard_number": options.shard_number,
        "replication_factor": options.replication_factor,
        "write_consistency_factor": options.write_consistency_factor,
    }


def _quantization(options: QdrantOptions) -> Any:
    in_memory = options.codes_in_memory
    match options.quantization:
        case None:
            return None
        case "scalar":
            return models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(
                    type=models.ScalarType.INT8, quantile=options.quantile, always_ram=in_memory
                )
            )
        case "binary":
            return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=in_memory))
        case "product":
            ratio = models.CompressionRatio(options.compression or "x16")
            return models.ProductQuantization(
                product=models.ProductQuantizationConfig(compression=ratio, always_ram=in_memory)
            )


def oversampling(info: CollectionInfo, *, limit: int) -> float | None:
    """How many times as many candidates as wanted are scored by their vectors; None where there are no codes."""
    quantization = options_of(info).quantization
    return None if quantization is None else max(_OVERSAMPLING[quantization], _LEAST_CANDIDATES / limit)


async def check_cluster(options: QdrantOptions, status: Callable[[], Awaitable[Any]]) -> None:
    """Raise ConfigurationError for more replicas than there are nodes: Qdrant would accept them and keep fewer."""
    replicas, quorum = options.replication_factor or 1, options.write_consistency_factor or 1
    if quorum > replicas:
        raise options.refused(f"a write cannot wait for {quorum} of {replicas} replicas", names=_CLUSTER)
    if replicas == 1:
        return
    nodes = len(getattr(await status(), "peers", None) or [None])
    if nodes < replicas:
        raise options.refused(
            f"this Qdrant has {nodes} node{'s' if nodes > 1 else ''}, and each holds one replica",
            names=_CLUSTER,
            allowed={"replication_factor": f"an integer from 1 to {nodes}"},
        )


def settings_of(native: models.CollectionInfo) -> dict[str, Any]:
    """The collection's configuration as the server reports it, under the names of the options."""
    parameters, graph = native.config.params, native.config.hnsw_config
    vectors = parameters.vectors
    return {
        "m": graph.m,
        "ef_construct": graph.ef_construct,
        "on_disk": vectors.on_disk if isinstance(vectors, models.VectorParams) else None,
        "graph_on_disk": graph.on_disk,
        "payload_on_disk": parameters.on_disk_payload,
        **_codes(native.config.quantization_config),
        "shard_number": parameters.shard_number,
        "replication_factor": parameters.replication_factor,
        "write_consistency_factor": parameters.write_consistency_factor,
        "indexed_vectors": native.indexed_vectors_count,
    }


def _codes(quantization: Any) -> dict[str, Any]:
    for kind in ("scalar", "binary", "product"):
        codes = getattr(quantization, kind, None)
        if codes is not None:
            compression = getattr(codes, "compression", None)
            return {
                "quantization": kind,
                "quantile": getattr(codes, "quantile", None),
                "compression": None if compression is None else compression.value,
                "codes_in_memory": codes.always_ram,
            }
    return {"quantization": "none" if quantization is None else type(quantization).__name__}
