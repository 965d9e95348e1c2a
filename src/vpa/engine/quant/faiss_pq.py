"""Four bits for each four dimensions, by faiss, for people who have it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.engine.quant.compiled import CompiledCodes
from vpa.engine.selection import Selection
from vpa.kit.blas import single_threaded

if TYPE_CHECKING:
    import faiss

_GROUP: Final = 4  # Dimensions under one code of 4 bits: 96 codes at 384 dimensions.


class FaissCodes(CompiledCodes):
    """Product quantisation with 16 centroids a group (Jégou et al. 2011), looked up in registers (`IndexPQFastScan`).

    It cannot look at some rows only: a filter is answered from a deeper pass, or by other codes.
    """

    name: ClassVar[str] = "faiss"
    wants_centred: ClassVar[bool] = True
    multiple: ClassVar[int] = _GROUP
    takes_selections: ClassVar[bool] = False

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        import faiss

        self._index: faiss.IndexPQFastScan = faiss.IndexPQFastScan(
            self._width, self._width // _GROUP, 4, faiss.METRIC_INNER_PRODUCT
        )
        # A search while rows are added would read memory that moves.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def size_bytes(self) -> int:
        """Half a byte a group."""
        return len(self) * self._width // _GROUP // 2

    def fit(self, sample: FloatMatrix) -> None:
        """The centroids, by k-means."""
        with self._lock, _one_thread():
            self._index.pq.cp.min_points_per_centroid = 1
            self._index.train(self._padded(sample))

    def add(self, vectors: FloatMatrix) -> None:
        """Assign each group to its nearest centroid."""
        padded = self._padded(vectors)
        with self._lock, _one_thread():
            self._index.add(padded)

    def nearest(self, queries: FloatMatrix, k: int, chosen: Selection | None) -> RowNumbers:
        """By tables of products in registers."""
        if chosen is not None:
            raise NotImplementedError("faiss's fast scan takes no selection of rows")
        with self._lock, _one_thread():
            _, rows = self._index.search(self._padded(queries), k)
        found: RowNumbers = rows
        return found

    def dump(self) -> bytes:
        """The index in faiss's own format, as bytes."""
        import faiss

        with self._lock:
            data: bytes = faiss.serialize_index(self._index).tobytes()
        return data

    @classmethod
    def load(cls, data: memoryview, dimension: int) -> FaissCodes:
        """Raises ValueError for bytes of another kind or dimension."""
        import faiss

        result = cls(dimension)
        try:
            index: Any = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        except RuntimeError as error:
            raise ValueError(f"these are no codes of faiss ({error})") from error
        if not isinstance(index, faiss.IndexPQFastScan) or index.d != result._width:
            raise ValueError(f"these codes are not of {dimension} dimensions")
        result._index = index
        return result


@contextmanager
def _one_thread() -> Iterator[None]:
    """faiss on the calling thread only: it runs in our workers, and for such codes its own threads only cost.

    20,000 × 384 on two cores: training takes 0.5 s on one thread, 1.4 s on two, 28 s on two beside a busy neighbour.
    """
    import faiss

    # OpenMP keeps the number per calling thread.
    faiss.omp_set_num_threads(1)
    with single_threaded():
        yield
