"""LangChain's structured queries (SelfQueryRetriever) in vpa's filter language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.structured_query import Comparator, Comparison, Operation, Operator, StructuredQuery, Visitor

from vpa.base.errors import UnsupportedFilterError

_COMPARATORS: Final[Mapping[Comparator, str]] = {
    Comparator.EQ: "$eq",
    Comparator.NE: "$ne",
    Comparator.GT: "$gt",
    Comparator.GTE: "$gte",
    Comparator.LT: "$lt",
    Comparator.LTE: "$lte",
    Comparator.CONTAIN: "$contains",
    Comparator.IN: "$in",
    Comparator.NIN: "$nin",
}


class VPATranslator(Visitor):
    """`SelfQueryRetriever(…, structured_query_translator=VPATranslator())`. All comparators but LIKE."""

    allowed_comparators = tuple(_COMPARATORS)
    allowed_operators = tuple(Operator)

    def visit_operation(self, operation: Operation) -> dict[str, Any]:
        """AND, OR, NOT."""
        parts = [part.accept(self) for part in operation.arguments]
        match operation.operator:
            case Operator.AND:
                return {"$and": parts}
            case Operator.OR:
                return {"$or": parts}
        return {"$nor": parts} if len(parts) == 1 else {"$not": {"$and": parts}}

    def visit_comparison(self, comparison: Comparison) -> dict[str, Any]:
        """One condition. Raises UnsupportedFilterError for LIKE."""
        operator = _COMPARATORS.get(comparison.comparator)
        if operator is None:
            raise UnsupportedFilterError(
                f"vpa has no {comparison.comparator} ({comparison.attribute!r}, {comparison.value!r}); it has "
                "$starts_with and $iequals"
            )
        return {comparison.attribute: {operator: _plain(comparison.value)}}

    def visit_structured_query(self, structured_query: StructuredQuery) -> tuple[str, dict[str, Any]]:
        """The query's text, and keywords for a search: `filter`, and `k` where a limit was asked for."""
        keywords: dict[str, Any] = {}
        if structured_query.filter is not None:
            keywords["filter"] = structured_query.filter.accept(self)
        if structured_query.limit is not None:
            keywords["k"] = structured_query.limit
        return structured_query.query, keywords


def _plain(value: Any) -> Any:
    """LangChain's parser writes a date as `{"date": "2024-01-31", "type": "date"}`."""
    if isinstance(value, Mapping) and "type" in value:
        return value.get(str(value["type"]), value)
    return list(value) if isinstance(value, tuple) else value
