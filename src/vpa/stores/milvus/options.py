"""Store options in Milvus's words, and its account of a collection in ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from vpa.base.records import FOREIGN, CollectionInfo
from vpa.stores.options import MilvusOptions

_EXACT: Final = "FLAT"
# Their distances are those of codes: candidates are scored again here, by their vectors.
_CODED: Final = ("IVF_SQ8", "IVF_RABITQ", "AUTOINDEX")
_M: Final = 16
_EF_CONSTRUCTION: Final = 200
_NLIST: Final = 128
_LEAST_CANDIDATES: Final = 128
_MOST_CANDIDATES: Final = 16_384
_EFFORTS: Final = (64, 128, 192, 256, 384, 512, 768, 1024, 2048)
_PROBES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# A quarter of the lists, and no fewer than these.
_LEAST_PROBES: Final = 32
# Milvus Lite (3.2.2) takes any index by name and fails to build it later, and passes over the rest.
_LITE: Final[Mapping[str, tuple[object, ...]]] = {
    "index_type": ("FLAT", "HNSW", "IVF_FLAT", "IVF_SQ8", "AUTOINDEX"),
    "shards": (1,),
    "replicas": (1,),
    "mmap": (False,),
    "consistency": ("Strong",),
    "partitions": (16,),
}


def options_of(info: CollectionInfo) -> MilvusOptions:
    """What the collection was made with."""
    return MilvusOptions.parse(info.store_options)


def index_type(info: CollectionInfo) -> str:
    """FLAT unless another was chosen."""
    return options_of(info).index_type or _EXACT


def is_exact(info: CollectionInfo) -> bool:
    """Whether every search looks at every vector."""
    return index_type(info) == _EXACT


def is_coded(info: CollectionInfo) -> bool:
    """Whether the distances that Milvus returns may be those of codes."""
    return index_type(info) in _CODED


def must_scan(info: CollectionInfo) -> bool:
    """Whether no setting makes Milvus's own search exact; with IVF_FLAT it is, in all lists."""
    return info.layout_version != FOREIGN and index_type(info) not in (_EXACT, "IVF_FLAT")


def check_lite(options: MilvusOptions) -> None:
    """Raise ConfigurationError for what Milvus Lite does not do."""
    strange = [name for name, values in _LITE.items() if getattr(options, name) not in (None, *values)]
    if strange:
        allowed = {name: ", ".join(map(str, values)) for name, values in _LITE.items()}
        raise options.refused(
            "the server is Milvus Lite, one process that keeps everything in one place", names=strange, allowed=allowed
        )


def index_parameters(options: MilvusOptions, *, lite: bool) -> dict[str, Any]:
    """Arguments of `add_index` beside field and metric.

    Lite reads an index's own parameters only where older clients put them, in an object of their own.
    """
    chosen = options.index_type or _EXACT
    parameters: dict[str, Any] = {}
    if chosen == "HNSW":
        parameters = {"M": options.m or _M, "efConstruction": options.ef_construction or _EF_CONSTRUCTION}
    elif chosen.startswith("IVF_"):
        parameters = {"nlist": options.nlist or _NLIST}
    if chosen == "IVF_RABITQ":
        parameters |= {"refine": True, "refine_type": "SQ8"}
    return {"index_type": chosen, "params": {"params": parameters} if lite and parameters else parameters}


def creation_arguments(options: MilvusOptions) -> dict[str, Any]:
    """Arguments of `create_collection` beside schema and description; reads are strongly consistent by default."""
    arguments: dict[str, Any] = {"consistency_level": options.consistency or "Strong"}
    if options.shards is not None:
        arguments["num_shards"] = options.shards
    if options.partitions is not None:
        arguments["num_partitions"] = options.partitions
    return arguments


def properties(options: MilvusOptions) -> dict[str, str]:
    """Properties of the collection that options stand for."""
    return {} if options.mmap is None else {"mmap.enabled": str(options.mmap).lower()}


def replicas_of(info: CollectionInfo | None) -> int:
    """How often the collection is to be loaded; others' collections once."""
    return 1 if info is None else options_of(info).replicas or 1


def efforts(info: CollectionInfo) -> tuple[int, ...]:
    """What may be tried for a promised recall: candidates of a graph, or lists."""
    chosen, nlist = index_type(info), options_of(info).nlist or _NLIST
    if chosen in ("HNSW", "DISKANN"):
        return _EFFORTS
    return tuple(sorted({min(nlist, probes) for probes in _PROBES})) if chosen.startswith("IVF_") else ()


def search_parameters(info: CollectionInfo, *, limit: int, exact: bool, effort: int | None) -> dict[str, Any]:
    """The index's own parameters of one search."""
    chosen, nlist = index_type(info), options_of(info).nlist or _NLIST
    if chosen == "HNSW":
        return {"ef": max(effort or _LEAST_CANDIDATES, limit)}
    if chosen == "DISKANN":
        return {"search_list": max(effort or _LEAST_CANDIDATES, limit)}
    if not chosen.startswith("IVF_"):
        return {}
    probes = nlist if exact else effort or min(nlist, max(_LEAST_PROBES, nlist // 4))
    return {"nprobe": probes, "refine_k": 4} if chosen == "IVF_RABITQ" else {"nprobe": probes}


def candidates(info: CollectionInfo, limit: int) -> int:
    """How many rows are asked for, so that the best `limit` by their vectors are among them."""
    return limit if not is_coded(info) else min(_MOST_CANDIDATES, max(_LEAST_CANDIDATES, 2 * limit))


def settings_of(described: Mapping[str, Any], index: Mapping[str, Any] | None, replicas: int | None) -> dict[str, Any]:
    """Milvus's account under the names of the options. `replicas` None: of Lite, which counts an empty partition."""
    about = dict(index or {})
    nested = about.get("params")
    about |= json.loads(nested) if isinstance(nested, str) else nested or {}
    mmap = (described.get("properties") or {}).get("mmap.enabled")
    keyed = any(field.get("is_partition_key") for field in described.get("fields") or ())
    settings = {
        "index_type": about.get("index_type"),
        "m": _number(about.get("M")),
        "ef_construction": _number(about.get("efConstruction")),
        "nlist": _number(about.get("nlist")),
        "shards": described.get("num_shards"),
        "mmap": None if mmap is None else str(mmap).lower() == "true",
        "consistency": described.get("consistency_level_name"),
        "partitions": int(described.get("num_partitions") or 0) - (replicas is None) if keyed else 0,
    }
    return settings if replicas is None else {**settings, "replicas": replicas}


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))
