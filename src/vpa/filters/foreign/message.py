"""The text of an error about a foreign filter."""

from __future__ import annotations

from collections.abc import Callable

from vpa.filters.foreign.ours import Ours, UntranslatableError, shown


def told(owner: str, translate: Callable[[], Ours]) -> str:
    """Whose notation it is, and the same filter in ours, or what ours has instead."""
    try:
        ours = translate()
    except UntranslatableError as error:
        hint = f"{error}; see docs/semantics.md"
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError):
        # The notation was recognised by its outer form, and is malformed in its own terms.
        hint = 'conditions are written {"field": value} or {"field": {"$gte": value}}; see docs/semantics.md'
    else:
        hint = (
            f"the same filter here: {shown(ours)}" if ours else "the same filter here: {}, which every record matches"
        )
    return f"this is {owner}; vpa takes an F expression or a mapping of its own: {hint}"
