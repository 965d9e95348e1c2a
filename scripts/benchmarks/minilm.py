"""MiniLM by NumPy next to sentence-transformers (where it is installed) on the same passages, in turn, one run.

Passages are Cranfield chunks as the demo makes them. Without sentence-transformers only our column is printed.
"""

from __future__ import annotations

import json
import lzma
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import median_ms, table

from vpa.embeddings.minilm import MiniLMEmbedder
from vpa.embeddings.weights import find_weights
from vpa.rag.chunking.splitter import chunk_text

DATA = Path(__file__).resolve().parents[2] / "data" / "cranfield" / "corpus.jsonl.xz"
PASSAGES, ROUNDS = 128, 5
QUERY = "what similarity laws must be obeyed when constructing aeroelastic models of heated high speed aircraft"


def passages() -> list[str]:
    """The first chunks, with their titles."""
    result: list[str] = []
    with lzma.open(DATA, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            result += [f"{row['title']}. {chunk.text}" for chunk in chunk_text(row["text"], size=1000, overlap=150)]
            if len(result) >= PASSAGES:
                return result[:PASSAGES]
    return result


def peer() -> Callable[[Sequence[str]], Any] | None:
    """sentence-transformers on the same weights."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    model = SentenceTransformer(str(find_weights(None)), device="cpu")
    return lambda texts: model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)


def main() -> None:
    """Rounds in turn; medians."""
    texts, ours, theirs = passages(), MiniLMEmbedder().embed, peer()
    short = [text[:120] for text in texts]
    rows: list[tuple[str, str]] = []
    for name, sample in (("chunks of up to 1,000 characters", texts), ("short texts of 120 characters", short)):
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(ROUNDS):
            for who, embed in (("ours", ours), ("theirs", theirs)):
                if embed is not None:
                    started = time.perf_counter()
                    embed(sample)
                    times[who].append(time.perf_counter() - started)
        mine = PASSAGES / statistics.median(times["ours"])
        line = f"{mine:6.1f} passages/s"
        if times["theirs"]:
            other = PASSAGES / statistics.median(times["theirs"])
            line += f"; sentence-transformers {other:6.1f}; ratio {mine / other:.2f}"
        rows.append((name, line))
    line = f"{median_ms(lambda: ours([QUERY]), runs=20):.1f} ms"
    if theirs is not None:
        line += f"; sentence-transformers {median_ms(lambda: theirs([QUERY]), runs=20):.1f} ms"
        cosine = float((ours(texts).astype(np.float64) * theirs(texts)).sum(axis=1).min())
        rows.append(("least cosine between the two", f"{cosine:.7f}"))
    rows.insert(2, ("one query", line))
    table(f"MiniLM in NumPy, {PASSAGES} Cranfield chunks, median of {ROUNDS} rounds", rows)


if __name__ == "__main__":
    main()
