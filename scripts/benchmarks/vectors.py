"""The vectors that searches are measured on: embeddings of real text, and points between real neighbours.

Text: the sentences of Cranfield, then paragraphs of prose found on this machine (documentation of Python, its packages
and other programs), each once. MiniLM embeds the first REAL of them, which takes minutes and is kept in `.vpa-bench/`.
Rows
beyond those are drawn between a real vector and one of its eight nearest: `unit(w a + (1 - w) b)`, w from 0.2 to 0.8.
Queries
are Cranfield's questions and held-out passages, never rows. More dimensions than
MiniLM's 384: the vector x beside tanh(x W) for a fixed normal W, brought to length 1 (no model of 1,536 dimensions
ships here).
"""

from __future__ import annotations

import json
import lzma
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("VPA_BENCH_CACHE", ROOT / ".vpa-bench"))
DATA = ROOT / "data" / "cranfield"
REAL, QUERIES, NEIGHBOURS = 40_000, 1_400, 8
SPREAD = 0.05
_SHORTEST, _LONGEST = 60, 240
_PROSE = re.compile(r"[A-Z][^\n]*(?:\n[^\n]+)*")
_DOCUMENTS = (
    "/usr/share/doc",
    "/usr/share/vim",
    "/usr/share/cmake-*/Help",
    "/usr/lib/node_modules/npm/docs",
    "/usr/share/perl",
)
Matrix = NDArray[np.float32]


def _lines(name: str) -> Iterator[dict[str, str]]:
    opened = lzma.open if name.endswith(".xz") else open
    with opened(DATA / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _files() -> Iterator[Path]:
    python = Path(os.__file__).parent
    yield from sorted(python.rglob("*.py"))
    if sys.prefix != sys.base_prefix:
        yield from sorted(Path(sys.prefix).rglob("*.md"))
    for pattern in _DOCUMENTS:
        for folder in sorted(Path("/").glob(pattern[1:])):
            yield from sorted(path for path in folder.rglob("*") if path.suffix in (".txt", ".rst", ".md", ".pod", ""))


def _texts_of(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    parts = re.findall(r'"""(.*?)"""', text, flags=re.DOTALL) if path.suffix == ".py" else [text]
    for part in parts:
        yield from _PROSE.findall(part)


def passages() -> Iterator[str]:
    """Different pieces of prose of 60 to 240 characters."""
    seen: set[str] = set()
    sentences = (part for row in _lines("corpus.jsonl.xz") for part in row["text"].split(" . "))
    prose = (text for path in _files() for text in _texts_of(path))
    for source in (sentences, prose):
        for found in source:
            text = " ".join(found.split())[:_LONGEST]
            letters = sum(letter.isalpha() or letter == " " for letter in text)
            if len(text) >= _SHORTEST and letters >= 0.9 * len(text) and text not in seen:
                seen.add(text)
                yield text


def _embedded() -> tuple[Matrix, Matrix]:
    """Real rows and queries."""
    kept = CACHE / f"minilm-{REAL}.npz"
    if kept.exists():
        with np.load(kept) as stored:
            return stored["rows"], stored["queries"]
    from vpa.embeddings.minilm.model import MiniLM

    questions = [row["text"] for row in _lines("queries.jsonl")]
    held_out = QUERIES - len(questions)
    texts = []
    for text in passages():
        texts.append(text)
        if len(texts) == REAL + held_out:
            break
    # Shuffled, so that every prefix holds every kind of text; those held out come from everywhere too.
    order = np.random.default_rng(0).permutation(len(texts))
    texts = [texts[place] for place in order.tolist()]
    print(f"embedding {len(texts):,} passages; this is done once", file=sys.stderr, flush=True)
    model = MiniLM()
    rows, asked = model.encode(texts), model.encode(questions)
    queries = np.concatenate([asked, rows[:held_out]])
    CACHE.mkdir(parents=True, exist_ok=True)
    np.savez(kept, rows=rows[held_out:], queries=queries)
    return rows[held_out:], queries


def _nearest(rows: Matrix) -> NDArray[np.int64]:
    result = np.empty((len(rows), NEIGHBOURS), dtype=np.int64)
    for start in range(0, len(rows), 1024):
        products = rows[start : start + 1024] @ rows.T
        products[np.arange(len(products)), np.arange(start, start + len(products))] = -2
        result[start : start + 1024] = np.argpartition(-products, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return result


def _between(rows: Matrix, count: int) -> Iterator[Matrix]:
    rng = np.random.default_rng(1)
    nearest = _nearest(rows)
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        one = rng.integers(len(rows), size=size)
        other = nearest[one, rng.integers(NEIGHBOURS, size=size)]
        weight = rng.uniform(0.2, 0.8, size=(size, 1)).astype(np.float32)
        yield unit(weight * rows[one] + (1 - weight) * rows[other])


def unit(matrix: Matrix) -> Matrix:
    """Rows brought to length 1, in place."""
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def _wide(matrix: Matrix, dimension: int) -> Matrix:
    extra = dimension - matrix.shape[1]
    if not extra:
        return matrix
    weights = np.random.default_rng(3).standard_normal((matrix.shape[1], extra), dtype=np.float32)
    result = np.empty((len(matrix), dimension), dtype=np.float32)
    for start in range(0, len(matrix), 10_000):
        part = matrix[start : start + 10_000]
        result[start : start + 10_000] = np.concatenate([part, np.tanh(part @ weights) * SPREAD], axis=1)
    return unit(result)


def dataset(count: int, dimension: int = 384) -> tuple[Matrix, Matrix]:
    """`(count, dimension)` rows and `(1_400, dimension)` queries, unit vectors, float32; the larger ones are kept as
    files.
    """
    kept = CACHE / f"rows-{count}x{dimension}.npy"
    real, queries = _embedded()
    queries = _wide(queries, dimension)
    if kept.exists():
        return np.load(kept), queries
    narrow = np.empty((count, 384), dtype=np.float32)
    done = min(count, len(real))
    narrow[:done] = real[:done]
    for part in _between(real, count - done) if count > done else ():
        narrow[done : done + len(part)] = part
        done += len(part)
    np.random.default_rng(2).shuffle(narrow)
    rows = _wide(narrow, dimension)
    np.save(kept, rows)
    return rows, queries
