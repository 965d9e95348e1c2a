"""The vectors of a collection in blocks: in memory, on a file, or coded with the originals let go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np

from vpa.base.arrays import FloatMatrix, RowNumbers
from vpa.base.index_options import IndexOptions, Quantization
from vpa.base.records import Metric
from vpa.engine.quant.scalar import CodedRows, Scalar

# Room in rows: small collections do not grow row by row, and large ones by no more than so many at once.
_SMALLEST: Final = 256
_LARGEST_DOUBLING: Final = 262_144
# A batch of so many rows, and of no fewer than there are, becomes a block as it is.
_SMALLEST_OWN: Final = 4096
_DECODED: Final = 4096
# A batch is looked at from so many rows on, up to so many of them; by so many queries.
_SEEN, _QUERIES, _TOP = (1_000, 8_000), 100, 10


class Block(Protocol):
    """Rows from `first_row` on; `used` of them are there."""

    first_row: int
    used: int

    @property
    def room(self) -> int:
        """How many rows could be there."""
        ...

    def take(self, rows: RowNumbers) -> FloatMatrix:
        """A new matrix of these rows, counted from the block's first."""
        ...

    def parts(self, count: int) -> Iterator[tuple[int, FloatMatrix]]:
        """The first `count` rows in order, as `(number in the block, matrix)`."""
        ...

    def write(self, position: int, rows: FloatMatrix | CodedRows) -> None:
        """Put rows where there is room."""
        ...


class FloatBlock:
    """A matrix with room at its end; untouched pages of it cost no memory."""

    def __init__(self, matrix: FloatMatrix, first_row: int, used: int) -> None:
        self.matrix, self.first_row, self.used = matrix, first_row, used

    @property
    def room(self) -> int:
        """Rows of the matrix."""
        return len(self.matrix)

    def take(self, rows: RowNumbers) -> FloatMatrix:
        """A copy of these rows."""
        return self.matrix.take(rows, axis=0)

    def parts(self, count: int) -> Iterator[tuple[int, FloatMatrix]]:
        """In one piece, not copied."""
        yield 0, self.matrix[:count]

    def write(self, position: int, rows: FloatMatrix | CodedRows) -> None:
        """Put rows in the room behind the last, as they are."""
        if isinstance(rows, CodedRows):
            raise TypeError("codes do not go where the originals are kept")
        self.matrix[position : position + len(rows)] = rows


class RowReader(Protocol):
    """Reads rows of float32 from a file."""

    def read_rows(self, rows: RowNumbers, into: FloatMatrix) -> None:
        """Row by row, in any order."""
        ...

    def read_span(self, first: int, into: FloatMatrix) -> None:
        """`len(into)` rows from `first` on."""
        ...


class FileBlock:
    """Rows of a file that is read, not mapped: so none of it stays in this process's memory, and a row costs one small
    read.

    A page fault of a mapped file may bring in two megabytes, and takes longer than the read.
    """

    def __init__(self, reader: RowReader, rows: int, dimension: int) -> None:
        self._reader, self._dimension = reader, dimension
        self.first_row, self.used = 0, rows

    @property
    def room(self) -> int:
        """No more than there are."""
        return self.used

    def take(self, rows: RowNumbers) -> FloatMatrix:
        """These rows, read from the file."""
        found = np.empty((len(rows), self._dimension), dtype=np.float32)
        self._reader.read_rows(rows, found)
        return found

    def parts(self, count: int) -> Iterator[tuple[int, FloatMatrix]]:
        """Read some thousands at a time."""
        for start in range(0, count, _DECODED):
            part = np.empty((min(_DECODED, count - start), self._dimension), dtype=np.float32)
            self._reader.read_span(start, part)
            yield start, part

    def write(self, position: int, rows: FloatMatrix | CodedRows) -> None:
        """Never: there is no room."""
        raise TypeError("a snapshot is not written to")


