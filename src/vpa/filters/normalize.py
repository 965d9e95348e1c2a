"""Rewrites a tree without changing its meaning: `not` at the leaves, flat, no constants inside, no repetition."""

from __future__ import annotations

from typing import NewType

from vpa.filters.ast import ALWAYS, NEVER, And, Constant, Eq, Filter, Not, Or
from vpa.filters.render import canonical_text

# A tree that `normalize` returned: what stands behind this type is not rewritten again.
NormalFilter = NewType("NormalFilter", Filter)


def is_normal(node: Filter) -> bool:
    """Whether `mark_normal` has seen this node."""
    return getattr(node, "_is_normal", False)


def mark_normal(node: NormalFilter) -> NormalFilter:
    """Note on the node that it is checked and normal, so that it is never rewritten again."""
    object.__setattr__(node, "_is_normal", True)
    return node


def normalize(node: Filter) -> NormalFilter:
    """Return an equivalent tree in which `Not` stands only before leaves and constants only at the top."""
    return NormalFilter(_rewrite(node, negated=False))


def _rewrite(node: Filter, *, negated: bool) -> Filter:
    if not negated and is_normal(node):
        return node
    match node:
        case Constant(value):
            return ALWAYS if value is not negated else NEVER
        case Not(part):
            return _rewrite(part, negated=not negated)
        case And(parts):
            return _combine(parts, Or if negated else And, negated=negated)
        case Or(parts):
            return _combine(parts, And if negated else Or, negated=negated)
        case _:
            return Not(node) if negated else node


def _combine(parts: tuple[Filter, ...], kind: type[And] | type[Or], *, negated: bool) -> Filter:
    neutral, absorbing = (ALWAYS, NEVER) if kind is And else (NEVER, ALWAYS)
    kept: dict[object, Filter] = {}
    for part in parts:
        rewritten = _rewrite(part, negated=negated)
        for member in rewritten.parts if isinstance(rewritten, kind) else (rewritten,):
            if member is absorbing:
                return absorbing
            if member is not neutral:
                kept.setdefault(_key(member), member)
    if any(isinstance(member, Not) and _key(member.part) in kept for member in kept.values()):
        return absorbing
    members = tuple(kept.values())
    if not members:
        return neutral
    return members[0] if len(members) == 1 else kind(members)


def _key(node: Filter) -> object:
    """Equal for nodes that are the same: of the same form, with literals of the same kind."""
    match node:
        case Eq(field, value):
            # 1, 1.0 and True are equal in Python and not in a filter.
            return (Eq, field, type(value), value)
        case Not(part):
            return (Not, _key(part))
        case _:
            return canonical_text(node)
