"""What keyword search reads of rows, and the index of it that stands beside them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from vpa.analysis.analyser import Analyser
from vpa.engine.lexical.index import WordIndex
from vpa.engine.rows import RowStore

# Two threads may ask for the first time at once.
_BEGINNING: Final = threading.Lock()


def wording(rows: RowStore, numbers: Sequence[int]) -> list[str]:
    """The texts of these rows, each with the title that the RAG layer keeps with a chunk twice before it.

    What a document is called says more of it than any of its sentences (BM25F with weight 2; docs/retrieval.md).
    """
    texts = [text or "" for text in rows.texts_of(numbers)]
    if rows.system.is_blank:
        return texts
    titles = [fields.get("title") for fields in rows.system_of(numbers)]
    return [f"{title}\n{title}\n{text}" if title else text for title, text in zip(titles, texts, strict=True)]


def word_index(rows: RowStore, analyser: Analyser) -> WordIndex:
    """The words of the rows as this analyser sees them; a new index where there is none of it yet."""
    with _BEGINNING:
        known = rows.words
        if known is None or known.analyser.identity != analyser.identity:
            rows.words = known = WordIndex.of(analyser)
        return known