class CodedBlock:
    """Codes, decoded whenever vectors are asked for."""

    def __init__(self, scalar: Scalar, rows: CodedRows, first_row: int, used: int) -> None:
        self.scalar, self.rows, self.first_row, self.used = scalar, rows, first_row, used

    @classmethod
    def empty(cls, scalar: Scalar, room: int, first_row: int) -> CodedBlock:
        """Room for so many rows."""
        codes = np.empty((room, scalar.width), dtype=np.uint8)
        return cls(scalar, CodedRows(codes, np.empty(room, dtype=np.float32)), first_row, 0)

    @property
    def room(self) -> int:
        """Rows of the codes."""
        return len(self.rows)

    def take(self, rows: RowNumbers) -> FloatMatrix:
        """These rows, decoded to float32."""
        return self.scalar.decode(self.rows[rows])

    def parts(self, count: int) -> Iterator[tuple[int, FloatMatrix]]:
        """Decoded some thousands at a time."""
        for start in range(0, count, _DECODED):
            yield start, self.scalar.decode(self.rows[start : min(count, start + _DECODED)])

    def write(self, position: int, rows: FloatMatrix | CodedRows) -> None:
        """Coded, if they are not yet."""
        coded = rows if isinstance(rows, CodedRows) else self.scalar.encode(rows)
        self.rows.codes[position : position + len(rows)] = coded.codes
        self.rows.scales[position : position + len(rows)] = coded.scales


class Vectors:
    """Appended to under the memory rule of `engine.writer.Writer`: blocks in place, the list of blocks as a whole."""

    def __init__(self, dimension: int, metric: Metric, options: IndexOptions, *, scalar: Scalar | None = None) -> None:
        """`scalar` is that of an earlier store of the same collection."""
        self.dimension = dimension
        self.metric = metric
        self.options = options
        self.scalar = scalar
        self._blocks: list[Block] = []
        # Where the originals are let go: the share of the ten nearest that the codes keep, as seen on so many rows of
        # one batch.
        self.fidelity: tuple[float, int] | None = None

    @property
    def is_coded(self) -> bool:
        """Whether the originals are let go."""
        return not self.options.originals

    @property
    def filed_rows(self) -> int:
        """Rows at the beginning that are on a file and not in memory."""
        first = self._blocks[0] if self._blocks else None
        return first.used if isinstance(first, FileBlock) else 0

    def stats(self) -> dict[str, Any]:
        """Where the vectors are, and what was lost of them."""
        facts: dict[str, Any] = {"quantization": str(self.options.quantization), "originals": self.options.originals}
        if self.options.quantization is not Quantization.NONE and self.options.originals:
            facts["rows_on_disk_only"] = self.filed_rows
        if self.fidelity is not None:
            facts |= {"stored_recall": self.fidelity[0], "stored_recall_seen_on_rows": self.fidelity[1]}
        return facts

    def successor(self) -> Vectors:
        """No rows yet, and the same way to keep them."""
        result = Vectors(self.dimension, self.metric, self.options, scalar=self.scalar)
        result.fidelity = self.fidelity
        return result

    def add_block(self, block: Block) -> None:
        """Take over a block that was read from a file."""
        self._blocks = [*self._blocks, block]

    def move_to(self, block: FileBlock) -> None:
        """The first rows are on a file now, those of `block`: let the memory of them go. Called while nobody
        appends.
        """
        count = block.used
        kept: list[Block] = [block]
        for old in self._blocks:
            if old.first_row >= count:
                kept.append(old)
            elif old.first_row + old.used > count and isinstance(old, FloatBlock):
                rest = old.matrix[count - old.first_row : old.used].copy()
                kept.append(FloatBlock(rest, count, len(rest)))
        self._blocks = kept

    def reserve(self, count: int) -> None:
        """Room for `count` rows in one block, while there are none."""
        if count and not (self.is_coded and self.scalar is None):
            self._blocks = [self._new_block(count, 0)]

    def _new_block(self, room: int, first_row: int) -> Block:
        if self.is_coded and self.scalar is not None:
            return CodedBlock.empty(self.scalar, room, first_row)
        return FloatBlock(np.empty((room, self.dimension), dtype=np.float32), first_row, 0)

    def append(self, vectors: FloatMatrix | CodedRows) -> None:
        """Copy them, or keep the array that validation made."""
        if self.is_coded and self.scalar is None and not isinstance(vectors, CodedRows):
            # The first batch says where the middle is.
            centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
            self.scalar = Scalar(self.options.quantization, centre, self.metric is Metric.COSINE)
        if self.is_coded and not isinstance(vectors, CodedRows):
            self._see_what_is_kept(vectors)
        last = self._blocks[-1] if self._blocks else None
        total = 0 if last is None else last.first_row + last.used
        if self._may_keep(vectors, total):
            if isinstance(last, FloatBlock):
                last.matrix = last.matrix[: last.used]
            self._blocks = [*self._blocks, FloatBlock(vectors, total, len(vectors))]  # type: ignore[arg-type]
            return
        done = 0
        while done < len(vectors):
            if last is None or last.used == last.room:
                room = max(len(vectors) - done, min(total, _LARGEST_DOUBLING), _SMALLEST)
                last = self._new_block(room, total)
                self._blocks = [*self._blocks, last]
            taken = min(last.room - last.used, len(vectors) - done)
            last.write(last.used, vectors[done : done + taken])
            last.used += taken
            total += taken
            done += taken

    def _see_what_is_kept(self, vectors: FloatMatrix) -> None:
        known = 0 if self.fidelity is None else self.fidelity[1]
        sample = vectors[: _SEEN[1]]
        if self.scalar is not None and len(sample) >= max(_SEEN[0], 2 * known):
            kept = self.scalar.decode(self.scalar.encode(sample))
            self.fidelity = recall_kept(sample, kept, self.metric), len(sample)

    def _may_keep(self, vectors: FloatMatrix | CodedRows, total: int) -> bool:
        """Whether validation made this array, which nobody else has then, and it is worth a block of its own."""
        if self.is_coded or isinstance(vectors, CodedRows) or len(vectors) < max(total, _SMALLEST_OWN):
            return False
        return vectors.base is None and not vectors.flags.writeable

    def matrices(self, row_count: int) -> Iterator[tuple[int, FloatMatrix]]:
        """`(number of the first row, matrix)` in order, up to `row_count` rows in all."""
        for block in self._blocks:
            rows = min(block.room, row_count - block.first_row)
            if rows > 0:
                for start, matrix in block.parts(rows):
                    yield block.first_row + start, matrix

    def gather(self, rows: RowNumbers) -> FloatMatrix:
        """The vectors of these rows, in their order, as a new `(len(rows), d)` matrix."""
        blocks = self._blocks
        if len(blocks) == 1:
            return blocks[0].take(rows)
        result = np.empty((len(rows), self.dimension), dtype=np.float32)
        for inside, block in _by_block(blocks, rows):
            result[inside] = block.take(rows[inside] - block.first_row)
        return result

    def select(self, rows: RowNumbers) -> FloatMatrix | CodedRows:
        """As `append` takes them, to the bit."""
        if not self.is_coded or self.scalar is None:
            return self.gather(rows)
        codes = np.empty((len(rows), self.scalar.width), dtype=np.uint8)
        scales = np.empty(len(rows), dtype=np.float32)
        for inside, block in _by_block(self._blocks, rows):
            if isinstance(block, CodedBlock):
                found = block.rows[rows[inside] - block.first_row]
                codes[inside], scales[inside] = found.codes, found.scales
        return CodedRows(codes, scales)


