"""What the driver asks of the points of a collection, by REST or by gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.records import FOREIGN, CollectionInfo
from vpa.stores.layout.driver import StoredRow
from vpa.stores.layout.sparse import FIELD
from vpa.stores.qdrant.keeping import EXACT, INNER
from vpa.stores.qdrant.words import Named, Sparse

# A filter as `filters.spell` writes it, in the JSON of the REST interface; None: every point.
Spelled: TypeAlias = Mapping[str, Any] | None
# The record itself; no field of the user's may stand there under these names.
RECORD_NAMES: Final = ("id", "text", "metadata", "system", "scope")
RECORD_FIELDS: Final = (*RECORD_NAMES, EXACT, INNER, FIELD)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a point is returned with. `foreign`: others wrote it, so all of its payload makes the record. `named`:
    sparse vectors stand beside its own, and are not returned.
    """

    payloads: bool = True
    vectors: bool = False
    foreign: bool = False
    named: bool = False


def selection_of(info: CollectionInfo, *, payloads: bool = True, vectors: bool) -> Selection:
    """What points of a collection are returned with."""
    return Selection(payloads, vectors, info.layout_version == FOREIGN, named=info.keywords is not None or info.sparse)


class Depth(NamedTuple):
    """How a search looks: at every vector, or at `ef` candidates of the index.

    Where there are codes, `oversampling` times as many as wanted are scored again by their vectors.
    """

    exact: bool
    ef: int
    oversampling: float | None = None

    def parameters(self) -> dict[str, Any]:
        """In Qdrant's words. Scores are always those of the vectors; an exact search does not look at codes."""
        found: dict[str, Any] = {"exact": True} if self.exact else {"hnsw_ef": self.ef}
        if self.oversampling is not None:
            codes = {"ignore": True} if self.exact else {"rescore": True, "oversampling": self.oversampling}
            found["quantization"] = codes
        return found


class Points(Protocol):
    """The requests of one protocol. Each is sent once; both return the same values, bit for bit."""

    async def upsert(
        self,
        collection: str,
        ids: Sequence[str],
        *,
        vectors: FloatMatrix,
        payloads: Sequence[Mapping[str, Any]],
        named: Sequence[Named] | None,
    ) -> None:
        """Replace points whole; `named`: the sparse vectors of each, None where the collection has none."""

    async def overwrite(self, collection: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the payloads of points that exist."""

    async def write_words(self, collection: str, words: Mapping[str, Sparse]) -> None:
        """Replace the words of points that exist; raises an error for one that does not, others may be written then."""

    async def rank(
        self, collection: str, sparse: Sparse, chosen: Spelled, *, using: str, limit: int, selection: Selection
    ) -> list[StoredRow]:
        """The `limit` points with the greatest product of this and their sparse vector of that name, but none without
        any of its dimensions.
        """

    async def retrieve(self, collection: str, ids: Sequence[str | int], selection: Selection) -> list[StoredRow]:
        """Those of the points that exist, in any order."""

    async def delete_ids(self, collection: str, ids: Sequence[str]) -> None:
        """Delete the points that exist."""

    async def delete_where(self, collection: str, chosen: Spelled) -> None:
        """Delete what matches."""

    async def count(self, collection: str, chosen: Spelled) -> int:
        """How many points match, exactly."""

    async def nearest(
        self, collection: str, query: FloatVector, chosen: Spelled, *, limit: int, depth: Depth, selection: Selection
    ) -> list[StoredRow]:
        """The best `limit`."""

    async def scroll(
        self, collection: str, chosen: Spelled, *, start: str | int | None, limit: int, selection: Selection
    ) -> list[StoredRow]:
        """In the order of the ids, from `start` on, which is included."""
