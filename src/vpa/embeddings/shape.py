"""What any embedder returned, as a matrix of the contract, or an error that says what was expected and what came."""

from __future__ import annotations

from typing import Any

from vpa.base.arrays import FloatMatrix, VectorFormatError, as_float32, first_row_not_finite
from vpa.base.errors import EmbedderError
from vpa.base.showing import shown


def as_vectors(returned: Any, *, count: int, model: str, dimension: int | None = None) -> FloatMatrix:
    """`(count, d) float32` of finite numbers; `dimension` None accepts any d. Raises EmbedderError."""
    expected = f"expected {count} {'rows' if count != 1 else 'row'} of {dimension or 'equally many'} numbers"
    try:
        vectors = as_float32(_plain(returned), dimensions=2)
    except (VectorFormatError, TypeError) as error:
        raise EmbedderError(
            f"embedder {model} returned {_shown(returned)} for {count} texts; {expected}: it {error}"
        ) from error
    if len(vectors) != count or not vectors.shape[1] or dimension not in (None, vectors.shape[1]):
        raise EmbedderError(f"embedder {model} returned shape {vectors.shape} for {count} texts; {expected}")
    bad = first_row_not_finite(vectors)
    if bad is not None:
        raise EmbedderError(f"embedder {model} returned NaN or infinity in row {bad}; {expected}, all finite")
    return vectors


def _plain(returned: Any) -> Any:
    # Tensors of torch: `detach().cpu()` where they have it, so that gradients and devices do not matter.
    if hasattr(returned, "detach") and hasattr(returned, "cpu"):
        return returned.detach().cpu().numpy()
    return list(returned) if hasattr(returned, "__next__") else returned


def _shown(returned: Any) -> str:
    if hasattr(returned, "shape"):
        return f"{type(returned).__name__} of shape {tuple(returned.shape)}"
    if isinstance(returned, list | tuple):
        inner = type(returned[0]).__name__ if returned else "nothing"
        return f"a {type(returned).__name__} of {len(returned)} ({inner} first)"
    return f"{type(returned).__name__} ({shown(returned)})"
