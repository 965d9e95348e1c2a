"""Pages in key order from stores that sort nothing: by intervals of a number that the key begins with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from vpa.base.scope import Scope
from vpa.stores.layout.tokens import scope_range

if TYPE_CHECKING:
    from vpa.stores.layout.driver import Stored

DIGITS: Final = 15
LARGEST: Final = 16**DIGITS - 1


def key_number(key: str) -> int:
    """The first 60 bits of a key, without its version digit: orders as keys do, twins aside."""
    digits = key.replace("-", "")
    return int((digits[:12] + digits[13:]).ljust(DIGITS, "0")[:DIGITS], 16)


class IntervalPages:
    """Remembers, per scan, how wide an interval holds about a page. `fetch(low, high, most)`: rows with low <= number <= high."""

    def __init__(self, *, number: Callable[[str], int] = key_number, largest: int = LARGEST) -> None:
        self._widths: dict[object, int] = {}
        self._number = number
        self._largest = largest

    async def page(
        self,
        scan: object,
        fetch: Callable[[int, int, int], Awaitable[Sequence[Stored]]],
        *,
        scope: Scope | None,
        after: str,
        limit: int,
    ) -> list[Stored]:
        """The next at most `limit` rows behind the key `after`, in order; empty when there are none."""
        low, last = 0, self._largest
        if scope is not None:
            prefix, _ = scope_range(scope)
            low, last = key_number(prefix), key_number(prefix) + 16 ** (DIGITS - len(prefix)) - 1
        low = max(low, self._number(after)) if after else low
        width = self._widths.get(scan, last - low) or 1
        most = 2 * limit + 2
        while low <= last:
            high = min(low + width, last)
            rows = await fetch(low, high, most)
            if len(rows) >= most and high > low:
                width = max(1, (high - low) // 4)
                continue
            found = sorted((row for row in rows if row.key > after), key=lambda row: row.key)
            if found:
                # Next time about as many as asked; never much wider at once, for keys of one scope stand together.
                width = max(1, min(4 * width, (high - low) * limit // len(found)))
                self._remember(scan, width)
                return found[:limit]
            low, width = high + 1, width * 8
        self._widths.pop(scan, None)
        return []

    def _remember(self, scan: object, width: int) -> None:
        if len(self._widths) > 1000:
            self._widths.clear()
        self._widths[scan] = width
