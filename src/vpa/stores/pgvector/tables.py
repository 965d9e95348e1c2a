"""The SQL of a collection's table, and what its distances mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.layout import scoring
from vpa.stores.pgvector.convert import COLUMNS

# pgvector's limits: of a vector, of one with an HNSW index, and of that index over halfvec.
MAX_DIMENSION: Final = 16_000
_MAX_INDEXED: Final = 2_000
_MAX_HALF: Final = 4_000
# Cosine is the inner product of unit vectors.
_OPERATORS: Final = {Metric.COSINE: "<#>", Metric.DOT: "<#>", Metric.EUCLIDEAN: "<->"}
_CLASSES: Final = {Metric.COSINE: "ip_ops", Metric.DOT: "ip_ops", Metric.EUCLIDEAN: "l2_ops"}
_CHANGES: Final = ", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS[3:])
_INTO: Final = ", ".join(COLUMNS)

DESCRIBE: Final = """
SELECT info, EXISTS (
    SELECT 1 FROM pg_indexes WHERE tablename = $2 AND indexdef LIKE '%USING hnsw%'
) AS indexed FROM {registry} WHERE name = $1
"""
STATISTICS: Final = """
SELECT greatest(reltuples, 0) AS rows, pg_total_relation_size(oid) AS bytes FROM pg_class WHERE oid = $1::text::regclass
"""


def create(table: str, info: CollectionInfo, *, hnsw: bool) -> Iterator[str]:
    """The table, an index that serves equality in filters, and the one for searches where it was asked for."""
    yield (
        f'CREATE TABLE {table} (tenant text COLLATE "C" NOT NULL, namespace text COLLATE "C" NOT NULL, '
        f'id text COLLATE "C" NOT NULL, embedding vector({info.dimension}) NOT NULL, text text, '
        "metadata text NOT NULL, "
        "system text NOT NULL, m jsonb NOT NULL, PRIMARY KEY (tenant, namespace, id))"
    )
    yield f"CREATE INDEX ON {table} USING gin (m jsonb_path_ops)"
    if hnsw and index_type(info) is not None:
        yield build_index(table, info)


def index_type(info: CollectionInfo) -> str | None:
    """The type that an HNSW index can hold at this dimension, or None: over 4,000 every search is a scan."""
    if info.dimension <= _MAX_INDEXED:
        return "vector"
    return "halfvec" if info.dimension <= _MAX_HALF else None


def build_index(table: str, info: CollectionInfo) -> str:
    """The HNSW index; over 2,000 dimensions of halves, whose answers are ordered again by the full vectors."""
    kind = index_type(info)
    expression = "embedding" if kind == "vector" else f"(embedding::halfvec({info.dimension}))"
    operators = f"{kind}_{_CLASSES[info.metric]}"
    return f"CREATE INDEX ON {table} USING hnsw ({expression} {operators}) WITH (m = 16, ef_construction = 128)"


HNSW_INDEXES: Final = """
SELECT i.indexrelid::regclass::text AS name FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid = $1::text::regclass AND a.amname = 'hnsw'
"""


def upsert_one(table: str) -> str:
    """The statement for executemany: one row, which replaces one with its key."""
    places = ", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))
    return (
        f"INSERT INTO {table} ({_INTO}) VALUES ({places}) ON CONFLICT (tenant, namespace, id) DO UPDATE SET {_CHANGES}"
    )


def upsert_many(table: str) -> str:
    """From the temporary table."""
    return (
        f"INSERT INTO {table} ({_INTO}) SELECT {_INTO} FROM vpa_incoming "
        f"ON CONFLICT (tenant, namespace, id) DO UPDATE SET {_CHANGES}"
    )


def insert_new(table: str) -> str:
    """From the temporary table, only what is not there; returns the ids written."""
    return (
        f"INSERT INTO {table} ({_INTO}) SELECT {_INTO} FROM vpa_incoming "
        "ON CONFLICT (tenant, namespace, id) DO NOTHING RETURNING id"
    )


def update_metadata(table: str) -> str:
    """$1 tenant, $2 namespace, $3 ids, $4 metadata, $5 flattened metadata."""
    return (
        f"UPDATE {table} AS t SET metadata = given.metadata, m = given.m::jsonb "
        "FROM unnest($3::text[], $4::text[], $5::text[]) AS given(id, metadata, m) "
        "WHERE t.tenant = $1 AND t.namespace = $2 AND t.id = given.id"
    )


def nearest(table: str, info: CollectionInfo, *, columns: str, query: str, where: str, limit: str, exact: bool) -> str:
    """The nearest rows with their distance `d`. `exact` must not meet the index: a sum is no expression that it
    knows.
    """
    distance = f"(embedding {_OPERATORS[info.metric]} {query})"
    if exact:
        return f"SELECT {columns}, {distance} AS d FROM {table} WHERE {where} ORDER BY {distance} + 0, id LIMIT {limit}"
    if index_type(info) == "vector":
        return f"SELECT {columns}, {distance} AS d FROM {table} WHERE {where} ORDER BY {distance} LIMIT {limit}"
    half = f"halfvec({info.dimension})"
    rough = f"(embedding::{half}) {_OPERATORS[info.metric]} ({query}::{half})"
    return (
        f"SELECT * FROM (SELECT {columns}, {distance} AS d FROM {table} WHERE {where} ORDER BY {rough} LIMIT {limit} "
        "* 2) "
        f"AS found ORDER BY d LIMIT {limit}"
    )


def score_of(metric: Metric, raw: float) -> tuple[float, float]:
    """`<#>` is the negative product, `<->` the distance."""
    if metric is Metric.EUCLIDEAN:
        return scoring.euclidean(raw)
    return scoring.cosine(-raw) if metric is Metric.COSINE else scoring.dot(-raw)
