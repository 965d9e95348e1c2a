"""Which collections hold records of more than one scope, as far as searches of the default scope have seen.

A user who never heard of scopes pays nothing for them: such a search asks for the nearest records of all scopes. If
they are all of its own, they are its nearest. If one is not, nothing of the answer is shown, and the search is repeated
with the scope as a filter, which searches of that collection then send at once for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from vpa.base.scope import Scope
from vpa.stores.layout.tokens import scope_range

# Long enough that a collection of many scopes pays for one wasted request in thousands; short enough that one whose
# other scopes were deleted is soon fast again.
_REMEMBERED_S: Final = 60.0
DEFAULT_SCOPE: Final = Scope()


class SharedCollections:
    """Remembers them for a minute. `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[str, float] = {}

    def note(self, name: str) -> None:
        """A record of another scope was seen, or written, in the collection."""
        self._until[name] = self._now() + _REMEMBERED_S

    def is_shared(self, name: str) -> bool:
        """Whether one was, within the last minute."""
        until = self._until.get(name)
        if until is not None and until <= self._now():
            del self._until[name]
            return False
        return until is not None


def is_within(key: str, scope: Scope) -> bool:
    """Whether a key stands among those of a scope; two scopes in four billion stand in one place."""
    low, high = scope_range(scope)
    return low < key < high
