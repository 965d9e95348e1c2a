"""What an index of a collection is: something that finds the nearest rows, made and kept beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vpa.base.arrays import FloatMatrix, FloatVector
from vpa.base.index_options import IndexOptions
from vpa.engine.indexes import flat
from vpa.engine.indexes.flat import BestRows
from vpa.engine.rows import RowStore
from vpa.engine.selection import Selection
from vpa.engine.view import View
from vpa.engine.writer import Writer


class Part(NamedTuple):
    """One piece of an index on its way to a file and back."""

    facts: Mapping[str, Any]
    centre: FloatVector | None
    codes: bytes | memoryview


class Dump(NamedTuple):
    """An index on its way to a file and back."""

    facts: Mapping[str, Any]
    parts: Sequence[Part]


class Index(ABC):
    """Of one table. `search` is called by any thread, also before, while and after `tend` is called by one at a time.
    What `tend`
    makes is a frozen value, published with the rows in one state (see `Writer`), and handed to `search` as `codes`.

    A new kind answers exactly or keeps `options.recall`, which it measures; it is a row in `choice.py`, and the suite
    of
    `vpa.testing` and `tests/engine/test_indexes.py` are what it has to pass. Rows are append-only: an index of the
    first n rows of `view.rows` stays true, and what it finds among dead rows or behind n is its own business, by
    `chosen` and by looking at the
    rest.
    """

    def __init__(self, options: IndexOptions, writer: Writer) -> None:
        self.options = options
        self._writer = writer
        self.error: str | None = None

    @abstractmethod
    def search(
        self, view: View, queries: FloatMatrix, *, top_k: int, chosen: Selection | None, codes: object | None
    ) -> tuple[list[BestRows], bool]:
        """The `top_k` best rows of those chosen, for each row of `queries` `(m, d)`, and whether none can be
        missing.
        """

    def exact_because(self, view: View) -> str | None:
        """Why searches of `view` are exact whatever is tended, if they are."""
        del view
        return None

    def wants(self, view: View) -> bool:
        """Whether `tend` has something to do."""
        del view
        return False

    def tend(self, *, tidy: Callable[[], object], stop: Callable[[], bool]) -> None:
        """Catch up with the rows; returns soon when `stop` says so. Whatever it raises, searches go on as before.

        `tidy` leaves dead rows out; it is called before work that keeps a view for seconds, and with it the memory of
        its rows.
        """
        del tidy, stop

    def successor(self, view: View, *, stop: Callable[[], bool]) -> object | None:
        """Codes for the rows of `view`, which are those of now under other numbers."""
        del view, stop
        return None

    @property
    def seconds(self) -> float | None:
        """About how long a search takes, where that was measured and a search uses one processor at most."""
        return None

    @property
    def unsaved(self) -> bool:
        """Whether a snapshot is worth it for what the index would put in it."""
        return False

    def dump(self, view: View) -> Dump | None:
        """What a snapshot of `view` is to hold, if anything."""
        del view
        return None

    def saved(self) -> None:  # noqa: B027 - an index that dumps nothing has nothing to note
        """The snapshot that holds the last `dump` is on the disk."""

    def restore(self, rows: RowStore, dump: Dump) -> None:
        """Take up what `dump` gave for the same rows; what cannot be read is made anew."""
        del rows, dump

    def stats(self) -> dict[str, Any]:
        """What is in use, and why."""
        return {"type": str(self.options.index_type), "error": self.error}


class FlatIndex(Index):
    """Nothing beside the rows: every search looks at all of them."""

    def search(
        self, view: View, queries: FloatMatrix, *, top_k: int, chosen: Selection | None, codes: object | None
    ) -> tuple[list[BestRows], bool]:
        """A pass over every vector that is chosen."""
        del codes
        return flat.search(view, queries, top_k=top_k, chosen=chosen), True

    def exact_because(self, view: View) -> str | None:
        """It is exact by its nature, whatever the data."""
        del view
        return "index_type is flat"

    def stats(self) -> dict[str, Any]:
        """That it is exact."""
        return {**super().stats(), "search": "exact", "at_work": False}
