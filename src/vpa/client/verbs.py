"""The verbs of a collection, written once: validation, then one call through the pipeline.

`Collection` has them for its own records, the manager for its configured collection.
"""

from __future__ import annotations

from vpa.base.guessed import RECORD_VERBS, Guessed
from vpa.client.located import located
from vpa.client.searching import SearchingVerbs
from vpa.client.tables import TableVerbs
from vpa.client.writing import WritingVerbs
from vpa.stores.requests import Optimize


class CollectionVerbs(TableVerbs, SearchingVerbs, WritingVerbs, Guessed):
    """Everything that can be done with the records of one collection. Options are keyword-only.

    Filters are `F` expressions or MongoDB-style mappings; `scope` says whose records are meant.
    Every verb may raise ClosedError, CollectionNotFoundError and the connection errors of `vpa.base.errors`.
    """

    _GUESSES = RECORD_VERBS
    _ITEM = "get_one(id) reads a record, scan() all of them"

    @located
    async def optimize(self) -> None:
        """Build what makes searches fast, once much was loaded; may take minutes, so it has no deadline.

        Where the collection promises a recall, it is measured, and the store's search is set so that it is kept. Where
        it has a keyword index, its words are counted anew, if the store does not count them itself.
        """
        bound = self._bound()
        await bound.run(Optimize(), lambda: bound.store.optimize(bound.info))
        if bound.promise is not None:
            await bound.promise.measure()
        if bound.census is not None and bound.info.words is not None:
            await bound.census.take()
