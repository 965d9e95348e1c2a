"""A collection as a table of Arrow, pandas or polars. The libraries are asked for when they are needed."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from vpa.base.errors import ProviderNotInstalledError
from vpa.base.records import RecordBatch
from vpa.base.scope import AllScopes, Scope
from vpa.client.located import located
from vpa.client.reading import ReadingVerbs, check_limit
from vpa.filters import FilterLike

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_ROWS = 1000


class TableVerbs(ReadingVerbs):
    """Columns id, vector, text, then one typed column for each top-level key of the metadata.

    A key that is called as one of these is "metadata.<key>"; one with values of several types, or with mappings, is
    "json.<key>" and has JSON text. `upsert` reads such a table back. With `scope=ALL_SCOPES` there are columns tenant
    and namespace too. All of it is held in memory: give a `limit`, or read
    `scan_batches`. Raises ProviderNotInstalledError with the line to run where the library is missing.
    """

    @located
    async def to_arrow(
        self,
        *,
        filter: FilterLike = None,
        limit: int | None = None,
        include_vectors: bool = True,
        scope: Scope | AllScopes | None = None,
    ) -> pa.Table:
        """The matching records, at most `limit`, as a `pyarrow.Table`; vectors are fixed-size lists of float32."""
        _imported("pyarrow", for_="to_arrow", pip='"vpa[arrow]"')
        from vpa.base.typed import arrow_table

        batches = await self._rows(filter, limit=limit, include_vectors=include_vectors, scope=scope)
        return await asyncio.to_thread(
            arrow_table,
            batches,
            dimension=self._bound().info.dimension,
            vectors=include_vectors,
            scopes=isinstance(scope, AllScopes),
        )

    @located
    async def to_pandas(
        self,
        *,
        filter: FilterLike = None,
        limit: int | None = None,
        include_vectors: bool = True,
        scope: Scope | AllScopes | None = None,
    ) -> pd.DataFrame:
        """As `to_arrow`, as a `pandas.DataFrame`; integers, booleans and texts stay such beside missing ones."""
        pandas = _imported("pandas", for_="to_pandas", pip='pandas "vpa[arrow]"')
        table = await self.to_arrow(filter=filter, limit=limit, include_vectors=include_vectors, scope=scope)
        pa = _imported("pyarrow", for_="to_pandas", pip='"vpa[arrow]"')
        exact = {
            pa.int64(): pandas.Int64Dtype(),
            pa.bool_(): pandas.BooleanDtype(),
            pa.string(): pandas.StringDtype(),
        }
        frame: pd.DataFrame = await asyncio.to_thread(table.to_pandas, types_mapper=exact.get)
        return frame

    @located
    async def to_polars(
        self,
        *,
        filter: FilterLike = None,
        limit: int | None = None,
        include_vectors: bool = True,
        scope: Scope | AllScopes | None = None,
    ) -> pl.DataFrame:
        """As `to_arrow`, as a `polars.DataFrame`; vectors are a column of type Array(Float32, d)."""
        polars = _imported("polars", for_="to_polars", pip='polars "vpa[arrow]"')
        table = await self.to_arrow(filter=filter, limit=limit, include_vectors=include_vectors, scope=scope)
        frame: pl.DataFrame = await asyncio.to_thread(polars.from_arrow, table)
        return frame

    async def _rows(
        self, filter: FilterLike, *, limit: int | None, include_vectors: bool, scope: Scope | AllScopes | None
    ) -> list[RecordBatch]:
        left = check_limit(limit)
        result: list[RecordBatch] = []
        size = _ROWS if left is None else max(1, min(_ROWS, left))
        batches = self.scan_batches(filter=filter, batch_size=size, include_vectors=include_vectors, scope=scope)
        async with aclosing(batches) as read:
            while left is None or left > 0:
                batch = await anext(read, None)
                if batch is None:
                    break
                result.append(batch if left is None or len(batch) <= left else _head(batch, left))
                left = None if left is None else left - len(batch)
        return result


def _head(batch: RecordBatch, count: int) -> RecordBatch:
    return RecordBatch(
        ids=batch.ids[:count],
        vectors=None if batch.vectors is None else batch.vectors[:count],
        texts=None if batch.texts is None else batch.texts[:count],
        metadata=None if batch.metadata is None else batch.metadata[:count],
        sparse=None if batch.sparse is None else batch.sparse[:count],
        scope=batch.scope,
    )


def _imported(name: str, *, for_: str, pip: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ProviderNotInstalledError(f"{for_} needs {name}, which is not there; run: pip install {pip}") from error
