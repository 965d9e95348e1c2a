"""What the embedded store says of its tables, and what it takes a batch for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpa.base.records import RecordBatch
from vpa.engine.database import Database
from vpa.engine.persist.journal import DurableJournal
from vpa.engine.persist.recover import RecoveryReport
from vpa.engine.reading import ReadOnlyDatabase
from vpa.engine.table import Table
from vpa.observe.log import get_logger

_log = get_logger("vpa.stores.embedded")
# A batch within these is written in well under a millisecond: records, values of vectors, values of metadata,
# characters of text.
FEW_RECORDS: Final = 64
_FEW_NUMBERS, _FEW_VALUES, _FEW_CHARACTERS = 100_000, 1_000, 100_000
# Text and JSON of so many bytes are read in about two milliseconds.
_FEW_BYTES: Final = 256_000


def are_few(table: Table, records: int, most: int) -> bool:
    """Whether so many records can be read on the event loop, `most` of them, also if each is as large as the
    largest.
    """
    return records <= most and records * table.view.rows.largest_bytes <= _FEW_BYTES


def is_light(batch: RecordBatch) -> bool:
    """Whether a batch is so small that writing it in memory does not hold the event loop."""
    if len(batch) > FEW_RECORDS or (batch.vectors is not None and batch.vectors.size > _FEW_NUMBERS):
        return False
    characters = values = 0
    for text in batch.texts or ():
        characters += len(text or "")
    for mapping in batch.metadata or ():
        values += len(mapping)
        for value in mapping.values():
            if isinstance(value, str):
                characters += len(value)
            elif isinstance(value, list):
                values += len(value)
            elif isinstance(value, dict):
                return False  # How much is in it is only known by walking through it.
    return characters <= _FEW_CHARACTERS and values <= _FEW_VALUES


def log_recovery(database: Database | ReadOnlyDatabase, *, live: bool) -> None:
    """Say what was not clean when the directory was opened. `live`: another process writes, so an open end is no
    news.
    """
    for name, error in database.damaged.items():
        _log.error("collection_unusable", collection=name, error=str(error))
    for name, report in database.reports().items():
        if report.damage or not (report.clean or live):
            _log.warning(
                "recovered",
                collection=name,
                torn_bytes=report.torn_bytes,
                damage=report.damage,
                changes=report.replayed_changes,
                closed=report.closed,
                set_aside=report.set_aside,
            )


def table_facts(table: Table, journal: DurableJournal | None, report: RecoveryReport | None) -> dict[str, Any]:
    """Rows, index and vectors, and for a durable table its log and what recovery found."""
    view, index = table.view, table.index
    facts: dict[str, Any] = {"records": view.live_count, "rows": view.count, "durable": report is not None}
    facts |= table.upkeep.stats()
    facts["index"] = index.stats()
    if facts["index"]["search"] == "exact" and (because := index.exact_because(view)):
        facts["index"]["exact_because"] = because
    if table.info.recall is not None:
        facts["promise"] = _promise(table.info.recall, facts)
    facts["vectors"] = view.rows.vectors.stats()
    if report is not None:
        facts |= {
            "log_bytes": None if journal is None else journal.log_bytes,
            "read_only": "opened with read_only=True" if journal is None else journal.read_only_reason,
            "checkpoint_error": None if journal is None else journal.checkpoint_error,
            "recovery": {
                "closed": report.closed,
                "last_change": report.last_change,
                "torn_bytes": report.torn_bytes,
                "damage": report.damage,
                "set_aside": report.set_aside,
            },
        }
    return facts


def _promise(promised: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The recall that was promised and the one that the index found, as other stores show it; "all" is the top ten's.

    Nothing is measured, and `kept` None, in an empty collection.
    """
    index = facts["index"]
    is_exact = index["search"] == "exact"
    known = {10: (1.0, True)} if is_exact else {one["top_k"]: (one["recall"], one["kept"]) for one in index["measured"]}
    recall, kept = known.get(10, (None, None)) if facts["records"] else (None, None)
    return {
        "promised": promised,
        "measuring": index["at_work"],
        "kept": kept,
        "measured": {} if recall is None else {"all": recall},
        "missed": ["all"] if kept is False else [],
        "rows": facts["records"] if is_exact else index["measured_at_rows"],
        "top_k": 10,
    }
