"""The support matrix in the docs is what the adapters say, and enough is pushed down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import make_provider_matrix as matrix  # noqa: E402
from vpa.stores.registry import create_store  # noqa: E402

# One leaf in fourteen asks how a text begins, which only the engine and PostgreSQL say of every text in a list.
LEAST = {
    "embedded": 1.0,
    "pgvector": 1.0,
    "chromadb": 0.89,
    "milvus": 0.89,
    "qdrant": 0.89,
    "weaviate": 0.89,
    "pinecone": 0.74,
}


@pytest.mark.parametrize("provider", LEAST)
def test_enough_leaves_are_pushed_down(provider: str) -> None:
    native, total = matrix.pushed_down(create_store(matrix.CONFIGS[provider]))
    assert total > 100
    assert native / total >= LEAST[provider]


@pytest.mark.parametrize("provider", LEAST)
def test_no_gap_is_ours(provider: str) -> None:
    assert [gap for gap in create_store(matrix.CONFIGS[provider]).capabilities.gaps if gap.kind == "ours"] == []


def test_the_page_is_current() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_provider_matrix.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
