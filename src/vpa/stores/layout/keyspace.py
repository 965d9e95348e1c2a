"""Pages in key order from stores that sort nothing: by intervals of a number that the key begins with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from vpa.base.scope import Scope
from vpa.stores.layout.tokens import scope_range

if TYPE_CHECKING:
    from vpa.stores.layout.driver import StoredRow

DIGITS: Final = 15  # Hexadecimal digits of a key that one int64 holds.
LARGEST: Final = 16**DIGITS - 1


def key_number(key: str) -> int:
    """The first 60 bits of a key, without its version digit: orders as keys do, twins aside."""
    digits = key.replace("-", "")
    return int((digits[:12] + digits[13:]).ljust(DIGITS, "0")[:DIGITS], 16)


# How many numbers the keys of one scope span: eight of their digits stand for the scope.
_SCOPE_SPAN: Final = 16 ** (DIGITS - 8)


Fetch: TypeAlias = "Callable[[int | None, int | None, int], Awaitable[Sequence[StoredRow]]]"


class IntervalPages:
    """Remembers, per scan, how wide an interval holds about a page.

    A store that reads a whole interval to answer makes a wide one expensive. So a scan does not begin with everything:
    keys of a scope are spread evenly, and the number of records says how wide a page is.
    """

    def __init__(
        self, *, number: Callable[[str], int] = key_number, largest: int = LARGEST, scope_span: int = _SCOPE_SPAN
    ) -> None:
        self._widths: dict[object, int] = {}
        self._number = number
        self._largest = largest
        self._scope_span = scope_span

    async def page(
        self,
        scan: object,
        fetch: Fetch,
        *,
        scope: Scope | None,
        after: str,
        limit: int,
        total: Callable[[], Awaitable[int]],
    ) -> list[StoredRow]:
        """The next at most `limit` rows behind the key `after`, in order; empty when there are none.

        `fetch(low, high, most)`: at most `most` rows with low <= number <= high; None is no bound, since one that holds
        for every record would be evaluated for every record. `total`: about how many records the collection holds;
        asked at the beginning of a scan.
        """
        low, last = self._range(scope, after)
        # At most one scope, so that an interval of this width is read, not looked through.
        guess = self._widths.get(scan) or max(1, self._scope_span * limit // max(1, await total()))
        guess = min(guess, self._scope_span)
        # Of every scope, where the first stands is not known: a look at the whole finds some record.
        width = guess if after or last - low <= self._scope_span else last - low
        most, start = 2 * limit + 2, -1
        while low <= last:
            high = min(low + width, last)
            # Only whether there is a record, and where one is, where the interval spans scopes.
            spans_scopes = high - low > self._scope_span
            rows = await fetch(low or None, None if high == self._largest else high, 1 if spans_scopes else most)
            if spans_scopes and rows:
                start = self._number(rows[0].key) // self._scope_span * self._scope_span
                # Either nothing precedes the scope of that record, or what precedes it is a smaller interval.
                width = guess if start <= low else start - 1 - low
                continue
            if len(rows) >= most and high > low:
                width = max(1, (high - low) // 4)
                continue
            behind = sorted((row for row in rows if row.key > after), key=lambda row: row.key)
            if behind:
                # Next time about as many as asked; never much wider at once, for keys of one scope stand together.
                self._remember(scan, max(1, min(4 * width, (high - low) * limit // len(behind))))
                return behind[:limit]
            low, width = high + 1, guess if high + 1 == start else width * 8
        self._widths.pop(scan, None)
        return []

    def _range(self, scope: Scope | None, after: str) -> tuple[int, int]:
        """The least and the greatest number that the rest of a scan may hold."""
        low, last = 0, self._largest
        if scope is not None:
            low, last = map(self._number, scope_range(scope))
        return (max(low, self._number(after)) if after else low), last

    def _remember(self, scan: object, width: int) -> None:
        if len(self._widths) > 1000:
            self._widths.clear()
        self._widths[scan] = width
