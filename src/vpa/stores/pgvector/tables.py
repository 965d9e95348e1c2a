"""The SQL of a collection's table, and what its distances mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from vpa.base.records import CollectionInfo, Metric
from vpa.stores.layout import scoring
from vpa.stores.pgvector.indexing import indexed_type, options_of
from vpa.stores.pgvector.words import WORDS

# pgvector's limit of a vector.
MAX_DIMENSION: Final = 16_000
# How many candidates are ranked again by the vectors themselves, for each record that is wanted, and at least.
_CANDIDATES: Final = {"halfvec": (2, 1), "bit": (16, 400)}
# Cosine is the inner product of unit vectors.
_OPERATORS: Final = {Metric.COSINE: "<#>", Metric.DOT: "<#>", Metric.EUCLIDEAN: "<->"}
# The columns with an index of what is in them, as PostgreSQL spells it: equality in filters, and words.
_FILTERED: Final = "m jsonb_path_ops"

_INDEXES: Final = """
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid = to_regclass($%d::text) AND a.amname IN ('hnsw', 'ivfflat')
"""
# What is being built, or was begun and stopped, is there too, and not valid.
DESCRIBE: Final = f"""
SELECT info, EXISTS (
    SELECT 1 {_INDEXES % 2} AND i.indisvalid AND EXISTS (
        SELECT 1 FROM pg_opclass WHERE oid = i.indclass[0] AND (opcname = 'bit_hamming_ops' OR opcname LIKE
        CASE WHEN info::json->>'metric' = 'euclidean' THEN '%l2_ops' ELSE '%ip_ops' END)
    )
) AS indexed FROM {{registry}} WHERE name = $1
"""
# A table that was dropped and made again is another one.
IDENTITY: Final = "SELECT to_regclass($1::text)::oid"
# Whoever builds an index holds a lock of two numbers.
CANCEL_BUILDER: Final = """
SELECT pg_cancel_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = (hashtext($2)::bigint & 4294967295)
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""
# Of a table in partitions, its partitions; else the table itself.
_LEAVES: Final = """
leaves AS (
    SELECT c.oid, c.reltuples, c.relpersistence, c.relispartition FROM pg_class c
    WHERE c.relkind = 'r' AND c.oid IN (
        SELECT $1::text::regclass UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::text::regclass
    )
)
"""
STATISTICS: Final = f"""
WITH {_LEAVES} SELECT sum(greatest(reltuples, 0)) AS rows, sum(pg_total_relation_size(oid)) AS bytes,
bool_or(relpersistence = 'u') AS unlogged, count(*) FILTER (WHERE relispartition) AS partitions FROM leaves
"""
VECTOR_INDEXES: Final = f"""
SELECT i.indexrelid::regclass::text AS name, a.amname AS method, c.reloptions AS parameters, i.indisvalid AS valid,
(SELECT opcname FROM pg_opclass WHERE oid = i.indclass[0]) AS operators {_INDEXES % 1}
"""


def create(table: str, info: CollectionInfo, *, partitions: Sequence[str]) -> Iterator[str]:
    """The table, its partitions, and the indexes that serve equality in filters, and keyword search."""
    kind = "UNLOGGED TABLE" if options_of(info).unlogged else "TABLE"
    columns = (
        '(tenant text COLLATE "C" NOT NULL, namespace text COLLATE "C" NOT NULL, '
        f'id text COLLATE "C" NOT NULL, embedding vector({info.dimension}) NOT NULL, text text, '
        "metadata text NOT NULL, "
        f"system text NOT NULL, m jsonb NOT NULL, {'' if info.keywords is None else f'{WORDS} jsonb, '}"
        "PRIMARY KEY (tenant, namespace, id))"
    )
    # What is in partitions holds no rows itself, and cannot be unlogged (PostgreSQL 18).
    yield (
        f"CREATE TABLE {table} {columns} PARTITION BY HASH (tenant, namespace)"
        if partitions
        else f"CREATE {kind} {table} {columns}"
    )
    for position, part in enumerate(partitions):
        bounds = f"WITH (MODULUS {len(partitions)}, REMAINDER {position})"
        yield f"CREATE {kind} {part} PARTITION OF {table} FOR VALUES {bounds}"
    for column in indexed_columns(info):
        yield build_index(table, column)


def indexed_columns(info: CollectionInfo) -> list[str]:
    """What the table's indexes are over, but for that of the vectors."""
    return [_FILTERED] if info.keywords is None else [_FILTERED, WORDS]


def build_index(table: str, column: str) -> str:
    """One of them."""
    return f"CREATE INDEX ON {table} USING gin ({column})"


async def mend_indexes(lent: Any, table: str, info: CollectionInfo) -> None:
    """Build those of them that are missing or were not finished."""
    for column in indexed_columns(info):
        present = await lent.fetch(OWN_INDEX, table, column)
        if not any(index["valid"] for index in present):
            for broken in present:
                await lent.execute(f"DROP INDEX {broken['name']}")
            await lent.execute(build_index(table, column))


