"""A collection as a Parquet file that other tools read, and back: `export` writes, `load` reads, as `format` says."""

from vpa.transfer.parquet.export import export_parquet
from vpa.transfer.parquet.load import import_parquet

__all__ = ["export_parquet", "import_parquet"]
