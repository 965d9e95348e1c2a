"""Rewrites a tree without changing its meaning: `not` at the leaves, flat, no constants inside, no repetition."""

from __future__ import annotations

from vpa.filters.ast import ALWAYS, NEVER, And, Constant, Filter, Not, Or
from vpa.filters.render import canonical_text


def normalize(node: Filter) -> Filter:
    """Return an equivalent tree in which `Not` stands only before leaves and constants only at the top."""
    return _rewrite(node, negated=False)


def _rewrite(node: Filter, *, negated: bool) -> Filter:
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
    kept: dict[str, Filter] = {}
    for part in parts:
        rewritten = _rewrite(part, negated=negated)
        for member in rewritten.parts if isinstance(rewritten, kind) else (rewritten,):
            if member is absorbing:
                return absorbing
            if member is not neutral:
                kept.setdefault(canonical_text(member), member)
    if any(isinstance(member, Not) and canonical_text(member.part) in kept for member in kept.values()):
        return absorbing
    members = tuple(kept.values())
    if not members:
        return neutral
    return members[0] if len(members) == 1 else kind(members)
