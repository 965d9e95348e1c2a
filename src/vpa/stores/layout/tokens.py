"""Hashes that stand for facts about a record, the native key that a record gets, and the names of collections.

All are ASCII, so that nothing is left to escape in a store's language.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from vpa.base.metadata import Scalar, kind_of
from vpa.base.scope import Scope
from vpa.filters.ast import Field

TOKEN_LENGTH: Final = 24  # 96 bits in hexadecimal: among 10**12 tokens a collision has a chance of 10**-5.


@lru_cache(maxsize=65_536)
def token(kind: str, *parts: str) -> str:
    """24 hexadecimal digits (BLAKE2b, 96 bits) that stand for the parts; parts hold no NUL, so no two run together."""
    return blake2b("\0".join((kind, *parts)).encode(), digest_size=TOKEN_LENGTH // 2).hexdigest()


def _space(target: Field) -> str:
    return "y" if target.system else "m"


def value_token(target: Field, value: Scalar) -> str:
    """Stands for "some value of this field equals `value`": 2 and 2.0 share one, 1, True and "1" do not."""
    kind = kind_of(value)
    return token("=", kind[0], _space(target), target.path, _canonical(value))


def presence_token(target: Field) -> str:
    """Stands for "the field, or something below it, has a value"."""
    return token("?", _space(target), target.path)


def kind_token(target: Field, kind: str) -> str:
    """Stands for "the field has values of this kind"; without it, companions of an older record may be left over."""
    return token("#", kind[0], _space(target), target.path)


def companion_name(target: Field) -> str:
    """Under which name a field's companions are stored."""
    return token("<", _space(target), target.path)[:16]


@lru_cache(maxsize=4096)
def scope_token(scope: Scope) -> str:
    """Stands for "the record is in this scope"."""
    return token("@", scope.tenant, scope.namespace)


EVERY: Final = token("*")


def _canonical(value: Scalar) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


@lru_cache(maxsize=4096)
def _scope_prefix(scope: Scope) -> str:
    return token("k", scope.tenant, scope.namespace)[:8]


def record_key(scope: Scope, record_id: str) -> str:
    """The native key: a UUID of version 8 (RFC 9562), 32 bits of the scope, then 90 of scope and id.

    Keys of one scope stand together, so that a scan in key order goes scope by scope.
    """
    rest = blake2b(f"{scope.tenant}\0{scope.namespace}\0{record_id}".encode(), digest_size=12).hexdigest()
    variant = "89ab"[int(rest[7], 16) & 3]
    return f"{_scope_prefix(scope)}-{rest[:4]}-8{rest[4:7]}-{variant}{rest[8:11]}-{rest[11:23]}"


def scope_range(scope: Scope) -> tuple[str, str]:
    """A text below, and one above, every key of a scope."""
    prefix = _scope_prefix(scope)
    return prefix, f"{prefix}~"


def native_name(name: str, *, allowed: str, separator: str, shortest: int = 1, longest: int = 45) -> str:
    """A collection's name as a store takes it: itself where it can be, else spelled with `separator` and a hash."""
    spelled = "".join(letter if letter in allowed else separator for letter in name)
    if spelled == name and shortest <= len(name) <= longest and name[-1] not in "-_":
        return name
    return f"{spelled[: longest - 9].rstrip('-_')}{separator}{token('name', name)[:8]}"
