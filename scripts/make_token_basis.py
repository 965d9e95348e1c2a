"""Writes src/vpa/embeddings/minilm/token_basis.npy: principal components of MiniLM's token vectors.

`python make_token_basis.py CORPUS.jsonl [OUTPUT]`. What is shipped was made of Cranfield's documents: of the last
layer's states, without the two marks and not centred, 64 components of the tokens and 128 of the sums over 16
neighbouring tokens, both at unit length; as float16, side by side. The same texts give the same file, up to the
rounding of the BLAS that is used.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from vpa.embeddings.minilm.basis import STRETCH_WIDTH, WIDTH, stretches
from vpa.embeddings.minilm.model import DIMENSION, MiniLM
from vpa.kit.blas import single_threaded

TARGET = Path(__file__).resolve().parent.parent / "src" / "vpa" / "embeddings" / "minilm" / "token_basis.npy"


class Moments:
    """The sum of the outer products of unit vectors, `(384, 384) float64`."""

    def __init__(self) -> None:
        self.total = np.zeros((DIMENSION, DIMENSION))

    def add(self, rows: np.ndarray) -> None:
        """Rows of any length."""
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self.total += (unit.T @ unit).astype(np.float64)

    def components(self, width: int) -> np.ndarray:
        """`(384, width)`; says how much of the squared length they hold."""
        values, vectors = np.linalg.eigh(self.total)
        basis = vectors[:, ::-1][:, :width]
        print(
            f"{width} of {DIMENSION} components: {values[::-1][:width].sum() / values.sum():.3f} of the squared length"
        )
        # The sign of a component means nothing: the greatest entry is positive.
        return basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(width)])


def main() -> None:
    """Write the basis."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=TARGET)
    options = parser.parse_args()
    lines = map(json.loads, options.corpus.read_text("utf-8").splitlines())
    texts = [f"{line.get('title') or ''}. {line['text']}" for line in lines if line["text"].strip()]
    tokens, sums = Moments(), Moments()
    with single_threaded():
        for states in MiniLM().token_states(texts):
            tokens.add(states)
            sums.add(stretches(states))
        basis = np.concatenate([tokens.components(WIDTH), sums.components(STRETCH_WIDTH)], axis=1)
    np.save(options.output, basis.astype(np.float16), allow_pickle=False)
    print(f"{options.output}: {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
