"""Keyword and hybrid searches: every store answers what the embedded engine answers, under statistics of the same
records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from deployments import STORES, RunningStores
from vpa.base.records import Record
from vpa.base.scope import Scope
from vpa.client.collection import Collection
from vpa.client.manager import VectorDatabaseManager
from vpa.filters import F
from vpa.stores.config import VectorDatabaseConfig

ROWS, DIMENSION, TOP = 400, 6, 10
WORDS = (
    "pumps leaking valve valves pressure 2.5.1 X-200b flow boundary layer heated wings supersonic nozzle shock waves "
    "flutter panels buckling shells cylinders 東京都 café running runners support@example.org the of and a turbulence"
)
VOCABULARY = WORDS.split()
FILTERS = (None, F("n") < 40, F("kind") == "odd", F("title").starts_with("t1"), ~((F("n") >= 100) & (F("n") < 380)))


def corpus(seed: int) -> list[Record]:
    """Texts of very different lengths, some of them empty; titles that the RAG layer would keep are left out."""
    rng = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, len(VOCABULARY) + 1) ** 0.8
    records = []
    for n in range(ROWS):
        length = int(rng.choice([0, 3, 12, 60, 400], p=[0.05, 0.25, 0.3, 0.3, 0.1]))
        words = rng.choice(rng.permutation(VOCABULARY), size=length, p=shares / shares.sum())
        metadata = {"n": n, "kind": "odd" if n % 2 else "even", "title": f"t{n}"}
        text = " ".join(words) if length else None
        records.append(Record(f"r{n:03d}", vector=rng.standard_normal(DIMENSION), text=text, metadata=metadata))
    return records


async def write(docs: Collection, scope: Scope) -> None:
    """Records, of which some are then written anew, some deleted, and some get other metadata."""
    await docs.upsert(corpus(1), scope=scope)
    anew = corpus(2)
    await docs.upsert(anew[50:120], scope=scope)
    await docs.delete([record.id for record in anew[110:140]], scope=scope)
    await docs.update_metadata([record.id for record in anew[200:230]], set={"kind": "other"}, scope=scope)


def same(answer: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]], case: Any) -> None:
    """Scores to 1e-4, and the same records but where two scores are as near as that."""
    assert [score for _, score in answer] == pytest.approx([score for _, score in expected], abs=1e-4), case
    scores = dict(expected)
    for (mine, score), (theirs, _) in zip(answer, expected, strict=True):
        assert mine == theirs or abs(scores.get(mine, expected[-1][1]) - score) < 2e-4, case


@pytest.mark.parametrize("form", STORES)
async def test_every_store_ranks_by_words_as_the_engine_does(stores: RunningStores, form: str) -> None:
    async with (
        VectorDatabaseManager(VectorDatabaseConfig()) as reference,
        VectorDatabaseManager(stores.config(form)) as db,
    ):
        engine = await reference.create_collection("words", dimension=DIMENSION, keywords="english")
        docs = await db.create_collection("words", dimension=DIMENSION, keywords="english")
        try:
            scopes = (Scope(), Scope("acme", "notes"))
            for scope in scopes:
                await write(engine, scope)
                await write(docs, scope)
            await docs.optimize()
            rng = np.random.default_rng(5)
            for number in range(40):
                question = " ".join(rng.choice(VOCABULARY[:-5], size=int(rng.integers(1, 9))))
                vector = rng.standard_normal(DIMENSION)
                place, node = scopes[number % 2], FILTERS[number % len(FILTERS)]
                options: Any = {"filter": node, "scope": place, "exact": True, "top_k": TOP}
                ours = await docs.search(text=question, mode="keyword", **options)
                theirs = await engine.search(text=question, mode="keyword", **options)
                case = (number, question, node)
                same([(m.id, m.score) for m in ours], [(m.id, m.score) for m in theirs], case)
                ours = await docs.search(vector, text=question, mode="hybrid", **options)
                theirs = await engine.search(vector, text=question, mode="hybrid", **options)
                same([(m.id, m.score) for m in ours], [(m.id, m.score) for m in theirs], case)
        finally:
            await db.drop_collection("words")
