"""What a first pass is: codes of rows in the order they came, and the rows that look nearest by them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.engine.selection import Selection


class Codes(ABC):
    """Codes of rows 0, 1, 2, …, added under the memory rule of `engine.writer.Writer`.

    Vectors and queries are rows of an inner-product space: greater `x·q` is nearer (see `space.py`). Dropped rows are
    left out by the caller; when rows get other numbers, codes are made anew.
    """

    name: ClassVar[str]
    # Whether rows are better brought around zero first: where products are estimated, their common part is only noise.
    wants_centred: ClassVar[bool] = False
    # Whether `candidates` can look at some of the rows only.
    takes_selections: ClassVar[bool] = True

    # More candidates than this are never asked for.
    deepest: ClassVar[int] = 4096

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    @abstractmethod
    def __len__(self) -> int:
        """How many rows have codes."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Memory that the codes take."""

    @abstractmethod
    def fit(self, sample: FloatMatrix) -> None:
        """Learn what the codes need from a random sample of rows `(s, d)`, before the first `add`."""

    @abstractmethod
    def add(self, vectors: FloatMatrix) -> None:
        """Append the codes of rows `(n, d)`."""

    def compact(self) -> None:  # noqa: B027 - most have none
        """Let go of room that adding left behind; called while nobody searches."""

    @abstractmethod
    def candidates(self, queries: FloatMatrix, m: int, *, count: int, chosen: Selection | None) -> list[RowNumbers]:
        """For each query the `m` rows that look nearest, unordered: of the first `count`, those `chosen` of these; None
        stands for all.

        Fewer only where fewer rows are chosen, or where codes have rows behind `count`.
        """

    @abstractmethod
    def ranks(self, queries: FloatMatrix, rows: RowNumbers, *, limit: int) -> RowNumbers:
        """At which place, from 0, each of `rows` `(m, k)` stands in the order of its query; `limit` where behind
        that.
        """

    @abstractmethod
    def dump(self) -> bytes:
        """Everything as bytes, for `load`."""

    @classmethod
    @abstractmethod
    def load(cls, data: memoryview, dimension: int) -> Codes:
        """What `dump` wrote; raises ValueError for anything else. May share memory with `data`."""
