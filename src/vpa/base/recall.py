"""What recall is: the share of the exact answer that another answer has."""

from __future__ import annotations

from typing import Final

from vpa.base.records import Matches

_TIE: Final = 1e-6  # Scores that close are one score: which of them comes first is not a fault.


def found_share(exact: Matches, usual: Matches) -> float:
    """From 0 to 1; a record as near as the last of the exact answer is as good as it. 1 where there is nothing."""
    if not len(exact):
        return 1.0
    enough = least_enough(exact[-1].score)
    return min(1.0, sum(match.score >= enough for match in usual) / len(exact))


def least_enough(last: float) -> float:
    """The score that is as good as the last of an exact answer: stores compute in float32."""
    return last - _TIE * max(1.0, abs(last))
