"""Scope: the tenant and namespace that every verb works in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vpa.base.errors import InvalidQueryError
from vpa.base.showing import shown

_PART: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}")
# Namespaces that begin so are ours.
INTERNAL: Final = ".vpa-"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Where records live within a collection. An id is unique within its collection and scope.

    Both parts match `[A-Za-z0-9_.-]{0,64}`; the empty string is a scope like any other, not "all of them".
    Raises InvalidQueryError for anything else.
    """

    tenant: str = ""
    namespace: str = ""

    def __post_init__(self) -> None:
        for name in ("tenant", "namespace"):
            value = getattr(self, name)
            if not isinstance(value, str) or _PART.fullmatch(value) is None:
                raise InvalidQueryError(
                    f"scope {name} {shown(value)} is not allowed: use at most 64 of the characters A-Z a-z 0-9 _ . -"
                )


def is_internal(scope: Scope) -> bool:
    """Whether records of a scope are vpa's own, such as the ledger of ingested files, and no user's."""
    return scope.namespace.startswith(INTERNAL)


@dataclass(frozen=True, slots=True)
class AllScopes:
    """The type of ALL_SCOPES; only scan and export take it."""


def check_scope(scope: object) -> Scope:
    """Return a scope, or raise InvalidQueryError: one scope, not a name and not all of them."""
    if not isinstance(scope, Scope):
        raise InvalidQueryError(f"scope must be a vpa.Scope, not {shown(scope)}; only scan takes ALL_SCOPES")
    return scope


ALL_SCOPES: Final = AllScopes()
DEFAULT_SCOPE: Final = Scope()
