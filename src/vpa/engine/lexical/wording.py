"""What keyword search reads of rows, and the index of it that stands beside them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from vpa.analysis.analyser import Analyser
from vpa.analysis.wording import worded
from vpa.engine.lexical.index import WordIndex
from vpa.engine.rows import RowStore

# Two threads may ask for the first time at once.
_BEGINNING: Final = threading.Lock()


def wording(rows: RowStore, numbers: Sequence[int]) -> list[str]:
    """What keyword search reads of these rows."""
    if rows.system.is_blank:
        return [text or "" for text in rows.texts_of(numbers)]
    pairs = zip(rows.texts_of(numbers), rows.system_of(numbers), strict=True)
    return [worded(text, system) for text, system in pairs]


def word_index(rows: RowStore, analyser: Analyser) -> WordIndex:
    """The words of the rows as this analyser sees them; a new index where there is none of it yet."""
    with _BEGINNING:
        known = rows.words
        if known is None or known.analyser.identity != analyser.identity:
            rows.words = known = WordIndex.of(analyser)
        return known
