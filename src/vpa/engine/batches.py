"""How what callers give becomes a change: a batch of records, a part of one, merged metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vpa.base.errors import InvalidFilterError
from vpa.base.metadata import canonical_metadata
from vpa.base.records import RecordBatch
from vpa.base.scope import Scope
from vpa.base.tables import MetadataColumns, TextColumn
from vpa.engine.change import Change
from vpa.engine.growable import Packed
from vpa.engine.render import json_rows
from vpa.engine.rows import encode_mappings


def change_of(batch: RecordBatch, scope: Scope) -> Change:
    """The change that writes a checked batch."""
    count = len(batch)
    metadata = batch.metadata if batch.metadata is not None else [{}] * count
    return Change(
        scope,
        ids=batch.ids,
        vectors=batch.vectors,
        texts=_packed_texts(batch.texts, count),
        metadata=json_rows(metadata) if isinstance(metadata, MetadataColumns) else encode_mappings(metadata),
        system=Packed.repeat(b"", count) if batch.system is None else encode_mappings(batch.system),
        parsed_metadata=metadata,  # type: ignore[arg-type]
        parsed_system=batch.system,  # type: ignore[arg-type]
    )


def _packed_texts(texts: Sequence[str | None] | None, count: int) -> Packed:
    if texts is None:
        return Packed.repeat(None, count)
    if isinstance(texts, TextColumn):
        return Packed(texts.lengths, texts.data[texts.offsets[0] : texts.offsets[-1]].data)
    return Packed.of(None if text is None else text.encode() for text in texts)


def part_of(change: Change, positions: list[int]) -> Change:
    """The part of a full upsert at these positions."""
    if change.vectors is None or change.parsed_metadata is None:
        raise InvalidFilterError("only a full upsert can skip existing ids")
    system = change.parsed_system
    return Change(
        change.scope,
        ids=[change.ids[i] for i in positions],
        vectors=change.vectors[positions],
        texts=change.texts.take(positions),
        metadata=change.metadata.take(positions),
        system=change.system.take(positions),
        parsed_metadata=[change.parsed_metadata[i] for i in positions],
        parsed_system=None if system is None else [system[i] for i in positions],
    )


def merged_mapping(old: dict[str, Any], assign: Mapping[str, Any], remove: set[str]) -> dict[str, Any]:
    """Without the keys to remove, with those to assign, checked; raises InvalidRecordError."""
    merged = {key: value for key, value in old.items() if key not in remove}
    return canonical_metadata({**merged, **assign})
