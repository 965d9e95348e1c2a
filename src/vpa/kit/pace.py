"""How much to do at once, so that one step takes about a given time."""

from __future__ import annotations


class Pace:
    """A number of things between `least` and `most`; it grows while steps are short, twofold at most each time."""

    def __init__(self, *, least: int, most: int, step_s: float) -> None:
        self._least, self._most, self._step_s = least, most, step_s
        self.size = least

    def took(self, count: int, seconds: float) -> None:
        """A step with so many things took so long."""
        fitting = self._most if seconds <= 0 else int(count * self._step_s / seconds)
        self.size = max(self._least, min(fitting, 2 * self.size, self._most))
