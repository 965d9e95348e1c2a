"""The longest time for which the RAG layer holds the event loop, verb by verb, on large documents.

A heartbeat sleeps a millisecond at a time on the same loop; what it oversleeps is the stall. Embeddings are constant,
so that cutting, counting, writing and listing are what is measured. `--window` counts tokens as MiniLM does. Python's
cyclic garbage collector holds every thread; `--no-collector` switches it off, so that the library's own is left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from common import table

from vpa.base.records import EmbeddingIdentity
from vpa.client.manager import VectorDatabaseManager
from vpa.embeddings.batched import BatchedEmbedder
from vpa.embeddings.contract import Embedder
from vpa.embeddings.minilm.model import MAX_TOKENS, MiniLM
from vpa.rag.options import RagOptions
from vpa.rag.system import EnhancedRAGSystem
from vpa.stores.config import VectorDatabaseConfig

BEAT_S = 0.001
DIMENSION = 384


class Constant(Embedder):
    """A row of ones for each text; with a window, MiniLM's tokens."""

    identity = EmbeddingIdentity(name="constant", dimension=DIMENSION)

    def __init__(self, counter: MiniLM | None) -> None:
        self._counter = counter

    @property
    def max_tokens(self) -> int | None:
        """MiniLM's, if tokens are counted."""
        return None if self._counter is None else MAX_TOKENS

    def count_tokens(self, texts: Any) -> list[int]:
        """MiniLM's."""
        return [] if self._counter is None else self._counter.count_tokens(texts)

    async def embed(self, texts: Any, *, kind: Any) -> Any:
        """Ones."""
        return np.ones((len(texts), DIMENSION), dtype=np.float32)


async def stall(work: Callable[[], Awaitable[Any]]) -> tuple[float, list[float]]:
    """Seconds that `work` took, and what the heartbeat overslept, in milliseconds."""
    beats: list[float] = []

    async def beat() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(BEAT_S)
            beats.append((time.perf_counter() - started - BEAT_S) * 1e3)

    heart = asyncio.create_task(beat())
    await asyncio.sleep(0.05)
    beats.clear()
    started = time.perf_counter()
    # The result is kept: to free it is the caller's business.
    result = await work()
    seconds = time.perf_counter() - started
    await asyncio.sleep(2 * BEAT_S)
    heart.cancel()
    del result
    return seconds, beats


def words(size: int) -> str:
    """Random words, `size` characters."""
    rng = random.Random(1)
    made, length = [], 0
    while length < size:
        made.append("".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))))
        length += len(made[-1]) + 1
    return " ".join(made)[:size]


async def main() -> None:
    """Print a row per verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--no-collector", action="store_true")
    parser.add_argument("--documents", type=int, default=20_000)
    args = parser.parse_args()
    if args.no_collector:
        gc.disable()
    counter = MiniLM() if args.window else None
    manager = VectorDatabaseManager(VectorDatabaseConfig())
    system = EnhancedRAGSystem(
        manager, BatchedEmbedder(lambda: Constant(counter), batch_size=64), options=RagOptions(), owns_manager=True
    )
    large, solid = words(5_000_000), "x" * 1_000_000
    many = [{"document_id": f"d{n}", "content": f"content of document {n}"} for n in range(args.documents)]
    rows = []
    async with system:
        verbs: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("add_document, 5 MB of words", lambda: system.add_document(document_id="large", content=large)),
            ("add_document, 1 MB without blanks", lambda: system.add_document(document_id="solid", content=solid)),
            ("update_document(metadata=), 5 MB", lambda: system.update_document("large", metadata={"a": 1})),
            ("get_document, 5 MB", lambda: system.get_document("large")),
            (f"add_documents, {args.documents:,}", lambda: system.add_documents(many)),
            (f"list_documents, {args.documents:,}", lambda: system.list_documents()),
            ("delete_document, 5 MB", lambda: system.delete_document("large")),
        ]
        for name, work in verbs:
            seconds, beats = await stall(work)
            late = sorted(beats)
            line = f"{late[-1]:6.1f} ms at most, {late[int(len(late) * 0.999)]:6.1f} ms p99.9, {seconds:6.2f} s in all"
            rows.append((name, line))
    table("The longest stall of the event loop", rows)


if __name__ == "__main__":
    asyncio.run(main())
