"""Divides a filter into the part that a store evaluates faithfully and the residual that we evaluate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vpa.base.moments import compared
from vpa.filters.ast import ALWAYS, And, Comparison, Constant, Filter, Not, Range, StartsWith, children
from vpa.filters.normalize import NormalFilter


@dataclass(frozen=True, slots=True)
class Split:
    """`native` and `residual` together hold for exactly the records that the whole filter holds for."""

    native: NormalFilter
    residual: NormalFilter

    @property
    def is_complete(self) -> bool:
        """Whether the store does it all."""
        return self.residual is ALWAYS


_LAST: Final = chr(0x10FFFF)
# Numbers of so few digits every store reads as they are; what is this little further out is no more than they take.
_FEW_DIGITS: Final = 13
_LITTLE: Final = 1e-12
_EVERYTHING: Final = Split(NormalFilter(ALWAYS), NormalFilter(ALWAYS))


def split(node: NormalFilter, supports: Callable[[Filter], bool]) -> Split:
    """Divide at the top-level `and`s; `supports(leaf, or Not(leaf))` says what the store evaluates exactly.

    Of a leaf in the residual, the store is asked for what it can say of it: a prefix is a span of the order of texts.
    """
    if node is ALWAYS:
        return _EVERYTHING
    parts: tuple[Filter, ...] = node.parts if isinstance(node, And) else (node,)
    native = tuple(part for part in parts if _supported(part, supports))
    residual = tuple(part for part in parts if not _supported(part, supports))
    wider = tuple(bound for part in residual for bound in _wider(part) if supports(bound))
    return Split(_conjunction(native + wider), _conjunction(residual))


def _wider(part: Filter) -> tuple[Filter, ...]:
    """What holds, among others, wherever `part` holds."""
    if isinstance(part, Range) and not isinstance(part.value, str):
        return _rounder(part, part.value)
    if not isinstance(part, StartsWith):
        return ()
    field, first = part.field, part.prefix if part.field.system else compared(part.prefix)
    behind = _behind(first)
    least = Range(field, Comparison.GTE, first)
    # A bound that names a moment would be compared as another text.
    bounded = behind is not None and (field.system or compared(behind) == behind)
    return (least, Range(field, Comparison.LT, behind)) if bounded and behind is not None else (least,)


def _rounder(part: Range, value: float) -> tuple[Filter, ...]:
    """The same comparison with a number of few digits that lies a little further out."""
    upward = part.comparison in (Comparison.GT, Comparison.GTE)
    try:
        further = float(value) + (-_LITTLE if upward else _LITTLE) * abs(float(value))
        rounded = float(f"{further:.{_FEW_DIGITS}g}")
    except OverflowError:
        return ()
    if not math.isfinite(rounded):
        return ()
    return (Range(part.field, Comparison.GTE if upward else Comparison.LTE, rounded),)


def _behind(prefix: str) -> str | None:
    """The least text above all that begin with `prefix`; None where there is none."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


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
