"""Which index a collection gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpa.base.index_options import IndexOptions, IndexType
from vpa.engine.indexes.base import FlatIndex, Index
from vpa.engine.indexes.coded import CodedIndex
from vpa.engine.writer import Writer

INDEXES: Final[Mapping[IndexType, type[Index]]] = {IndexType.AUTO: CodedIndex, IndexType.FLAT: FlatIndex}


def create_index(options: IndexOptions, writer: Writer) -> Index:
    """An index of the kind that the options name, of no rows yet."""
    return INDEXES[options.index_type](options, writer)