# The index of the table over a column, and those of the table or of its partitions that hold something.
OWN_INDEX: Final = """
SELECT i.indexrelid::regclass::text AS name, i.indisvalid AS valid FROM pg_index i
WHERE i.indrelid = to_regclass($1::text) AND pg_get_indexdef(i.indexrelid) LIKE '% USING gin (' || $2::text || ')'
"""
FILTER_INDEXES: Final = f"""
WITH {_LEAVES} SELECT i.indexrelid::regclass::text AS name FROM pg_index i JOIN leaves ON leaves.oid = i.indrelid
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'gin'
"""
# What was written to the filters' index is kept in a list, which every search reads through until it is sorted in.
SORT_IN: Final = "SELECT gin_clean_pending_list($1::text::regclass)"


def upsert_one(table: str, columns: Sequence[str]) -> str:
    """The statement for executemany: one row, which replaces one with its key."""
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) {_replacing(columns)}"


def _replacing(columns: Sequence[str]) -> str:
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns[3:])
    return f"ON CONFLICT (tenant, namespace, id) DO UPDATE SET {changes}"


def any_of(table: str) -> str:
    """Whether one of the ids $3 is there. $1 tenant, $2 namespace.

    Not by a join: of a table that was never analysed PostgreSQL expects one row of a scope, and would compare each with
    every id.
    """
    return f"SELECT EXISTS (SELECT 1 FROM {table} WHERE tenant = $1 AND namespace = $2 AND id = ANY($3::text[]))"


def upsert_many(table: str, columns: Sequence[str]) -> str:
    """From the temporary table."""
    into = ", ".join(columns)
    return f"INSERT INTO {table} ({into}) SELECT {into} FROM vpa_incoming {_replacing(columns)}"


def insert_new(table: str, columns: Sequence[str]) -> str:
    """From the temporary table, only what is not there; returns the ids written."""
    into = ", ".join(columns)
    return (
        f"INSERT INTO {table} ({into}) SELECT {into} FROM vpa_incoming "
        "ON CONFLICT (tenant, namespace, id) DO NOTHING RETURNING id"
    )


def count_default(table: str) -> str:
    """How many rows are of the default scope, which is the least: all of them where the key's index has no other."""
    return (
        f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {table} WHERE (tenant, namespace) > ('', '')) "
        f"THEN (SELECT count(*) FROM {table} WHERE tenant = '' AND namespace = '') "
        f"ELSE (SELECT count(*) FROM {table}) END AS n"
    )


def update_metadata(table: str) -> str:
    """$1 tenant, $2 namespace, $3 ids, $4 metadata, $5 flattened metadata."""
    return (
        f"UPDATE {table} AS t SET metadata = given.metadata, m = given.m::jsonb "
        "FROM unnest($3::text[], $4::text[], $5::text[]) AS given(id, metadata, m) "
        "WHERE t.tenant = $1 AND t.namespace = $2 AND t.id = given.id"
    )


def nearest(table: str, info: CollectionInfo, *, columns: str, query: str, where: str, limit: int, exact: bool) -> str:
    """The nearest rows with their distance `d`. `exact` must not meet the index, which knows no sums; computed once.

    The limit is no parameter: a plan for every limit expects a tenth of the table, and then leaves the index alone.
    """
    distance = f"(embedding {_OPERATORS[info.metric]} {query})"
    if exact:
        return f"SELECT {columns}, {distance} + 0 AS d FROM {table} WHERE {where} ORDER BY d, id LIMIT {limit}"
    over = indexed_type(info)
    if over is None or over == "vector":
        return f"SELECT {columns}, {distance} AS d FROM {table} WHERE {where} ORDER BY {distance} LIMIT {limit}"
    size = info.dimension
    rough = {
        "halfvec": f"(embedding::halfvec({size})) {_OPERATORS[info.metric]} ({query}::vector::halfvec({size}))",
        "bit": f"(binary_quantize(embedding)::bit({size})) <~> binary_quantize({query}::vector)::bit({size})",
    }[over]
    times, least = _CANDIDATES[over]
    return (
        f"SELECT * FROM (SELECT {columns}, {distance} AS d FROM {table} WHERE {where} ORDER BY {rough} "
        f"LIMIT greatest({least}, {limit} * {times})) AS candidates ORDER BY d LIMIT {limit}"
    )


def score_of(metric: Metric, raw: float) -> tuple[float, float]:
    """`<#>` is the negative product, `<->` the distance."""
    if metric is Metric.EUCLIDEAN:
        return scoring.euclidean(raw)
    return scoring.cosine(-raw) if metric is Metric.COSINE else scoring.dot(-raw)
