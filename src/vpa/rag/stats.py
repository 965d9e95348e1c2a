"""What the RAG system counts about itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from vpa.rag.documents import IngestReport

_WINDOW: Final = 1000  # The last searches that percentiles are taken from.


@dataclass(slots=True)
class SystemCounters:
    """Totals since the start, and the latest 1,000 response times in seconds."""

    total_searches: int = 0
    failed_searches: int = 0
    cache_hits: int = 0
    documents_added: int = 0
    documents_updated: int = 0
    documents_deleted: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    chunks_cached: int = 0
    chunks_recut: int = 0
    titles_shortened: int = 0
    total_response_time: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def added(self, report: IngestReport) -> None:
        """Count new documents and their chunks."""
        self.documents_added += report.documents
        self._chunks(report)

    def updated(self, report: IngestReport) -> None:
        """Count changed documents and their chunks."""
        self.documents_updated += report.documents
        self._chunks(report)

    def _chunks(self, report: IngestReport) -> None:
        self.chunks_embedded += report.chunks - report.reused - report.cached
        self.chunks_reused += report.reused
        self.chunks_cached += report.cached
        self.chunks_recut += report.recut
        self.titles_shortened += report.shortened_titles

    def searched(self, seconds: float, *, cached: bool) -> None:
        """Count an answered search."""
        self.total_searches += 1
        self.cache_hits += cached
        self.total_response_time += seconds
        self.recent.append(seconds)

    def search_statistics(self) -> dict[str, Any]:
        """Counts and times, in seconds, of the searches so far."""
        ordered = sorted(self.recent)
        total = self.total_searches
        return {
            "total_searches": total,
            "failed_searches": self.failed_searches,
            "avg_response_time": self.total_response_time / total if total else 0.0,
            "p50_response_time": ordered[len(ordered) // 2] if ordered else 0.0,
            "p95_response_time": ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else 0.0,
            "cache_hits": self.cache_hits,
            "cache_misses": total - self.cache_hits,
            "cache_hit_rate": self.cache_hits / total if total else 0.0,
        }
