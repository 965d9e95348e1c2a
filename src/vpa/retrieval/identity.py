"""What tells one function or object of the caller's from another, where it is part of a key."""

from __future__ import annotations

from typing import Any

from vpa.kit.crossing import original_of


class Identity:
    """Equal for the same object, and for the same method of it: what the caller gave need not be hashable."""

    __slots__ = ("_parts",)

    def __init__(self, value: Any) -> None:
        value = original_of(value)
        # A bound method is made anew each time that it is read.
        self._parts = (getattr(value, "__self__", None), getattr(value, "__func__", value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Identity):
            return NotImplemented
        return all(mine is theirs for mine, theirs in zip(self._parts, other._parts, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(map(id, self._parts)))
