"""Divides a filter into the part that a store evaluates faithfully and the residual that we evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vpa.filters.ast import ALWAYS, And, Constant, Filter, Not, children
from vpa.filters.normalize import NormalFilter


@dataclass(frozen=True, slots=True)
class Split:
    """`native` and `residual` hold for exactly the records that the whole filter holds for."""

    native: NormalFilter
    residual: NormalFilter

    @property
    def is_complete(self) -> bool:
        """Whether the store does it all."""
        return self.residual is ALWAYS


_EVERYTHING: Final = Split(NormalFilter(ALWAYS), NormalFilter(ALWAYS))


def split(node: NormalFilter, supports: Callable[[Filter], bool]) -> Split:
    """Divide at the top-level `and`s; `supports(leaf, or Not(leaf))` says what the store evaluates exactly."""
    if node is ALWAYS:
        return _EVERYTHING
    parts: tuple[Filter, ...] = node.parts if isinstance(node, And) else (node,)
    native = tuple(part for part in parts if _supported(part, supports))
    residual = tuple(part for part in parts if not _supported(part, supports))
    return Split(_conjunction(native), _conjunction(residual))


def _supported(node: Filter, supports: Callable[[Filter], bool]) -> bool:
    if isinstance(node, Constant):
        return True
    if isinstance(node, Not) or not children(node):
        return supports(node)
    return all(_supported(part, supports) for part in children(node))


def _conjunction(parts: tuple[Filter, ...]) -> NormalFilter:
    if not parts:
        return NormalFilter(ALWAYS)
    return NormalFilter(parts[0] if len(parts) == 1 else And(parts))
