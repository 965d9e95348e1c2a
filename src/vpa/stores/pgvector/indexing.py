"""Which vector index a collection has: its own store options, or else the connection's default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.options import PgvectorOptions
from vpa.stores.pgvector.connection import DEFAULT_EFFORT, Effort

Over = Literal["vector", "halfvec", "bit"]
# pgvector's limits for an index over each type, in dimensions.
_LONGEST: Final[dict[Over, int]] = {"vector": 2_000, "halfvec": 4_000, "bit": 64_000}
_CLASSES: Final = {Metric.COSINE: "ip_ops", Metric.DOT: "ip_ops", Metric.EUCLIDEAN: "l2_ops"}
_LARGEST_HALF: Final = 65_504.0
# A built index is left behind by rows that would take so many times its lists.
_OUTGROWN: Final = 2
_NONE: Final = PgvectorOptions()
_M: Final = 16
_PROBES: Final = 40
_EF_CONSTRUCTION: Final = 64
# pgvector's advice: a list per thousand rows up to a million, then the root of the number of rows.
_ROWS_PER_LIST: Final = 1_000
_MANY_ROWS: Final = 1_000_000


def options_of(info: CollectionInfo) -> PgvectorOptions:
    """What the collection was made with."""
    return PgvectorOptions.parse(info.store_options) if info.store_options else _NONE


def indexed_type(info: CollectionInfo) -> Over | None:
    """The type that an index of this collection is over; None where it has too many dimensions for the default.

    Half-precision numbers end at 65,504, so they are the default for unit vectors only.
    """
    chosen = options_of(info).index_over
    if chosen is not None:
        return chosen
    usual: tuple[Over, ...] = ("vector", "halfvec") if info.metric is Metric.COSINE else ("vector",)
    return next((over for over in usual if info.dimension <= _LONGEST[over]), None)


def largest_number(info: CollectionInfo) -> float:
    """Above it a value cannot be in the collection's index."""
    return _LARGEST_HALF if options_of(info).index_over == "halfvec" else math.inf


def check_index(info: CollectionInfo) -> None:
    """Raise ConfigurationError where the index that the options ask for cannot hold vectors of this dimension."""
    options, over = options_of(info), indexed_type(info)
    if options.index in (None, "none") or (over is not None and info.dimension <= _LONGEST[over]):
        return
    fitting = [name for name, longest in _LONGEST.items() if info.dimension <= longest]
    raise options.refused(
        f"an index over {over or 'vector or halfvec'} does not hold {info.dimension} dimensions; "
        f"index_over for this collection: {', '.join(fitting)}",
        names=("index", "index_over"),
    )


def parameters_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What an index that PostgreSQL has, a row of `VECTOR_INDEXES`, was built with."""
    return dict(parameter.split("=", 1) for parameter in row["parameters"] or ())


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """An index that is to be built. `lists` None: by the number of rows."""

    method: Literal["hnsw", "ivfflat"]
    over: Over
    m: int = _M
    ef_construction: int = _EF_CONSTRUCTION
    lists: int | None = None
    operators: str = ""

    def effort(self, value: int | None, *, trial: bool = False) -> Effort:
        """What a session is set to for searches by it: `value`, or what finds enough of most collections."""
        if self.method == "ivfflat":
            return Effort("ivfflat.probes", value or _PROBES, by_index_only=trial)
        return Effort("hnsw.ef_search", value or DEFAULT_EFFORT, by_index_only=trial)

    def is_built_as(self, row: Mapping[str, Any]) -> bool:
        """Whether an index that PostgreSQL has, a row of `VECTOR_INDEXES`, is this one."""
        built = parameters_of(row)
        wanted = {} if self.method == "ivfflat" else {"m": str(self.m), "ef_construction": str(self.ef_construction)}
        if self.lists is not None:
            wanted["lists"] = str(self.lists)
        return (row["method"], row["operators"]) == (self.method, self.operators) and wanted.items() <= built.items()

    def is_outgrown(self, row: Mapping[str, Any], *, rows: int) -> bool:
        """Whether its lists were taken from far fewer rows."""
        if self.method != "ivfflat" or self.lists is not None:
            return False
        built = parameters_of(row)
        return _lists_for(rows) >= _OUTGROWN * int(built.get("lists", 1))

    @property
    def efforts(self) -> tuple[int, ...]:
        """What may be tried for a promised recall."""
        if self.method == "ivfflat":
            return (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
        return (40, 64, 100, 150, 200, 300, 400, 600, 800, 1000)

    def build(self, table: str, info: CollectionInfo, *, rows: int, beside_writers: bool = False) -> str:
        """The statement that builds it. `beside_writers`: it takes longer, and nobody waits for it."""
        size = info.dimension
        expression = {
            "vector": "embedding",
            "halfvec": f"(embedding::halfvec({size}))",
            "bit": f"(binary_quantize(embedding)::bit({size}))",
        }[self.over]
        parameters = f"m = {self.m}, ef_construction = {self.ef_construction}"
        if self.method == "ivfflat":
            parameters = f"lists = {self.lists or _lists_for(rows)}"
        concurrently = "CONCURRENTLY " if beside_writers else ""
        using = f"USING {self.method} ({expression} {self.operators}) WITH ({parameters})"
        return f"CREATE INDEX {concurrently}ON {table} {using}"


def _lists_for(rows: int) -> int:
    return max(1, rows // _ROWS_PER_LIST if rows <= _MANY_ROWS else math.isqrt(rows))


def planned_index(info: CollectionInfo, *, default: bool) -> VectorIndex | None:
    """The index that the collection is to have. `default`: whether the connection gives one to those that say nothing.

    HNSW is made with the collection. IVFFlat takes its lists from the rows, so it is built after loading.
    """
    options, over = options_of(info), indexed_type(info)
    method = options.index or ("hnsw" if default else "none")
    if method == "none" or over is None:
        return None
    m = options.m or _M
    return VectorIndex(
        method,
        over,
        m=m,
        ef_construction=options.ef_construction or max(_EF_CONSTRUCTION, 2 * m),
        lists=options.lists,
        operators="bit_hamming_ops" if over == "bit" else f"{over}_{_CLASSES[info.metric]}",
    )
