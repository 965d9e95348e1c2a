"""Who searched for what, lately: in memory, bounded a user and in users."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import asdict, dataclass
from typing import Any, Final

_PER_USER: Final = 100  # Together some tens of megabytes at most: a history is a help, not a log.
_USERS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEntry:
    """One search. `timestamp` is seconds since the epoch, `response_time` in seconds."""

    query: str
    filters: dict[str, Any]
    top_k: int
    result_count: int
    response_time: float
    cached: bool
    timestamp: float


class SearchHistory:
    """The latest 100 searches of each of the latest 10,000 users."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, deque[SearchEntry]] = OrderedDict()

    def add(self, user_id: str, entry: SearchEntry) -> None:
        """Note a search; the oldest one goes when the history is full."""
        entries = self._users.setdefault(user_id, deque(maxlen=_PER_USER))
        entries.append(entry)
        self._users.move_to_end(user_id)
        while len(self._users) > _USERS:
            self._users.popitem(last=False)

    def of(self, user_id: str, *, limit: int) -> list[dict[str, Any]]:
        """The user's searches, newest first."""
        entries = list(self._users.get(user_id, ()))
        return [asdict(entry) for entry in reversed(entries)][:limit]

    def count(self, user_id: str) -> int:
        """How many searches of the user are known."""
        return len(self._users.get(user_id, ()))

    def discard(self, user_id: str) -> int:
        """Remove the user's searches; returns how many there were."""
        return len(self._users.pop(user_id, ()))

    def __len__(self) -> int:
        return len(self._users)
