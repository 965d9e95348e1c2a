"""What it would take to embed what a dry run found."""

from __future__ import annotations

import time
from typing import Any, Final

from vpa.embeddings.batched import BatchedEmbedder
from vpa.rag.intake.report import FilesReport

# As English has them, and most models count them.
_CHARACTERS_PER_TOKEN: Final = 4
_SAMPLE: Final = 16
_SENTENCE: Final = "The tide rises and falls twice a day, as the moon and the sun draw the water of the sea. "


async def estimated(
    embedder: BatchedEmbedder, report: FilesReport, *, price_per_million: float | None
) -> dict[str, Any]:
    """`tokens`, `price`, and unless a price is set, so that asking costs money, `seconds_to_embed`."""
    tokens = report.characters // _CHARACTERS_PER_TOKEN
    estimate: dict[str, Any] = {"tokens": tokens, "price": None}
    if price_per_million is not None:
        return estimate | {"price": round(tokens * price_per_million / 1e6, 4)}
    if report.chunks:
        length = min(4000, report.characters // report.chunks)
        text = (_SENTENCE * (length // len(_SENTENCE) + 1))[:length]
        sample = [f"{number} {text}" for number in range(_SAMPLE)]
        await embedder.queries(sample[:1])
        started = time.perf_counter()
        await embedder.queries(sample)
        estimate["seconds_to_embed"] = (time.perf_counter() - started) / _SAMPLE * report.chunks
    return estimate
