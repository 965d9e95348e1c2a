"""What keyword search reads of a record."""

from __future__ import annotations

from collections.abc import Mapping

from vpa.base.metadata import Scalar


def worded(text: str | None, system: Mapping[str, Scalar] | None = None) -> str:
    """The text, with the title that the RAG layer keeps with a chunk twice before it.

    What a document is called says more of it than any of its sentences (BM25F with weight 2; docs/retrieval.md).
    """
    title = system.get("title") if system else None
    return f"{title}\n{title}\n{text or ''}" if title else text or ""
