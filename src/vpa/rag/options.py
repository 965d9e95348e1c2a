"""The knobs of the RAG system, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from vpa.base.records import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class RagOptions:
    """Chunk sizes in characters, cache size in bytes, times in seconds."""

    collection: str = "vpa-index"
    dimension: int | None = None
    metric: str = Metric.COSINE
    chunk_size: int = 1000
    chunk_overlap: int = 150
    cache_bytes: int = 1024 << 20
    cache_ttl_s: float = 300.0
