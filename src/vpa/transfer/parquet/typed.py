"""The typed columns of a file: added once all of it is written, because only then every type is known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from vpa.base.typed import PREFIX, MetadataTypes
from vpa.transfer.parquet.format import pyarrow

# Each column has its own pages and statistics; a collection of thousands of keys is better read as JSON.
_MOST: Final = 500


def behind(path: Path) -> Path:
    """The file that is written while `path` is read."""
    return path.with_name(f"{path.name}.typed")


def add_typed_columns(path: Path, types: MetadataTypes) -> None:
    """Rewrite the file with a column "metadata.<key>" for each key, at most 500 in the order of their first records.

    Blocks. What it holds otherwise, its digest too, stays as it is.
    """
    pa = pyarrow()
    keys = types.keys()[:_MOST]
    source = pa.parquet.ParquetFile(path)
    with source:
        facts = {**(source.schema_arrow.metadata or {}), **(source.metadata.metadata or {})}
        # Arrow's own copy of the schema is written anew.
        facts.pop(b"ARROW:schema", None)
        schema = source.schema_arrow.with_metadata(facts)
        for key in keys:
            schema = schema.append(pa.field(PREFIX + key, types.type_of(key)))
        target = behind(path)
        with pa.parquet.ParquetWriter(target, schema, compression="zstd", write_page_checksum=True) as writer:
            for number in range(source.num_row_groups):
                table = source.read_row_group(number)
                rows = [json.loads(text) for text in table.column("metadata").to_pylist()]
                for key in keys:
                    table = table.append_column(PREFIX + key, types.column(key, rows))
                writer.write_table(table.replace_schema_metadata(facts))
    os.replace(target, path)
