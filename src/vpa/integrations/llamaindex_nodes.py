"""Between LlamaIndex's nodes and records, and its metadata filters in vpa's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llama_index.core.schema import BaseNode, ImageNode, IndexNode, MetadataMode, Node, TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import metadata_dict_to_node

from vpa.base.errors import InvalidFilterError, InvalidRecordError, UnsupportedFilterError
from vpa.base.metadata import Scalar
from vpa.base.records import Match, Record, RecordBatch
from vpa.base.showing import shown
from vpa.filters import F, Filter
from vpa.filters.ast import ALWAYS, And, Not, Or
from vpa.integrations.payload import pack, unpack

# Names in `Record.system`.
NODE_ID: Final = "node_id"
REF_DOC_ID: Final = "ref_doc_id"
_NODE: Final = "node_json"
_TYPE: Final = "node_type"
# Nodes whose text is no field of their own; every other one comes back as a TextNode, as LlamaIndex reads them.
_OF_OTHER_PARTS: Final = (Node.class_name(), IndexNode.class_name(), ImageNode.class_name())
_JSON: Final = json.JSONEncoder(ensure_ascii=False)
# Kept apart from the rest of a node: in the record's own columns.
_APART: Final = {"metadata", "embedding", "text", "text_resource"}
# What LlamaIndex's own stores write into metadata for the id of a node's document.
_DOCUMENT_KEYS: Final = ("ref_doc_id", "doc_id")
_OPERATORS: Final[Mapping[FilterOperator, Callable[[F, Any], Filter]]] = {
    FilterOperator.EQ: lambda field, value: field == value,
    FilterOperator.NE: lambda field, value: field != value,
    FilterOperator.GT: lambda field, value: field > value,
    FilterOperator.GTE: lambda field, value: field >= value,
    FilterOperator.LT: lambda field, value: field < value,
    FilterOperator.LTE: lambda field, value: field <= value,
    FilterOperator.IN: lambda field, value: field.is_in(value),
    FilterOperator.NIN: lambda field, value: field.not_in(value),
    FilterOperator.ANY: lambda field, value: field.contains_any(*value),
    FilterOperator.ALL: lambda field, value: field.contains_all(*value),
    FilterOperator.CONTAINS: lambda field, value: field.contains(value),
    FilterOperator.IS_EMPTY: lambda field, value: field.missing() | (field == ""),
}


def batch_of(nodes: Sequence[BaseNode]) -> RecordBatch:
    """The records of nodes of different ids that are embedded; raises InvalidRecordError for one that is not."""
    bare = next((node for node in nodes if node.embedding is None), None)
    if bare is not None:
        raise InvalidRecordError(f"node {bare.node_id!r} has no embedding; an index embeds nodes before it adds them")
    vectors: Any = [node.embedding for node in nodes]
    parts = [_parts_of(node) for node in nodes]
    return RecordBatch(
        ids=[node.node_id for node in nodes],
        vectors=vectors,
        texts=[node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes],
        metadata=[metadata for metadata, _ in parts],
        system=[system for _, system in parts],
    )


def _parts_of(node: BaseNode) -> tuple[dict[str, Any], dict[str, Scalar]]:
    """Metadata and system fields."""
    # What is left out is not turned into JSON first: the embedding would be most of it.
    rest = node.model_dump(mode="json", exclude=_APART, exclude_defaults=True)
    metadata, system = pack(node.metadata)
    system |= {
        NODE_ID: node.node_id,
        REF_DOC_ID: node.ref_doc_id,
        _NODE: _JSON.encode(rest),
        _TYPE: node.class_name(),
    }
    return metadata, system


def node_of(source: Record | Match) -> BaseNode:
    """The node of a record; its metadata is the record's, also where that was changed by others since."""
    kept, kind = source.system.get(_NODE), source.system.get(_TYPE)
    if kept is None:
        kept = json.dumps({"id_": source.id})
    if kind not in _OF_OTHER_PARTS:
        content = json.loads(str(kept)) | {
            "text": source.text or "",
            "metadata": unpack(source.metadata, source.system),
        }
        text_node: BaseNode = TextNode.from_dict(content)
        return text_node
    content = {"_node_content": kept, "_node_type": kind}
    node: BaseNode = metadata_dict_to_node(content, text=source.text or None)
    node.metadata = unpack(source.metadata, source.system)
    return node


def condition_of(
    filters: MetadataFilters | None,
    *,
    node_ids: Sequence[str] | None = None,
    document_ids: Sequence[str] | None = None,
) -> Filter:
    """All three at once; raises UnsupportedFilterError for operators that vpa does not have."""
    parts: list[Filter] = []
    if filters is not None:
        parts.append(_all_of(filters))
    if node_ids is not None:
        parts.append(F.system(NODE_ID).is_in(node_ids))
    if document_ids is not None:
        parts.append(F.system(REF_DOC_ID).is_in(document_ids))
    return And(tuple(parts)) if parts else ALWAYS


def _all_of(filters: MetadataFilters) -> Filter:
    if not isinstance(filters, MetadataFilters):
        raise InvalidFilterError(
            "filters is LlamaIndex's MetadataFilters(filters=[MetadataFilter(key=…, value=…, operator=…)]), not "
            f"{shown(filters)}"
        )
    parts = tuple(_all_of(part) if isinstance(part, MetadataFilters) else _single(part) for part in filters.filters)
    if not parts:
        return ALWAYS
    if filters.condition == FilterCondition.OR:
        return Or(parts)
    # LlamaIndex's NOT: none of them.
    return Not(Or(parts)) if filters.condition == FilterCondition.NOT else And(parts)


def _single(condition: MetadataFilter) -> Filter:
    build = _OPERATORS.get(condition.operator)
    if build is None:
        raise UnsupportedFilterError(
            f"vpa has no {condition.operator.value!r} ({condition.key!r}, {condition.value!r}); it has "
            f"{', '.join(operator.value for operator in _OPERATORS)}"
        )
    field = F.system(REF_DOC_ID) if condition.key in _DOCUMENT_KEYS else F(condition.key)
    return build(field, condition.value)
