"""Word statistics of a collection on a store that counts no words: taken from the texts, and kept packed with it."""

from __future__ import annotations

import functools
import json
import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable
from typing import Final

from vpa.analysis.analyser import Analyser
from vpa.analysis.bm25 import WordStatistics
from vpa.base.errors import ProviderError
from vpa.base.keywords import WordSnapshot

# Terms whose frequencies are kept one by one: about 30 kB, packed. What is rarer counts as rare.
MOST_TERMS: Final = 8_192
# Terms that are counted at once; beyond, those that were met once are forgotten.
_COUNTED: Final = 2_000_000


class WordCensus:
    """Counts the terms of texts as they go by."""

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser
        self._frequencies: Counter[str] = Counter()
        self._records = self._terms = 0
        self.read = 0

    def add(self, texts: Iterable[str]) -> None:
        """Take in texts, as `worded` makes them of records."""
        for text in texts:
            self.read += 1
            terms = self._analyser.terms(text)
            if terms:
                self._records += 1
                self._terms += len(terms)
                self._frequencies.update(set(terms))
        if len(self._frequencies) > _COUNTED:
            self._frequencies = Counter({term: count for term, count in self._frequencies.items() if count > 1})

    def snapshot(self, *, version: int, total: int) -> WordSnapshot:
        """What was counted; where the collection has more records than were read, as many times of it."""
        times = max(1.0, total / self.read) if self.read else 1.0
        ranked = sorted(self._frequencies.items(), key=lambda entry: (-entry[1], entry[0]))
        rarer = ranked[MOST_TERMS:]
        rest = round(times * sum(count for _, count in rarer) / len(rarer)) if rarer else 0
        kept = {term: round(count * times) for term, count in sorted(ranked[:MOST_TERMS])}
        return WordSnapshot(
            version=version,
            records=round(self._records * times),
            mean_length=self._terms / self._records if self._records else 0.0,
            rest=rest,
            total=total,
            table=b64encode(zlib.compress(json.dumps(kept, separators=(",", ":")).encode(), 9)).decode(),
        )


@functools.lru_cache(maxsize=64)
def statistics_of(snapshot: WordSnapshot) -> WordStatistics:
    """What the formula needs, unpacked; raises ProviderError for a table that others changed."""
    try:
        table = json.loads(zlib.decompress(b64decode(snapshot.table)))
        frequencies = {str(term): int(count) for term, count in table.items()}
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise ProviderError(
            "the word statistics of the collection were changed by others; collection.optimize() makes them anew"
        ) from error
    return WordStatistics(
        records=snapshot.records,
        mean_length=snapshot.mean_length,
        frequencies=frequencies,
        rest=snapshot.rest,
    )
