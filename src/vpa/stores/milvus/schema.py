"""The fields of a collection of ours."""

from __future__ import annotations

from typing import Any, Final

from pymilvus import AsyncMilvusClient, DataType

from vpa.base.records import CollectionInfo
from vpa.stores.milvus import filters
from vpa.stores.milvus.convert import MAX_PIECES, NATIVE, PAYLOAD, VECTOR

_SCOPE_LENGTH: Final = 129  # Tenant and namespace of 64 characters each, and what stands between them.


def schema_of(info: CollectionInfo, *, by_scope: bool) -> Any:
    """For the client's `create_collection`. `by_scope`: the scope says in which partition a row stands."""
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
