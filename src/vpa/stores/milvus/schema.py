"""The fields of a collection of ours, and the indexes over them."""

from __future__ import annotations

import json
from typing import Any, Final

from pymilvus import AsyncMilvusClient, DataType

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.milvus import filters, options
from vpa.stores.milvus.convert import INFO, MAX_PIECES, NATIVE, PAYLOAD, VECTOR
from vpa.stores.milvus.words import add_sparse

_SCOPE_LENGTH: Final = 129  # Tenant and namespace of 64 characters each, and what stands between them.
_METRICS: Final = {Metric.COSINE: "IP", Metric.DOT: "IP", Metric.EUCLIDEAN: "L2"}


def creation_of(info: CollectionInfo, *, lite: bool) -> dict[str, Any]:
    """Arguments of `Connection.create`; raises ConfigurationError for options that Lite does not have.

    By default the index is FLAT, which is exact, and reads are strongly consistent.
    """
    chosen = options.options_of(info)
    if lite:
        options.check_lite(chosen)
    schema = schema_of(info, by_scope=chosen.partitions is not None)
    index = AsyncMilvusClient.prepare_index_params()
    index.add_index(VECTOR, metric_type=_METRICS[info.metric], **options.index_parameters(chosen, lite=lite))
    add_sparse(schema, index, info)
    return {
        "schema": schema,
        "index": index,
        "replicas": chosen.replicas or 1,
        "properties": {INFO: json.dumps(info.to_json()), **options.properties(chosen)},
        **options.creation_arguments(chosen),
    }


def schema_of(info: CollectionInfo, *, by_scope: bool) -> Any:
    """All fields but those of sparse vectors. `by_scope`: the scope says in which partition a row stands."""
    schema = AsyncMilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(filters.KEY, DataType.VARCHAR, is_primary=True, max_length=36)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=info.dimension)
    schema.add_field(filters.NUMBER, DataType.INT64)
    schema.add_field(filters.SCOPE, DataType.VARCHAR, max_length=_SCOPE_LENGTH, is_partition_key=by_scope)
    schema.add_field(filters.TOKENS, DataType.VARCHAR, max_length=65_535)
    schema.add_field(filters.COMPANIONS, DataType.JSON)
    schema.add_field(PAYLOAD, DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=MAX_PIECES, max_length=65_535)
    schema.add_field(NATIVE, DataType.JSON)
    return schema