def recall_kept(vectors: FloatMatrix, copies: FloatMatrix, metric: Metric) -> float:
    """The share of the ten nearest of a hundred of `vectors` that are among the ten nearest by what was `copies` of the
    rows.
    """
    rows = np.linspace(0, len(vectors) - 1, _QUERIES).astype(np.int64)
    truth, found = (_nearest(vectors[rows], among, own=rows, metric=metric) for among in (vectors, copies))
    return float(np.mean([len(set(one) & set(other)) / _TOP for one, other in zip(truth, found, strict=True)]))


def _nearest(queries: FloatMatrix, rows: FloatMatrix, *, own: RowNumbers, metric: Metric) -> list[list[int]]:
    keys = queries.astype(np.float64) @ rows.T.astype(np.float64)
    if metric is Metric.EUCLIDEAN:
        keys -= np.square(rows, dtype=np.float64).sum(axis=1) / 2
    keys[np.arange(len(own)), own] = -np.inf
    nearest: list[list[int]] = np.argpartition(-keys, _TOP, axis=1)[:, :_TOP].tolist()
    return nearest


def _by_block(blocks: list[Block], rows: RowNumbers) -> Iterator[tuple[RowNumbers, Block]]:
    """Which places of `rows` lie in which block."""
    starts = np.asarray([block.first_row for block in blocks])
    owner = np.searchsorted(starts, rows, side="right") - 1
    for number in np.unique(owner).tolist():
        yield np.flatnonzero(owner == number), blocks[number]
