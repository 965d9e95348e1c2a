"""What `health()`, `explain()` and `get_statistics()` answer: plain dicts at run time, with these keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class Health(TypedDict):
    """Whether a store answers. A store adds facts of its own, such as its version."""

    provider: str
    connected: bool
    healthy: bool
    latency_s: NotRequired[float]
    """Of a healthy one."""
    client_version: NotRequired[str | None]
    concerns: NotRequired[list[str]]
    """What works, and will not for ever or not for all: sentences."""
    error: NotRequired[str]
    """Of one that is not healthy, with the `code` of the error."""
    code: NotRequired[str]


class Leaves(TypedDict):
    """How many conditions of a filter are evaluated where."""

    native: int
    residual: int


class Explanation(TypedDict):
    """What a store evaluates of a filter (`native`, in its language) and what is left to vpa (`residual`)."""

    provider: str
    collection: str
    filter: Any
    native: Any
    residual: Any
    complete: bool
    """Whether the store evaluates all of it."""
    leaves: Leaves
    keywords: str
    """By what a keyword search of the store finds its candidates, which are all scored by one formula."""
    unknown_fields: NotRequired[dict[str, str | None]]
    """Fields that no record of the scope has, each with the most similar name that exists."""


class VerbStatistics(TypedDict):
    """Of one verb; times in seconds."""

    calls: int
    errors: int
    avg_s: float
    """Over all calls; the quantiles are over recent ones."""
    p50_s: float
    p95_s: float


class Statistics(TypedDict):
    """Calls since the manager was made, by verb, and facts on its open collections, by name."""

    provider: str
    connected: bool
    verbs: Mapping[str, VerbStatistics]
    collections: Mapping[str, Mapping[str, Any]]
