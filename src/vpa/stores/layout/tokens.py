"""Hashes that stand for facts about a record, the native key that a record gets, and the names of collections.

All are ASCII, so that nothing is left to escape in a store's language.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from vpa.base.metadata import Scalar, kind_of
from vpa.base.moments import compared, folded
from vpa.base.scope import Scope
from vpa.filters.ast import Field

TOKEN_LENGTH: Final = 16  # 96 bits, 6 a character: among 10**12 tokens a collision has a chance of 10**-5.
_TOKEN_BYTES: Final = 12
_NAME_BYTES: Final = 8
_SPELLED: Final = 36  # Characters of a name before its hash: Pinecone takes 45 in all.


@lru_cache(maxsize=65_536)
def token(kind: str, *parts: str) -> str:
    """16 letters, digits, `-` and `.` (BLAKE2b, 96 bits) that stand for the parts; parts hold no NUL, so no two run
    together.
    """
    return b64encode(_digest(_TOKEN_BYTES, kind, *parts).digest(), altchars=b"-.").decode()


def _digest(size: int, *parts: str) -> blake2b:
    return blake2b("\0".join(parts).encode(), digest_size=size)


def _space(target: Field) -> str:
    return "y" if target.system else "m"


def value_token(target: Field, value: Scalar) -> str:
    """Stands for "some value of this field equals `value`": 2 and 2.0 share one, 1, True and "1" do not."""
    kind = kind_of(value)
    text = seen(target, value) if isinstance(value, str) else _canonical(value)
    return token("=", kind[0], _space(target), target.path, text)


def fold_token(target: Field, text: str) -> str:
    """Stands for "some text of this field, which is not case-folded itself, folds to `text`"."""
    return token("~", _space(target), target.path, text)


def seen(target: Field, text: str) -> str:
    """What comparisons see of a text: the moment that it names, but for system fields, which hold ids."""
    return text if target.system else compared(text)


def fold(target: Field, text: str) -> str:
    """What comparisons that ignore case see of it."""
    return text.casefold() if target.system else folded(text)


def below_token(target: Field) -> str:
    """Stands for "something below the field has a value"."""
    return token("?", _space(target), target.path)


def kind_token(target: Field, kind: str) -> str:
    """Stands for "the field has values of this kind"; without it, companions of an older record may be left over."""
    return token("#", kind[0], _space(target), target.path)


def list_token(name: str) -> str:
    """Stands for "a path has several values", so that beside the greatest of its companions there is a least one."""
    return token("&", name)


def presence_tokens(target: Field) -> tuple[str, ...]:
    """One of them is there where the field, or something below it, has a value."""
    here = tuple(kind_token(target, kind) for kind in ("boolean", "number", "string"))
    return here if target.system else (*here, below_token(target))


@lru_cache(maxsize=4096)
def companion_name(target: Field) -> str:
    """16 hexadecimal digits under which a field's companions are stored."""
    return _digest(_NAME_BYTES, "<", _space(target), target.path).hexdigest()


def scope_text(scope: Scope) -> str:
    """A scope other than the default one, in one text: no part of a scope holds `/`."""
    return f"{scope.tenant}/{scope.namespace}"


EVERY: Final = token("*")


def _canonical(value: Scalar) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@lru_cache(maxsize=4096)
def _scope_prefix(scope: Scope) -> str:
    return _digest(_TOKEN_BYTES, "k", scope.tenant, scope.namespace).hexdigest()[:8]


def record_key(scope: Scope, record_id: str) -> str:
    """The native key: a UUID of version 8 (RFC 9562), 32 bits of the scope, then 90 of scope and id.

    Keys of one scope stand together, so that a scan in key order goes scope by scope.
    """
    rest = blake2b(f"{scope.tenant}\0{scope.namespace}\0{record_id}".encode(), digest_size=12).hexdigest()
    variant = "89ab"[int(rest[7], 16) & 3]
    return f"{_scope_prefix(scope)}-{rest[:4]}-8{rest[4:7]}-{variant}{rest[8:11]}-{rest[11:23]}"


def scope_range(scope: Scope) -> tuple[str, str]:
    """A UUID below, and one above, every key of a scope."""
    prefix = _scope_prefix(scope)
    return f"{prefix}-0000-0000-0000-000000000000", f"{prefix}-ffff-ffff-ffff-ffffffffffff"


def native_name(
    name: str,
    *,
    allowed: str,
    separator: str,
    mark: str | None = None,
    shortest: int = 1,
    longest: int = 255,
    letter_first: bool = False,
) -> str:
    """A collection's name as a store takes it: itself where it can be, else spelled with `separator`, then `mark` (or
    the separator) and a hash.

    What others made thus keeps its name, as long as it consists of `allowed` and begins and ends as stores like it.
    """
    spelled = "".join(next((one for one in (letter, letter.lower()) if one in allowed), separator) for letter in name)
    first = name[:1].isalpha() if letter_first else name[:1].isalnum()
    if spelled == name and shortest <= len(name) <= longest and first and name[-1] not in "-_.":
        return name
    readable = spelled[:_SPELLED].strip("-_.")
    if not readable[:1].isalpha():
        readable = f"c{readable}"[:_SPELLED]
    return f"{readable}{mark or separator}{_digest(_TOKEN_BYTES, 'name', name).hexdigest()[:8]}"
